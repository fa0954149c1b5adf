/**
 * Signals that our parent ignored, and so do we: a shell's "&" and nohup make it so, and many
 * daemons ignore SIGCHLD. Ignoring goes through clone and execve (CLONE_CLEAR_SIGHAND only clears
 * handlers), which is wrong for who waits for a process: without SIGCHLD the kernel forgets how a
 * child ended. What a command finds at execve is for restoreSignals() in spawn.ts.
 */
import { SIGCHLD } from "./constants.ts";
import { sys } from "./libc.ts";
import { addressIn, type Block, block, type Step } from "./program.ts";

/** struct sigaction of the kernel, all zero: SIG_DFL. */
const ACTION_BYTES = 32;
export const DEFAULT_ACTION: Block = block("default action", new Uint8Array(ACTION_BYTES));
const SIG_IGN = 1n;

/** A step of a new process, after which it hears how its children end. */
export function heedChildrenStep(): Step {
  return {
    call: "rt_sigaction",
    args: [SIGCHLD, addressIn(DEFAULT_ACTION), 0, 8],
    goal: "hear how children end",
  };
}

let heeds = false;

/** From here on this process hears how its children end. */
export function heedChildren(): void {
  if (heeds) return;
  heeds = true;
  const action = new Uint8Array(ACTION_BYTES);
  sys("rt_sigaction", SIGCHLD, null, action, 8);
  if (new DataView(action.buffer).getBigUint64(0, true) !== SIG_IGN) return;
  sys("rt_sigaction", SIGCHLD, new Uint8Array(ACTION_BYTES), null, 8);
}
