/** `run` and `exec` in the foreground: the caller's streams, or a terminal between the two. */
import { POLLIN, SOCK_STREAM, WALL } from "../../ffi/constants.ts";
import { Fd, readInto, writeAll } from "../../ffi/fd.ts";
import { sysAsync } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";
import { rawMode } from "../../ffi/tty.ts";
import { receiveWithFd, socketPair } from "../../ffi/unix_socket.ts";

const STDIN_FD = 0, STDOUT_FD = 1;
const CHUNK_BYTES = 32768;

/** The receiving end of a console socket that is not on disk. */
export interface OwnConsole extends Disposable {
  /** For the process that makes the terminal. */
  readonly socket: Fd;
  /** Takes the terminal's master, once the process has sent it. */
  receive(): Fd;
}

/** Two connected sockets instead of one that listens. */
export function ownConsole(): OwnConsole {
  const [ours, socket] = socketPair(SOCK_STREAM);
  return {
    socket,
    receive() {
      const { fd } = receiveWithFd(ours, new Uint8Array(64));
      if (fd === undefined) throw new Error("Cannot use the terminal: it did not arrive");
      return fd;
    },
    [Symbol.dispose]() {
      ours[Symbol.dispose]();
      socket[Symbol.dispose]();
    },
  };
}

/**
 * Copies between our streams and the terminal until its last process is gone. The process does not
 * wait for the end of our input: leave by Deno.exit.
 */
export async function pumpTerminal(master: Fd): Promise<void> {
  using _raw = rawMode(STDIN_FD);
  void pumpKeys(master);
  const buffer = new Uint8Array(CHUNK_BYTES), output = new Fd(STDOUT_FD);
  for (;;) {
    const count = await sysAsync("read", master.raw, buffer, buffer.length);
    if (count <= 0) return;
    writeAll(output, buffer.slice(0, count), "write to standard output");
  }
}

async function pumpKeys(master: Fd): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES), input = new Fd(STDIN_FD);
  for (;;) {
    const [events] = await poll([{ fd: STDIN_FD, events: POLLIN }]);
    if (events === 0) continue;
    const count = readInto(input, buffer);
    if (count <= 0 || master.raw < 0) return;
    writeAll(master, buffer.slice(0, count), "write to the terminal");
  }
}

/**
 * Waits for our child `pid` without stopping this thread, which has signals to forward. Its end as
 * a shell has it: the code, or 128 and the signal's number.
 */
export async function exitCodeOf(pid: number): Promise<number> {
  const status = new Uint8Array(8);
  for (;;) {
    if (await sysAsync("wait4", pid, status, WALL, 0) === pid) break;
  }
  const raw = new DataView(status.buffer).getInt32(0, true);
  return (raw & 0x7f) === 0 ? (raw >> 8) & 0xff : 128 + (raw & 0x7f);
}
