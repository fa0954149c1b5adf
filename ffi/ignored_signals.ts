/**
 * Signals that our parent ignored, and so do we: a shell's "&" and nohup make it so, and many
 * daemons ignore SIGCHLD. Ignoring goes through clone and execve (CLONE_CLEAR_SIGHAND only clears
 * handlers), which is wrong for both who waits for a process and who runs in a container: without
 * SIGCHLD the kernel forgets how a child ended, and a program that finds SIGINT ignored leaves it so.
 */
import { SIGCHLD, SIGPIPE } from "./constants.ts";
import { sys } from "./libc.ts";
import { addressIn, block, type Step } from "./program.ts";

/** struct sigaction of the kernel, all zero: SIG_DFL. */
const ACTION_BYTES = 32;
const DEFAULT_ACTION = block("default action", new Uint8Array(ACTION_BYTES));
const SIG_IGN = 1n;

/** The signals in a "SigIgn:" line of /proc/PID/status, lowest first. Pure. */
export function signalsIn(status: string): number[] {
  const [, digits = "0"] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  const mask = BigInt(`0x${digits}`);
  return Array.from({ length: 64 }, (_, i) => i + 1)
    .filter((signal) => mask & (1n << BigInt(signal - 1)));
}

/**
 * Steps of a new process, after which it ignores nothing but SIGPIPE, which Deno ignores itself
 * and a monitor has to: it writes to whom may be gone.
 */
export function heedSignals(): Step[] {
  const ignored = signalsIn(Deno.readTextFileSync("/proc/thread-self/status"));
  return ignored.filter((signal) => signal !== SIGPIPE).map((signal) => ({
    call: "rt_sigaction",
    args: [signal, addressIn(DEFAULT_ACTION), 0, 8],
    goal: "heed a signal",
  }));
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
