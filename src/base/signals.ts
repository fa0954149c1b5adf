/** Signals by name and number, as docker's --stop-signal and `kill -s` take them. signal(7). */
import { UserError } from "./errors.ts";

/** From 1 on; x86 and ARM agree. */
const NAMES =
  ("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD " +
    "CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS").split(" ");
/** Second names. */
const ALIASES: Record<string, number> = { IOT: 6, CLD: 17, POLL: 29, UNUSED: 31 };
/** Real-time signals as the C library counts them: it keeps 32 and 33 for itself. */
const RTMIN = 34;
export const RTMAX = 64;

/**
 * The number of "TERM", "sigterm", "15", "RTMIN+3". Throws UserError "Invalid signal: FOO",
 * docker's text.
 */
export function parseSignal(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : numberOf(text.toUpperCase());
  if (number === undefined || number < 1 || number > RTMAX) {
    throw new UserError(`Invalid signal: ${text}`);
  }
  return number;
}

function numberOf(upper: string): number | undefined {
  const name = upper.startsWith("SIG") ? upper.slice(3) : upper;
  const index = NAMES.indexOf(name);
  if (index >= 0) return index + 1;
  if (Object.hasOwn(ALIASES, name)) return ALIASES[name];
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime === null) return undefined;
  const [, end, sign, distance = "0"] = realTime;
  // RTMIN counts up and RTMAX down, as `kill -l` prints them.
  if (sign !== undefined && (sign === "+") !== (end === "MIN")) return undefined;
  const number = end === "MIN" ? RTMIN + Number(distance) : RTMAX - Number(distance);
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}

/**
 * Signals that `exec` passes on to its process, as does the head of our executable
 * (build/stub_x86_64.s). SIGKILL reaches it as its death signal.
 */
export const PASSED_ON: readonly (readonly [Deno.Signal, number])[] = [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
  ["SIGQUIT", 3],
  ["SIGUSR1", 10],
  ["SIGUSR2", 12],
];
