/** How a process of ours hands us the master of the terminal that it makes. */
import { SOCK_STREAM } from "../../ffi/constants.ts";
import type { Fd } from "../../ffi/fd.ts";
import { receiveWithFd, socketPair } from "../../ffi/unix_socket.ts";

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
