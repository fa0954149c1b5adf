/** This process becomes another program: the same number, streams and directory. */
import { sealedMemfd } from "../../ffi/fd.ts";
import { type Step, stringArray } from "../../ffi/program.ts";
import { run } from "../../ffi/spawn.ts";
import type { Command } from "../base/self.ts";
import { executeSteps } from "./execute.ts";

/** Throws SyscallError if the kernel does not start it. */
function become(steps: readonly Step[], name: string): never {
  const { error } = run({ steps });
  throw error ?? new Error(`Cannot start ${name}: ${steps.at(-1)!.call} returned`);
}

/** Becomes a program on the disk. Throws SyscallError. */
export function becomeCommand({ file, argv, env }: Command): never {
  become([{
    call: "execve",
    args: [file, stringArray("argv", argv), stringArray("envp", env)],
    goal: `start ${file}`,
  }], file);
}

/**
 * Becomes an ELF file that exists in memory only; of the descriptors the standard streams and
 * `inherited` stay. Throws SyscallError.
 */
export function becomeGenerated(
  bytes: Uint8Array<ArrayBuffer>,
  inherited: readonly number[],
  argv: readonly string[],
): never {
  using file = sealedMemfd(argv[0], bytes);
  become(executeSteps(file, inherited, argv), argv[0]);
}
