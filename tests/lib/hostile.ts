/** What attacks a container's walls from inside: tiny programs, and the two ways to run them. */
import { executable } from "../../ffi/elf.ts";
import {
  addressIn,
  block,
  goTo,
  type Program,
  slot,
  type Step,
  type Value,
} from "../../ffi/program.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";

/** Every attack is tried by root of the host and by root of a user namespace. */
export const VARIANTS: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ["", []],
  [" in a user namespace", ["--userns", "auto"]],
];

/** Writes `program` as an executable file. */
export function writeProgram(path: string, program: Program): void {
  Deno.writeFileSync(path, executable(program).bytes, { mode: 0o755 });
  Deno.chmodSync(path, 0o755);
}

/** Prints where the link at `path` leads; 1 if it cannot be read. */
export function linkPrinter(path: string): Program {
  const bytes = block("link", new Uint8Array(4096)), length = slot("length");
  return {
    tail: "failed",
    steps: [
      {
        call: "readlinkat",
        args: [AT_FDCWD, path, addressIn(bytes), 4096],
        goal: "read the link",
        result: length,
      },
      { call: "write", args: [1, addressIn(bytes), length], goal: "print" },
      { call: "exit_group", args: [0], goal: "end" },
      { call: "exit_group", args: [1], goal: "end", label: "failed" },
    ],
  };
}

/** Exchanges the two paths of each pair for ever: a racing thread. renameat2(2). */
export function exchanger(pairs: readonly (readonly [a: string, b: string])[]): Program {
  const RENAME_EXCHANGE = 2;
  const steps = pairs.map(([a, b]): Step => ({
    call: "renameat2",
    args: [AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE],
    goal: "exchange",
    onNegative: "next",
  }));
  return { steps: [{ ...goTo("next"), label: "again" }, ...steps, goTo("@again")] };
}

/** Makes one kernel call; the exit code is the errno, 0 if it succeeded. */
export function tryCall(call: Step["call"], args: readonly Value[]): Program {
  const result = slot("result"), errno = slot("errno");
  return {
    steps: [
      { call, args, goal: "try", result, onNegative: "next", onZero: "@done", onPositive: "@done" },
      { call: "subtract", args: [0, result], goal: "negate", result: errno },
      { call: "exit_group", args: [errno], goal: "end with the errno" },
      { call: "exit_group", args: [0], goal: "end", label: "done" },
    ],
  };
}

/** Where a dynamic executable of this machine looks for its linker. */
export const LINKER = Deno.build.arch === "x86_64"
  ? "lib64/ld-linux-x86-64.so.2"
  : "lib/ld-linux-aarch64.so.1";
