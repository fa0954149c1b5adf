/** Waiting without a resident JavaScript process: the back-off of restarts. */
import { AT_FDCWD, CLOCK_BOOTTIME, O_RDWR, PR_SET_NAME } from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { StructWriter } from "../../ffi/bytes.ts";
import { addressIn, block, type Program, slot, type Step, stringArray } from "../../ffi/program.ts";
import { restoreSignals } from "../../ffi/spawn.ts";
import type { Command } from "../base/self.ts";
import { execute } from "./execute.ts";

/** Waits `ms`, then becomes `command`. Any signal that ends a process ends the wait. Pure. */
function sleeperProgram(ms: number, command: Command): Program {
  const time = new StructWriter(16).u64(Math.floor(ms / 1000)).u64(ms % 1000 * 1_000_000).done();
  const nothing = slot("null file");
  return {
    steps: [
      { call: "prctl", args: [PR_SET_NAME, "diplodock-wait"], goal: "name the process" },
      {
        call: "openat",
        args: [AT_FDCWD, "/dev/null", O_RDWR, 0],
        goal: "let go of the streams",
        result: nothing,
      },
      ...[0, 1, 2].map((fd): Step => ({
        call: "dup3",
        args: [nothing, fd, 0],
        goal: "let go of the streams",
      })),
      { call: "close", args: [nothing], goal: "let go of the streams" },
      { call: "chdir", args: ["/"], goal: "let go of the working directory" },
      ...restoreSignals(),
      {
        call: "clock_nanosleep",
        args: [CLOCK_BOOTTIME, 0, addressIn(block("time", time)), 0],
        goal: "wait",
      },
      {
        call: "execve",
        args: [command.file, stringArray("argv", command.argv), stringArray("envp", command.env)],
        goal: `start ${command.file}`,
      },
    ],
  };
}

/**
 * Starts a process of a few pages that waits `ms` and then becomes `argv`, with our environment.
 * Returns its number: kill it to call the wait off.
 */
export function spawnSleeper(ms: number, argv: readonly string[]): number {
  const env = Object.entries(Deno.env.toObject()).map(([key, value]) => `${key}=${value}`);
  const program = sleeperProgram(Math.max(0, Math.trunc(ms)), { file: argv[0], argv, env });
  return execute(executable(program).bytes, [], ["diplodock-wait", ...argv.slice(1)]);
}
