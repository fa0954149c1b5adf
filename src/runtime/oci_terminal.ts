/** `run` and `exec` in the foreground: the caller's streams, or a terminal between the two. */
import { POLLIN } from "../../ffi/constants.ts";
import { Fd, readInto, writeAll } from "../../ffi/fd.ts";
import { sysAsync } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";
import { rawMode } from "../../ffi/tty.ts";

const STDIN_FD = 0, STDOUT_FD = 1;
const CHUNK_BYTES = 32768;

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
