/** A connection that this program was given as its standard streams: bytes in, bytes out. */
import { F_DUPFD_CLOEXEC, O_RDWR, POLLIN, POLLOUT, SHUT_RDWR } from "../../ffi/constants.ts";
import { EAGAIN, EINTR } from "../../ffi/errno.ts";
import { Fd, openAt, readInto } from "../../ffi/fd.ts";
import { check, sys, sysAsync } from "../../ffi/libc.ts";
import { poll, pollNow } from "../../ffi/poll.ts";

const PIECE_BYTES = 128 * 1024;
const SIOCOUTQ = 0x5411;
/** Who takes longer does not read; on a busy machine who reads may come late. */
const TAKEN_MS = 10_000;

type Bytes = Uint8Array<ArrayBuffer>;

/** Both directions of a connection, by descriptors. */
class Connection {
  readonly #buffer: Bytes = new Uint8Array(PIECE_BYTES);
  #gone: Promise<void> | undefined;
  #written: Promise<unknown> = Promise.resolve();

  /** One descriptor may be both. */
  constructor(readonly input: Fd, readonly output: Fd) {}

  /** Bytes that came; undefined when no more will. Waits on the thread pool. */
  async read(): Promise<Bytes | undefined> {
    for (;;) {
      await poll([{ fd: this.input.raw, events: POLLIN }]);
      const count = readInto(this.input, this.#buffer);
      if (count > 0) return this.#buffer.slice(0, count);
      if (count !== -EAGAIN) return undefined;
    }
  }

  /**
   * Returns when all was taken; what is written by others meanwhile comes behind it. Throws
   * Deno.errors.BrokenPipe when nobody reads any more.
   */
  async write(bytes: Bytes): Promise<void> {
    const turn = this.#written.then(() => this.#writeAll(bytes));
    this.#written = turn.catch(() => {}); // told to who wrote it
    await turn;
  }

  async #writeAll(bytes: Bytes): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      // On the pool: a reader that is slow must not keep what else there is to do.
      const rest = bytes.subarray(at);
      const written = await sysAsync("write", this.output.raw, rest, rest.length);
      at += written >= 0 ? written : await this.#again(rest);
    }
  }

  /** A write of the pool failed: once more here, where the error number can be read. */
  async #again(rest: Bytes): Promise<number> {
    const written = sys("write", this.output.raw, rest, rest.length);
    if (written >= 0) return written;
    if (written === -EAGAIN) await poll([{ fd: this.output.raw, events: POLLOUT }]);
    else if (written !== -EINTR) throw new Deno.errors.BrokenPipe("the client has gone");
    return 0;
  }

  /** As write(), and this thread waits; nothing else may be on its way. */
  writeNow(bytes: Bytes): void {
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      const written = sys("write", this.output.raw, rest, rest.length);
      if (written >= 0) at += written;
      else if (written === -EAGAIN) pollNow([{ fd: this.output.raw, events: POLLOUT }], -1);
      else if (written !== -EINTR) throw new Deno.errors.BrokenPipe("the client has gone");
    }
  }

  /**
   * Waits a moment for the client to take what was written, so that it does not get that and what
   * comes next by one read. unix(7), SIOCOUTQ; a pipe does not tell, and is not waited for.
   */
  async taken(): Promise<void> {
    const left = new Uint8Array(4);
    const end = performance.now() + TAKEN_MS;
    while (sys("ioctl", this.output.raw, SIOCOUTQ, left) === 0 && left.some((byte) => byte > 0)) {
      if (performance.now() > end) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Ends both directions; a process that goes on has let its client go then. */
  end(): void {
    for (const fd of [this.input, this.output]) {
      if (sys("shutdown", fd.raw, SHUT_RDWR) < 0) fd[Symbol.dispose](); // a pipe
    }
  }

  /**
   * Resolves when nobody reads any more. A client that only sends no more, as one whose stdin has
   * ended, is still there.
   */
  get gone(): Promise<void> {
    return this.#gone ??= this.#waitUntilGone();
  }

  async #waitUntilGone(): Promise<void> {
    // POLLHUP and POLLERR come unasked.
    for (let events = 0; events === 0;) {
      [events] = await poll([{ fd: this.output.raw, events: 0 }]);
    }
  }
}

/**
 * The connection that is this program's stdin and stdout, which become /dev/null and stderr: what
 * anything prints is no part of an answer, and no process we start gets the connection.
 */
export function takeStandardStreams(): Connection {
  const copy = (fd: number) =>
    new Fd(check("take over the connection", "fcntl", fd, F_DUPFD_CLOEXEC, 3));
  const connection = new Connection(copy(0), copy(1));
  using nothing = openAt(null, "/dev/null", O_RDWR);
  check("let go of stdin", "dup3", nothing.raw, 0, 0);
  if (sys("dup3", 2, 1, 0) < 0) check("let go of stdout", "dup3", nothing.raw, 1, 0);
  return connection;
}
