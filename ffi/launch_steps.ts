/** How a generated program, which stays, starts a program on the disk. */
import { CLONE_VFORK, CLONE_VM, CLOSE_RANGE_CLOEXEC, SIGCHLD } from "./constants.ts";
import { addressIn, type Step, stringArray } from "./program.ts";
import { cloneArgs, restoreSignals } from "./spawn.ts";

/** A program on the disk. */
interface Command {
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/**
 * Starts `command` in a child, which shares the program's memory until it has become that. The
 * child does `before` first; the program goes on at the labels `to`.
 */
export function launchSteps(
  { file, argv, env }: Command,
  goal: string,
  to: { readonly failed: `@${string}`; readonly started: `@${string}` },
  before: readonly Step[] = [],
): Step[] {
  const clone = cloneArgs({ flags: BigInt(CLONE_VM | CLONE_VFORK), exitSignal: SIGCHLD });
  return [
    {
      call: "clone3",
      args: [addressIn(clone), clone.bytes.length],
      goal,
      onNegative: to.failed,
      onPositive: to.started,
    },
    ...before,
    { call: "close_range", args: [3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC], goal },
    ...restoreSignals(),
    { call: "execve", args: [file, stringArray("argv", argv), stringArray("envp", env)], goal },
  ];
}
