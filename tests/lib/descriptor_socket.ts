/** A listening socket to which descriptors are sent: a console socket, a seccomp agent. */
import { AF_UNIX, POLLIN, SOCK_CLOEXEC, SOCK_STREAM } from "../../ffi/constants.ts";
import { Fd, readInto } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";
import { receiveWithFd } from "../../ffi/unix_socket.ts";

const LIMIT_MS = 60_000;

/** Made in time for the command that connects. */
export class DescriptorSocket implements Disposable {
  readonly #listener: Fd;

  constructor(path: string) {
    const name = new TextEncoder().encode(path);
    const address = new Uint8Array(2 + name.length + 1);
    address[0] = AF_UNIX;
    address.set(name, 2);
    const goal = `listen at "${path}"`;
    this.#listener = new Fd(check(goal, "socket", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    check(goal, "bind", this.#listener.raw, address, address.length);
    check(goal, "listen", this.#listener.raw, 1);
  }

  /** The first descriptor somebody sends, and the text with it. Throws after a minute. */
  async receive(): Promise<{ fd: Fd; text: string }> {
    const [event] = await poll([{ fd: this.#listener.raw, events: POLLIN }], LIMIT_MS);
    if (event === 0) throw new Error("nobody connected");
    using peer = new Fd(
      check("accept", "accept4", this.#listener.raw, null, null, SOCK_CLOEXEC),
    );
    const bytes = new Uint8Array(4096);
    const { count, fd } = receiveWithFd(peer, bytes);
    if (fd === undefined) throw new Error("no descriptor came");
    let length = count;
    for (;;) {
      const more = bytes.subarray(length);
      const got = readInto(peer, more as Uint8Array<ArrayBuffer>);
      if (got <= 0) break;
      length += got;
    }
    return { fd, text: new TextDecoder().decode(bytes.subarray(0, length)) };
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }
}
