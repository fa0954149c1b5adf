/** Starts a generated program as a process of its own, from memory. */
import { AT_EMPTY_PATH, CLOSE_RANGE_CLOEXEC, F_SETFD } from "../../ffi/constants.ts";
import { type Fd, sealedMemfd } from "../../ffi/fd.ts";
import { heedChildrenStep } from "../../ffi/ignored_signals.ts";
import { type Step, stringArray } from "../../ffi/program.ts";
import { run, spawn, type SpawnOptions } from "../../ffi/spawn.ts";

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
  ], options);
  child.pidfd[Symbol.dispose]();
  return child.pid;
}

/**
 * This process becomes an ELF file that exists in memory only; of its descriptors the standard
 * streams and `inherited` stay. Throws SyscallError if the kernel does not start it.
 */
export function become(
  bytes: Uint8Array<ArrayBuffer>,
  inherited: readonly number[],
  argv: readonly string[],
): never {
  using file = sealedMemfd(argv[0], bytes);
  const { error } = run({
    steps: [
      {
        call: "close_range",
        args: [3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC],
        goal: `keep descriptors from ${argv[0]}`,
      },
      ...inherited.map((fd): Step => ({
        call: "fcntl",
        args: [fd, F_SETFD, 0],
        goal: `give ${argv[0]} a descriptor`,
      })),
      {
        call: "execveat",
        args: [file.raw, "", stringArray("argv", argv), stringArray("envp", []), AT_EMPTY_PATH],
        goal: `start ${argv[0]}`,
      },
    ],
  });
  throw error ?? new Error(`Cannot start ${argv[0]}: execveat returned`);
}
