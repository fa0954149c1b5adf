/** Starts a generated program as a process of its own, from memory. */
import { AT_EMPTY_PATH, CLOSE_RANGE_CLOEXEC, F_SETFD } from "../../ffi/constants.ts";
import { type Fd, sealedMemfd } from "../../ffi/fd.ts";
import { heedChildrenStep } from "../../ffi/ignored_signals.ts";
import { type Step, stringArray } from "../../ffi/program.ts";
import { spawn, type SpawnOptions } from "../../ffi/spawn.ts";

/**
 * Executes an ELF file that exists in memory only, in a session of its own, with all signals
 * blocked, the descriptors `inherited` (by the numbers they have here) and the standard streams.
 * Returns its number. Throws SyscallError if the kernel does not start it.
 */
export function execute(
  bytes: Uint8Array<ArrayBuffer>,
  inherited: readonly number[],
  argv: readonly string[],
  options: SpawnOptions = {},
): number {
  using file = sealedMemfd(argv[0], bytes);
  return executeFile(file, inherited, argv, options);
}

/** The same of an ELF file that is there already. */
export function executeFile(
  file: Fd,
  inherited: readonly number[],
  argv: readonly string[],
  options: SpawnOptions = {},
): number {
  const child = spawn([
    { call: "setsid", args: [], goal: "start a session" },
    heedChildrenStep(),
    ...executeSteps(file, inherited, argv),
  ], options);
  child.pidfd[Symbol.dispose]();
  return child.pid;
}

/** Executes an ELF file with the standard streams and the descriptors `inherited`. */
export function executeSteps(
  file: Fd,
  inherited: readonly number[],
  argv: readonly string[],
): Step[] {
  return [
    {
      call: "close_range",
      args: [3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC],
      goal: `keep descriptors from ${argv[0]}`,
    },
    ...[...new Set(inherited)].map((fd): Step => ({
      call: "fcntl",
      args: [fd, F_SETFD, 0],
      goal: `give ${argv[0]} a descriptor`,
    })),
    {
      call: "execveat",
      args: [file.raw, "", stringArray("argv", argv), stringArray("envp", []), AT_EMPTY_PATH],
      goal: `start ${argv[0]}`,
    },
  ];
}
