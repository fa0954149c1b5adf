/** IP addresses and subnets as values: parse, show, compare. Pure. */
import { formatIp, parseIp } from "../base/ip.ts";

export { isLoopback, parseIp } from "../base/ip.ts";

/** Four (IPv4) or sixteen (IPv6) bytes in network order. */
export type Ip = Uint8Array;

/** A subnet: its first address and the length of its prefix in bits. */
export interface Subnet {
  readonly base: Ip;
  readonly prefix: number;
}

/** 4 or 6. */
export function family(ip: Ip): 4 | 6 {
  return ip.length === 4 ? 4 : 6;
}

/** The version of an address that is text. */
export function versionOf(ip: string): 4 | 6 {
  return ip.includes(":") ? 6 : 4;
}

/** The canonical text of an address. */
export const showIp = formatIp;

/** A subnet from "address/prefix"; host bits are cleared. Undefined if it is none. */
export function parseSubnet(text: string): Subnet | undefined {
  const slash = text.indexOf("/");
  const ip = slash < 0 ? undefined : parseIp(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (ip === undefined || !/^\d{1,3}$/.test(digits) || Number(digits) > ip.length * 8) {
    return undefined;
  }
  return { base: masked(ip, Number(digits)), prefix: Number(digits) };
}

/** `ip` with all bits after the first `prefix` cleared. */
export function masked(ip: Ip, prefix: number): Ip {
  return ip.map((byte, i) => {
    const bits = Math.min(8, Math.max(0, prefix - i * 8));
    return byte & (0xff << (8 - bits)) & 0xff;
  });
}

export function showSubnet(subnet: Subnet): string {
  return `${showIp(subnet.base)}/${subnet.prefix}`;
}

export function sameIp(a: Ip, b: Ip): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Is `ip` in `subnet`? False across families. */
export function contains(subnet: Subnet, ip: Ip): boolean {
  return ip.length === subnet.base.length && sameIp(masked(ip, subnet.prefix), subnet.base);
}

/** Do two subnets share an address? */
export function overlap(a: Subnet, b: Subnet): boolean {
  return a.prefix <= b.prefix ? contains(a, b.base) : contains(b, a.base);
}

/** How many addresses a subnet has; at most 2^32, which is more than anybody leases. */
export function subnetSize(subnet: Subnet): number {
  return 2 ** Math.min(32, subnet.base.length * 8 - subnet.prefix);
}

/** The address `offset` after the first one of `subnet`. */
export function addressAt(subnet: Subnet, offset: number): Ip {
  const ip = subnet.base.slice();
  let carry = offset;
  for (let i = ip.length - 1; i >= 0 && carry > 0; i--) {
    carry += ip[i];
    ip[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
  return ip;
}

/** Is it 0.0.0.0 or ::? */
export function isUnspecified(ip: Ip): boolean {
  return ip.every((byte) => byte === 0);
}

/** A MAC address from text in any case, with ":" or "-"; undefined if it is none. */
export function parseMac(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  return new Uint8Array(text.split(/[:-]/).map((byte) => parseInt(byte, 16)));
}

export function showMac(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/**
 * The MAC address of an interface with this address: 02:42 and the last four bytes. A lease that
 * is given to the next container then keeps its MAC, and no neighbour has a stale entry.
 */
export function macOf(ip: Ip): Uint8Array<ArrayBuffer> {
  return new Uint8Array([0x02, 0x42, ...ip.subarray(-4)]);
}

/** The link-local address of an interface with this MAC, in the form of RFC 4291 appendix A. */
export function linkLocalOf(mac: Uint8Array): Ip {
  const host = [mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]];
  return new Uint8Array([0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...host]);
}
