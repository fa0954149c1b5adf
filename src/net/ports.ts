/**
 * Published ports: from what was asked to sockets that hold the host's ports. A held port is a
 * listening socket; the container's monitor inherits it, so the kernel itself refuses the port to
 * everybody else as long as the container runs, and frees it when it ends.
 */
import { StructWriter } from "../../ffi/bytes.ts";
import {
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPV6_V6ONLY,
  SHUT_RDWR,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../../ffi/constants.ts";
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, errnoText } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { addressFamily } from "../../ffi/inet.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { family, isUnspecified, parseIp, showIp } from "./address.ts";

/** Docker's spelling of one host side. Empty HostIp: all; empty HostPort: any; "1-9": any of. */
export interface PortBinding {
  HostIp: string;
  HostPort: string;
}

/** Docker's spelling of published ports; keys are "80/tcp". */
export type PortMap = Record<string, PortBinding[] | null>;

/** One port of the host that leads to one of a container. */
export interface PublishedPort {
  readonly protocol: string;
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerIp: string;
  readonly containerPort: number;
}

/** A wish: host ports from `first` to `last` (both 0: any free one) for one container port. */
export interface PortWish {
  readonly protocol: string;
  readonly containerPort: number;
  /** Addresses that share one port number: one, or "0.0.0.0" and "::". */
  readonly hostIps: readonly string[];
  readonly first: number;
  readonly last: number;
}

/** "80/tcp" -> [80, "tcp"]. */
function splitPort(key: string): [port: number, protocol: string] {
  const [port, protocol] = key.split("/");
  return [Number(port), protocol ?? "tcp"];
}

/** "8000-8010" -> [8000, 8010], "" -> [0, 0]. */
function hostRange(text: string): [first: number, last: number] {
  const [first, last] = text.split("-").map(Number);
  return [first || 0, last ?? (first || 0)];
}

/** What containers can be reached by. */
export interface Reach {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** A proxy can lead IPv6 clients of the host to it, where it has IPv4 only. Asked if it matters. */
  ipv6ByProxy(): boolean;
  /** An address that stands for "all" of this network's published ports. */
  readonly defaultHostIp?: string;
}

function hostIps(binding: PortBinding, protocol: string, reach: Reach): string[] {
  if (!reach.ipv4 && !reach.ipv6) return []; // internal networks publish nothing
  const asked = binding.HostIp || reach.defaultHostIp || "";
  if (asked !== "") return [showIp(parseIp(asked)!)];
  const ipv6 = reach.ipv6 || (protocol !== "sctp" && reach.ipv6ByProxy());
  return [...(reach.ipv4 ? ["0.0.0.0"] : []), ...(ipv6 ? ["::"] : [])];
}

/** The wishes in `bindings`, and with `publishAll` one for every exposed port that has none. */
export function wishesOf(
  bindings: PortMap,
  exposed: readonly string[],
  publishAll: boolean,
  reach: Reach,
): PortWish[] {
  const all: PortMap = { ...bindings };
  if (publishAll) {
    for (const key of exposed) if (!all[key]?.length) all[key] = [{ HostIp: "", HostPort: "" }];
  }
  return Object.entries(all).flatMap(([key, list]) => {
    const [containerPort, protocol] = splitPort(key);
    return (list ?? []).map((binding): PortWish => {
      const [first, last] = hostRange(binding.HostPort);
      return { protocol, containerPort, hostIps: hostIps(binding, protocol, reach), first, last };
    });
  });
}

const SO_PROTOCOL = 38;
const PROTOCOL_NUMBERS: Record<string, number> = { tcp: 6, udp: 17, sctp: IPPROTO_SCTP };
const BACKLOG = 4096;

/** struct sockaddr_in or sockaddr_in6. */
export function socketAddress(ip: string, port: number): Uint8Array<ArrayBuffer> {
  const bytes = parseIp(ip)!;
  const swapped = ((port & 0xff) << 8) | (port >> 8);
  const writer = new StructWriter(bytes.length === 4 ? 16 : 28);
  writer.u16(addressFamily(family(bytes))).u16(swapped);
  if (bytes.length === 16) writer.u32(0);
  for (const byte of bytes) writer.u8(byte);
  return (bytes.length === 4 ? writer.pad(8) : writer.u32(0)).done();
}

function portOf(fd: Fd): number {
  const address = new Uint8Array(28);
  const length = new Uint8Array(new Uint32Array([28]).buffer);
  sys("getsockname", fd.raw, address, length);
  return address[2] * 256 + address[3];
}

/** Holds a port (0: any); the descriptor and the port, or the negative error number. */
function holdPort(protocol: string, ip: string, port: number): [Fd, number] | number {
  const version = family(parseIp(ip)!);
  const type = protocol === "udp" ? SOCK_DGRAM : SOCK_STREAM;
  const raw = sys(
    "socket",
    addressFamily(version),
    type | SOCK_CLOEXEC,
    protocol === "sctp" ? IPPROTO_SCTP : 0,
  );
  if (raw < 0) return raw;
  using undo = new DisposableStack();
  const fd = undo.use(new Fd(raw));
  const one = new Uint8Array([1, 0, 0, 0]);
  // Without it connections that ended a minute ago would hold the port. Not for UDP: there it
  // would let two sockets have the same port.
  if (type === SOCK_STREAM) sys("setsockopt", raw, SOL_SOCKET, SO_REUSEADDR, one, 4);
  if (version === 6) sys("setsockopt", raw, IPPROTO_IPV6, IPV6_V6ONLY, one, 4);
  const address = socketAddress(ip, port);
  let result = sys("bind", raw, address, address.length);
  // Only listening makes the kernel refuse the port to the next one that asks with REUSEADDR.
  if (result === 0 && type === SOCK_STREAM) result = sys("listen", raw, BACKLOG);
  if (result < 0) return result;
  undo.move();
  return [fd, portOf(fd)];
}

/** A port of the host: a protocol, one of the host's addresses and a number. */
export interface HostPort {
  readonly protocol: string;
  readonly hostIp: string;
  readonly hostPort: number;
}

/**
 * A copy of the socket by which a process holds a port; undefined if it has none or is gone.
 * pidfd_getfd(2).
 */
export function findSocket(pid: number, port: HostPort): Fd | undefined {
  const pidfd = sys("pidfd_open", pid, 0);
  if (pidfd < 0) return undefined;
  using _pidfd = new Fd(pidfd);
  const wanted = socketAddress(port.hostIp, port.hostPort);
  const protocol = PROTOCOL_NUMBERS[port.protocol];
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const copy = sys("pidfd_getfd", pidfd, Number(name), 0);
    if (copy < 0) continue;
    const socket = new Fd(copy);
    const address = new Uint8Array(28);
    const length = new Uint8Array(new Uint32Array([28]).buffer);
    const number = new Uint8Array(4);
    const numberLength = new Uint8Array([4, 0, 0, 0]);
    if (
      sys("getsockname", copy, address, length) === 0 &&
      wanted.every((byte, i) => byte === address[i]) &&
      sys("getsockopt", copy, SOL_SOCKET, SO_PROTOCOL, number, numberLength) === 0 &&
      number[0] === protocol
    ) return socket;
    socket[Symbol.dispose]();
  }
  return undefined;
}

/**
 * Makes a process that inherited a held port stop listening on it. It keeps the number until it
 * ends, but refuses clients.
 */
export function stopListening(pid: number, port: HostPort): void {
  using socket = findSocket(pid, port);
  if (socket !== undefined) sys("shutdown", socket.raw, SHUT_RDWR);
}

/** Makes the copy of a socket that `stopListening` shut down, or that still holds it, hold it. */
function holdAgain(protocol: string, socket: Fd): number {
  return protocol === "udp" ? 0 : sys("listen", socket.raw, BACKLOG);
}

/** A host's port and the socket that holds it; none for sctp on a kernel without its sockets. */
export interface HeldPort {
  readonly port: Omit<PublishedPort, "containerIp">;
  readonly socket: Fd | undefined;
}

/** Ports held by sockets. Disposing lets them go; `fds` are what a monitor is to inherit. */
export class HeldPorts implements Disposable {
  entries: HeldPort[] = [];
  /** The end of a pipe that keeps proxies alive. */
  life: Fd | undefined;
  get fds(): Fd[] {
    const sockets = this.entries.flatMap(({ socket }) => socket ?? []);
    return this.life === undefined ? sockets : [...sockets, this.life];
  }
  [Symbol.dispose](): void {
    for (const fd of this.fds) fd[Symbol.dispose]();
    this.entries = [];
    this.life = undefined;
  }
}

/** Is (protocol, ip, port) published by another container? */
export type IsTaken = (protocol: string, hostIp: string, hostPort: number) => boolean;

/** A copy of a socket that holds the port already, if one of the container's processes has it. */
export type OwnSocket = (port: HostPort) => Fd | undefined;

/** Do two published ports get in each other's way? */
export function collide(a: HostPort, b: HostPort): boolean {
  const [x, y] = [parseIp(a.hostIp)!, parseIp(b.hostIp)!];
  return a.protocol === b.protocol && a.hostPort === b.hostPort && x.length === y.length &&
    (isUnspecified(x) || isUnspecified(y) || showIp(x) === showIp(y));
}

const showHost = (ip: string) => ip.includes(":") ? `[${ip}]` : ip;

/** Why a port cannot be had, in docker's words. */
function refusal(wish: PortWish, ip: string, port: number, containerIp: string, errno: number) {
  const target = `${showHost(ip)}:${port}:${showHost(containerIp)}:${wish.containerPort}`;
  const reason = errno === EADDRINUSE
    ? "address already in use"
    : errno === EADDRNOTAVAIL
    ? "cannot assign requested address"
    : errno === EACCES
    ? "permission denied"
    : errnoText(errno);
  return new UserError(`failed to bind host port for ${target}/${wish.protocol}: ${reason}`, 125);
}

/** Takes one port number on all addresses of a wish; a UserError says why not. */
function holdNumber(
  wish: PortWish,
  port: number,
  containerIp: string,
  isTaken: IsTaken,
  ownSocket: OwnSocket,
): HeldPorts | UserError {
  using undo = new DisposableStack();
  const held = undo.use(new HeldPorts());
  let number = port;
  for (const ip of wish.hostIps) {
    if (number !== 0 && isTaken(wish.protocol, ip, number)) {
      return new UserError(
        `Bind for ${showHost(ip)}:${number} failed: port is already allocated`,
        125,
      );
    }
    const own = number === 0
      ? undefined
      : ownSocket({ protocol: wish.protocol, hostIp: ip, hostPort: number });
    const again = own === undefined ? 0 : holdAgain(wish.protocol, own);
    const result = own === undefined
      ? holdPort(wish.protocol, ip, number)
      : again < 0
      ? again
      : [own, number] as [Fd, number];
    let socket: Fd | undefined;
    if (typeof result !== "number") [socket, number] = result;
    else if (wish.protocol !== "sctp" || number === 0) {
      return refusal(wish, ip, number, containerIp, -result);
    } // A kernel without SCTP sockets can still translate SCTP packets: nothing to hold.
    const { protocol, containerPort } = wish;
    const entry = { protocol, hostIp: ip, hostPort: number, containerPort };
    held.entries.push({ port: entry, socket });
  }
  undo.move();
  return held;
}

/** How often another number is tried where any will do. */
const TRIES = 64;

function holdWish(
  wish: PortWish,
  addressFor: (hostIp: string) => string,
  isTaken: IsTaken,
  ownSocket: OwnSocket,
): HeldPorts {
  const containerIp = addressFor(wish.hostIps[0]);
  if (wish.first !== 0 && wish.first === wish.last) {
    const held = holdNumber(wish, wish.first, containerIp, isTaken, ownSocket);
    if (held instanceof UserError) throw held;
    return held;
  }
  let refused: UserError | undefined;
  const tries = wish.first === 0 ? TRIES : wish.last - wish.first + 1;
  for (let i = 0; i < tries; i++) {
    const port = wish.first === 0 ? anyPort(wish) : wish.first + i;
    const held = holdNumber(wish, port, containerIp, isTaken, ownSocket);
    if (!(held instanceof UserError)) return held;
    refused = held;
  }
  throw wish.first === 0 ? refused! : new UserError(
    `failed to bind host port for ${showHost(wish.hostIps[0])}:${wish.first}-${wish.last}:` +
      `${showHost(containerIp)}:${wish.containerPort}/${wish.protocol}: ` +
      `all ports are allocated`,
    125,
  );
}

/** A number the kernel finds free now: of its ephemeral range, as docker's are. */
function anyPort(wish: PortWish): number {
  const result = holdPort(wish.protocol === "sctp" ? "tcp" : wish.protocol, wish.hostIps[0], 0);
  if (typeof result === "number") throw refusal(wish, wish.hostIps[0], 0, "", -result);
  using _fd = result[0];
  return result[1];
}

/**
 * Holds all ports of `wishes`, exact ones before those with a choice. Throws UserError with
 * docker's text, holding nothing, at the first that cannot be had. `addressFor` names the
 * container's address in messages.
 */
export function holdPorts(
  wishes: readonly PortWish[],
  addressFor: (hostIp: string) => string,
  isTaken: IsTaken,
  ownSocket: OwnSocket = () => undefined,
): HeldPorts {
  using undo = new DisposableStack();
  const all = undo.use(new HeldPorts());
  const exact = (wish: PortWish) => wish.first !== 0 && wish.first === wish.last;
  for (const wish of [...wishes.filter(exact), ...wishes.filter((wish) => !exact(wish))]) {
    if (wish.hostIps.length === 0) continue;
    all.entries.push(...holdWish(wish, addressFor, isTaken, ownSocket).entries);
  }
  undo.move();
  return all;
}
