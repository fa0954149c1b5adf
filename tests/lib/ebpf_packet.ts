/** A packet on its way through a program: what the kernel's functions do with it and with maps. */
import { type BpfInsn, encodeProgram } from "../../ffi/bpf.ts";
import { HELPER } from "../../ffi/bpf_assembler.ts";
import { EbpfMachine, runProgram } from "./ebpf.ts";

/** Maps by the descriptors that programs have of them. */
export type Maps = Map<number, Map<string, Uint8Array>>;

/** Where a packet is to go on. */
export interface Redirect {
  readonly to: "neighbour" | "interface";
  readonly index: number;
  readonly flags: number;
}

/** What has become of a packet. */
export interface Outcome {
  readonly verdict: number;
  readonly packet: Uint8Array;
  readonly redirect?: Redirect;
}

/** What is not in the packet. */
export interface Surroundings {
  readonly maps: Maps;
  readonly keyBytes: ReadonlyMap<number, number>;
  /** The number of the filter. */
  readonly classid: number;
  readonly random?: number;
  readonly ticks?: bigint;
}

const REDIRECTED = 7n;
const EFAULT = -14n;
const LENGTH_AT = 0, PROTOCOL_AT = 16, CLASSID_AT = 72;

/** A sum of 16-bit words as the Internet's checksums have it. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  bytes.forEach((byte, i) => sum += i % 2 === 0 ? byte << 8 : byte);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Brings a checksum in line with a change; RFC 1624. Flags: the width, and MARK_MANGLED_0. */
function replaceChecksum(packet: Uint8Array, at: number, from: bigint, to: bigint, flags: number) {
  const MARK_MANGLED_0 = 0x20;
  if ((flags & MARK_MANGLED_0) !== 0 && packet[at] === 0 && packet[at + 1] === 0) return 0n;
  const bytesOf = (value: bigint) =>
    Array.from({ length: flags & 15 }, (_, i) => Number(value >> BigInt(8 * i) & 0xffn));
  const inverted = [packet[at], packet[at + 1], ...bytesOf(from)].map((byte) => byte ^ 0xff);
  const sum = 0xffff ^ checksum(new Uint8Array([...inverted, ...bytesOf(to)]));
  packet.set([sum >> 8, sum & 0xff], at);
  return 0n;
}

const key = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** Runs a program of a link over an Ethernet frame. */
export function runOnPacket(
  program: readonly BpfInsn[],
  frame: Uint8Array,
  around: Surroundings,
): Outcome {
  const machine = new EbpfMachine();
  let packet = frame.slice();
  let redirect: Redirect | undefined;
  machine.context = (offset, width) => {
    if (width !== 4) throw new Error("bad load");
    if (offset === LENGTH_AT) return BigInt(packet.length);
    if (offset === PROTOCOL_AT) return BigInt(packet[12] | packet[13] << 8);
    if (offset === CLASSID_AT) return BigInt(around.classid);
    throw new Error(`the context at ${offset}`);
  };
  const helper = (name: keyof typeof HELPER, body: (...args: bigint[]) => bigint) =>
    machine.helpers.set(HELPER[name], (args) => body(...args));
  const bytesOf = (map: bigint, address: bigint) =>
    machine.at(address, around.keyBytes.get(Number(map))!, true);
  helper("map_lookup_elem", (map, address) => {
    const value = around.maps.get(Number(map))!.get(key(bytesOf(map, address)));
    return value === undefined ? 0n : machine.addressOf(value);
  });
  helper("map_update_elem", (map, address, value) => {
    const elements = around.maps.get(Number(map))!;
    elements.set(key(bytesOf(map, address)), machine.at(value, 16, true).slice());
    return 0n;
  });
  helper("skb_load_bytes", (_, offset, to, count) => {
    if (count === 0n) throw new Error("a load of no bytes");
    if (offset + count > packet.length) return EFAULT;
    machine.at(to, Number(count), false)
      .set(packet.subarray(Number(offset), Number(offset + count)));
    return 0n;
  });
  helper("skb_store_bytes", (_, offset, from, count) => {
    const bytes = machine.at(from, Number(count), true);
    if (offset + count > packet.length) return EFAULT;
    packet.set(bytes, Number(offset));
    return 0n;
  });
  helper("skb_change_tail", (_, length) => {
    const longer = new Uint8Array(Number(length));
    longer.set(packet.subarray(0, longer.length));
    packet = longer;
    return 0n;
  });
  const replaceSum = (offset: bigint, from: bigint, to: bigint, flags: bigint) =>
    replaceChecksum(packet, Number(offset), from, to, Number(flags));
  helper("l3_csum_replace", (_, offset, from, to, flags) => replaceSum(offset, from, to, flags));
  helper("l4_csum_replace", (_, offset, from, to, flags) => replaceSum(offset, from, to, flags));
  helper("get_prandom_u32", () => BigInt(around.random ?? 0));
  helper("jiffies64", () => around.ticks ?? 1000n);
  helper("redirect_neigh", (index, _parameters, _length, flags) => {
    redirect = { to: "neighbour", index: Number(index), flags: Number(flags) };
    return REDIRECTED;
  });
  helper("redirect", (index, flags) => {
    redirect = { to: "interface", index: Number(index), flags: Number(flags) };
    return REDIRECTED;
  });
  const verdict = Number(runProgram(encodeProgram(program), machine));
  return { verdict, packet, redirect };
}
