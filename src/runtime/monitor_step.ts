/** Forms of steps of programs that nothing may end: the monitor and the health checks. */
import type { Step } from "../../ffi/program.ts";

/** What the kernel calls sizeof(sigset_t): ppoll(2) and rt_sigprocmask(2) want to be told. */
export const SIGSET_BYTES = 8;

/** A call whose failure changes nothing. */
export function lenient(step: Step): Step {
  return { onNegative: "next", ...step };
}
