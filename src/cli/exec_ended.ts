import { UserError } from "../base/errors.ts";
import { containerIds } from "../engine/containers.ts";
import { execEnded } from "../engine/exec.ts";
import { noteExecEnd } from "../engine/exec_records.ts";
import { waitedExitCode } from "../base/wait_status.ts";

/**
 * `diplodock __exec_ended ID EXEC`: what the parent of a detached process executes at its end. The
 * status is what stdin has.
 */
export function command([id, exec]: string[]): number {
  if (![id, exec].every((word) => /^[0-9a-f]{64}$/.test(word ?? ""))) {
    throw new UserError(`Cannot tell of the end of "${exec ?? ""}": not an id`);
  }
  const status = new DataView(new ArrayBuffer(8));
  Deno.stdin.readSync(new Uint8Array(status.buffer));
  if (!containerIds().includes(id)) return 0;
  const code = waitedExitCode(status.getInt32(0, true));
  execEnded(id, exec, code);
  noteExecEnd(id, exec, code);
  return 0;
}
