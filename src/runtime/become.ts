/** This process becomes another program. */
import { stringArray } from "../../ffi/program.ts";
import { run } from "../../ffi/spawn.ts";
import type { Command } from "../base/self.ts";

/** Executes `command` with our number, streams and directory. Returns only by SyscallError. */
export function become({ file, argv, env }: Command): never {
  const { error } = run({
    steps: [{
      call: "execve",
      args: [file, stringArray("argv", argv), stringArray("envp", env)],
      goal: `start ${file}`,
    }],
  });
  throw error ?? new Error(`Cannot start ${file}: execve returned`);
}
