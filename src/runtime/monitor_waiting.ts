/**
 * Clients that are there before their container's start, which another process makes: `attach` of
 * the API. Such a client listens on a socket of its own; who starts the container connects to it
 * and gives the other end to the monitor before init is cloned. So nothing init writes is lost, and
 * nobody waits for anybody.
 */
import { StructWriter } from "../../ffi/bytes.ts";
import { POLLIN, SOCK_CLOEXEC, SOCK_SEQPACKET } from "../../ffi/constants.ts";
import { Fd, openDirectory } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";
import { connectAt, listenAt, sendFd, sendFdTo } from "../../ffi/unix_socket.ts";
import { makeDirectories, namesIn, removeIfThere } from "../base/files.ts";
import { HEADER_BYTES, MARK, STDIN } from "./monitor_protocol.ts";

/** More would not find a place in the monitor. */
const MAX_WAITING = 5;
/** In the name of those that are to get the writing end of the container's stdin. */
const WITH_STDIN = "-in-";

/** A socket on which a client waits for starts. */
export class WaitingClient implements Disposable {
  constructor(
    readonly directory: string,
    readonly name: string,
    readonly listener: Fd,
  ) {}

  /** Waits for a start; the socket on which the container's packets come. */
  async next(): Promise<Fd> {
    for (;;) {
      await poll([{ fd: this.listener.raw, events: POLLIN }]);
      const raw = sys("accept4", this.listener.raw, null, null, SOCK_CLOEXEC);
      if (raw >= 0) return new Fd(raw);
    }
  }

  [Symbol.dispose](): void {
    removeIfThere(`${this.directory}/${this.name}`);
    this.listener[Symbol.dispose]();
  }
}

/**
 * Waits in `directory` for a start of the container whose sockets' names begin with `prefix`. Its
 * lock is held: else a start may be missed.
 */
export function waitForStarts(
  directory: string,
  prefix: string,
  wantsStdin: boolean,
): WaitingClient {
  makeDirectories(directory, 0o700);
  using open = openDirectory(directory);
  const name = `${prefix}${wantsStdin ? WITH_STDIN : "-"}${crypto.randomUUID().slice(0, 18)}`;
  return new WaitingClient(directory, name, listenAt(open, name, SOCK_SEQPACKET));
}

/** The monitor's end of a waiting client. */
export interface WaitingEnd {
  readonly socket: Fd;
  readonly wantsStdin: boolean;
}

/** Connects to all that wait for the start; what killed clients left is removed. */
export function connectWaiting(directory: string, prefix: string): WaitingEnd[] {
  const names = namesIn(directory).filter((name) => name.startsWith(prefix));
  if (names.length === 0) return [];
  using open = openDirectory(directory);
  const ends: WaitingEnd[] = [];
  for (const name of names) {
    const socket = connectAt(open, name, SOCK_SEQPACKET);
    if (socket === undefined) removeIfThere(`${directory}/${name}`);
    else if (ends.length === MAX_WAITING) socket[Symbol.dispose]();
    else ends.push({ socket, wantsStdin: name.startsWith(prefix + WITH_STDIN) });
  }
  return ends;
}

/** Gives `ends` to the monitor that will read the control socket in `runtime`. */
export function handOver(ends: readonly WaitingEnd[], runtime: Fd, stdin: Fd | undefined): void {
  const packet = new StructWriter(HEADER_BYTES).pad(12).u32(MARK + STDIN).u32(0).done();
  for (const { socket, wantsStdin } of ends) {
    if (wantsStdin && stdin !== undefined) sendFd(socket, stdin, packet);
    sendFdTo(runtime, "control", socket);
  }
}
