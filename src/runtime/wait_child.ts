/** Waiting for a child of ours. */
import { WALL } from "../../ffi/constants.ts";
import { sysAsync } from "../../ffi/libc.ts";
import { waitedExitCode } from "../base/wait_status.ts";

/**
 * The exit code of our child `pid`, as a shell has it. Waits without stopping this thread, which
 * has signals to forward.
 */
export async function waitForExitCode(pid: number): Promise<number> {
  const status = new Uint8Array(8);
  while (await sysAsync("wait4", pid, status, WALL, 0) !== pid) continue;
  return waitedExitCode(new DataView(status.buffer).getInt32(0, true));
}
