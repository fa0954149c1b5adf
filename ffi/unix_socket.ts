/** Local sockets, and descriptors that travel over them. Sources: unix(7), cmsg(3). */
import { cstr, StructWriter } from "./bytes.ts";
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_NOSIGNAL,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./constants.ts";
import { Fd } from "./fd.ts";
import { addressOf, check, sys } from "./libc.ts";

const CONTROL_BYTES = 24;
const SO_TYPE = 3, SO_ACCEPTCONN = 30, SO_DOMAIN = 39;
/** Connections that may wait to be accepted. */
const BACKLOG = 128;

/** Two connected sockets of `type` (SOCK_STREAM, SOCK_SEQPACKET), closed on exec. */
export function socketPair(type: number): [Fd, Fd] {
  const pair = new Uint8Array(8);
  check("make a pair of sockets", "socketpair", AF_UNIX, type | SOCK_CLOEXEC, 0, pair);
  const view = new DataView(pair.buffer);
  return [new Fd(view.getInt32(0, true)), new Fd(view.getInt32(4, true))];
}

/**
 * The address of the socket `name` in the open directory `dir`. It goes through /proc/self/fd,
 * because an address has room for 107 bytes only and directories may be longer.
 */
function addressAt(dir: Fd, name: string): Uint8Array<ArrayBuffer> {
  const path = cstr(`/proc/self/fd/${dir.raw}/${name}`);
  const out = new Uint8Array(2 + path.length);
  out[0] = AF_UNIX;
  out.set(path, 2);
  return out;
}

/** A datagram socket that others reach as `name` in the directory `dir`; an old one is replaced. */
export function bindDatagram(dir: Fd, name: string): Fd {
  const fd = new Fd(check("make a socket", "socket", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sys("unlinkat", dir.raw, name, 0);
  const address = addressAt(dir, name);
  check(`make the socket "${name}"`, "bind", fd.raw, address, address.length);
  return fd;
}

/**
 * A socket of `type` that takes connections as `name` in the directory `dir`, closed on exec. The
 * name must be free.
 */
export function listenAt(dir: Fd, name: string, type: number): Fd {
  using undo = new DisposableStack();
  const fd = undo.use(new Fd(check("make a socket", "socket", AF_UNIX, type | SOCK_CLOEXEC, 0)));
  const address = addressAt(dir, name);
  check(`make the socket "${name}"`, "bind", fd.raw, address, address.length);
  check(`listen on the socket "${name}"`, "listen", fd.raw, BACKLOG);
  undo.move();
  return fd;
}

/** A socket connected to the one at `name` in `dir`; undefined when nobody listens there. */
export function connectAt(dir: Fd, name: string, type: number): Fd | undefined {
  const fd = new Fd(check("make a socket", "socket", AF_UNIX, type | SOCK_CLOEXEC, 0));
  const address = addressAt(dir, name);
  if (sys("connect", fd.raw, address, address.length) >= 0) return fd;
  fd[Symbol.dispose]();
  return undefined;
}

/** Whether a descriptor is a local stream socket that takes connections. socket(7). */
export function isLocalListener(fd: number): boolean {
  return option(fd, SO_DOMAIN) === AF_UNIX && option(fd, SO_TYPE) === SOCK_STREAM &&
    option(fd, SO_ACCEPTCONN) === 1;
}

/** A number that the socket has as an option; undefined of what is no socket. */
function option(fd: number, name: number): number | undefined {
  const value = new Uint8Array(4), length = new Uint8Array([4, 0, 0, 0]);
  if (sys("getsockopt", fd, SOL_SOCKET, name, value, length) < 0) return undefined;
  return new DataView(value.buffer).getInt32(0, true);
}

/** Sends the descriptor `carried` to the datagram socket `name` in `dir`. Its result, or -errno. */
export function sendFdTo(dir: Fd, name: string, carried: Fd): number {
  using socket = new Fd(check("make a socket", "socket", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const address = addressAt(dir, name);
  const connected = sys("connect", socket.raw, address, address.length);
  return connected < 0 ? connected : sendFd(socket, carried);
}

/** Sends the descriptor `carried` with `text`, at least a byte. Its result, or -errno. sendmsg(2). */
export function sendFd(socket: Fd, carried: Fd, text = new Uint8Array(1)): number {
  const rights = new StructWriter(CONTROL_BYTES).u64(20).u32(SOL_SOCKET).u32(SCM_RIGHTS)
    .u32(carried.raw).u32(0).done();
  const part = new StructWriter(16).u64(addressOf(text)).u64(text.length).done();
  return sys("sendmsg", socket.raw, header(part, rights), MSG_NOSIGNAL);
}

/** Sends `bytes` to whom `socket` is connected. Its result, or -errno. */
export function sendBytes(socket: Fd, bytes: Uint8Array<ArrayBuffer>): number {
  return sys("sendto", socket.raw, bytes, bytes.length, MSG_NOSIGNAL, 0, 0);
}

/** What one receive gave: bytes (negative: -errno) and the descriptor that came with them. */
export interface Received {
  readonly count: number;
  readonly fd: Fd | undefined;
}

/** Receives into `bytes`, with at most one descriptor, closed on exec. recvmsg(2). */
export function receiveWithFd(socket: Fd, bytes: Uint8Array<ArrayBuffer>, flags = 0): Received {
  const rights = new Uint8Array(CONTROL_BYTES);
  const part = new StructWriter(16).u64(addressOf(bytes)).u64(bytes.length).done();
  const message = header(part, rights);
  const count = sys("recvmsg", socket.raw, message, flags | MSG_CMSG_CLOEXEC);
  const used = new DataView(message.buffer).getBigUint64(40, true);
  if (count < 0 || used < 20n) return { count, fd: undefined };
  return { count, fd: new Fd(new DataView(rights.buffer).getInt32(16, true)) };
}

/** struct msghdr of one part and control data. */
function header(
  part: Uint8Array<ArrayBuffer>,
  rights: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  return new StructWriter(56).u64(0).u64(0).u64(addressOf(part)).u64(1).u64(addressOf(rights))
    .u64(rights.length).u64(0).done();
}

/** A stream socket connected to the listening socket at `path` (at most 107 bytes), closed on exec. */
export function connectStream(path: string): Fd {
  const fd = new Fd(check("make a socket", "socket", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    const text = cstr(path);
    const address = new Uint8Array(2 + text.length);
    address[0] = AF_UNIX;
    address.set(text, 2);
    check(`connect to the socket "${path}"`, "connect", fd.raw, address, address.length);
    return fd;
  } catch (error) {
    fd[Symbol.dispose]();
    throw error;
  }
}
