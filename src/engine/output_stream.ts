/** One of our output streams: gathers small chunks and writes without stopping this thread. */
import { POLLOUT } from "../../ffi/constants.ts";
import { EAGAIN, EINTR, EPIPE, SyscallError } from "../../ffi/errno.ts";
import type { Fd } from "../../ffi/fd.ts";
import { sys, sysAsync } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";

const BUFFER_BYTES = 128 * 1024;

/**
 * Writes all of `bytes` to `target` on the thread pool; false when nobody reads any more, or it was
 * closed meanwhile.
 */
export async function writeAllAsync(
  target: Pick<Fd, "raw">,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  for (let at = 0; at < bytes.length;) {
    if (target.raw < 0) return false;
    const rest = bytes.slice(at);
    const written = await sysAsync("write", target.raw, rest, rest.length);
    if (written >= 0) {
      at += written;
      continue;
    }
    // The error number cannot be read there: once more here.
    const again = target.raw < 0 ? -EPIPE : sys("write", target.raw, rest, rest.length);
    if (again >= 0) at += again;
    else if (again === -EAGAIN) await poll([{ fd: target.raw, events: POLLOUT }]);
    else if (again !== -EINTR) return false;
  }
  return true;
}

/** A stream that is written to by descriptor number. */
export class Output {
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #length = 0;
  constructor(readonly fd: number) {}

  /** Takes a copy of `bytes`; writes when the buffer is full. Errors as flush(). */
  async add(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#length + bytes.length > BUFFER_BYTES) await this.flush();
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * Writes what was added. Throws Deno.errors.BrokenPipe when the reader is gone, and
   * SyscallError for other failures.
   */
  async flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      // On the pool: a reader that is slow or stopped must not keep signals from us.
      const written = await sysAsync("write", this.fd, rest, rest.length);
      at += written >= 0 ? written : await this.#again(rest);
    }
  }

  /** A write of the pool failed: once more here, where the error number can be read. */
  async #again(rest: Uint8Array<ArrayBuffer>): Promise<number> {
    const written = sys("write", this.fd, rest, rest.length);
    if (written >= 0) return written;
    if (written === -EPIPE) throw new Deno.errors.BrokenPipe("write |1: broken pipe");
    if (written === -EAGAIN) await poll([{ fd: this.fd, events: POLLOUT }]);
    else if (written !== -EINTR) throw new SyscallError("write", -written, "write the output");
    return 0;
  }
}
