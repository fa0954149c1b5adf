import { assertEquals } from "@std/assert";
import type { Program, Step } from "../../../ffi/program.ts";
import { quickDelete, quickStart } from "../../../src/runtime/oci_quick.ts";

/** Calls and the paths they name. */
function calls({ steps }: Program): string[] {
  return steps.map(({ call, args }: Step) =>
    [call, ...args.filter((arg) => typeof arg === "string")].join(" ")
  );
}

Deno.test("quickStart() opens the gate and looks whether init told of a failure", () => {
  assertEquals(calls(quickStart("/s/gate", "/s/failure")), [
    "openat /s/gate",
    "write",
    "unlinkat /s/gate",
    "ppoll",
    "openat /s/failure",
    "read",
    "exit_group",
    "exit_group",
  ]);
});

Deno.test("quickDelete() removes the cgroups before anything else, and the record last", () => {
  assertEquals(calls(quickDelete(["/c/one", "/c/two"], "/s")), [
    "unlinkat /c/one",
    "unlinkat /c/two",
    "unlinkat /s/gate",
    "unlinkat /s/failure",
    "unlinkat /s/start",
    "unlinkat /s/delete",
    "unlinkat /s/config.json",
    "unlinkat /s/state.json",
    "unlinkat /s",
    "exit_group",
    "exit_group",
  ]);
});

Deno.test("a quick program leaves each failure to the long way", () => {
  for (const program of [quickStart("/g", "/f"), quickDelete(["/c"], "/s")]) {
    assertEquals(program.tail, program.steps.at(-1)?.label);
    assertEquals(program.steps.at(-1)?.args, [1]);
  }
});
