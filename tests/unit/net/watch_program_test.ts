import { assert, assertEquals } from "@std/assert";
import type { Address, Place } from "../../../ffi/program.ts";
import { watchProgram } from "../../../src/net/watch_program.ts";

const { steps } = watchProgram({
  changes: 3,
  questions: 4,
  life: 5,
  seen: 6,
  nullFile: 7,
  repair: { file: "/diplodock", argv: ["/diplodock", "__rules"], env: [] },
});

Deno.test("watchProgram() sets each time anew: the kernel counts it down", () => {
  const timed = steps.flatMap((step, i) => step.call === "ppoll" && step.args[2] !== 0 ? [i] : []);
  assertEquals(timed.length, 2);
  for (const i of timed) {
    const { block } = steps[i].args[2] as Address;
    const set = steps.slice(i - 2, i).map(({ result }) => result as Place);
    assert(set.every((place) => place.block === block), steps[i].goal);
    assertEquals(set.map(({ offset }) => offset), [0, 8]);
  }
});

Deno.test("watchProgram() asks who it was before it starts anything", () => {
  const calls = steps.map(({ call, onZero }) => `${call} ${onZero ?? ""}`.trim());
  assert(calls.indexOf("subtract @wait") < calls.indexOf("clone3"), calls.join(", "));
});
