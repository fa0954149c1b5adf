import { assertEquals } from "@std/assert";
import { didYouMean, distance, suggest } from "../../../src/base/suggest.ts";

const DISTANCES: [a: string, b: string, want: number][] = [
  ["", "abc", 3],
  ["abc", "abc", 0],
  ["pss", "ps", 1],
  ["sotp", "stop", 1],
  ["kitten", "sitting", 3],
];
for (const [a, b, want] of DISTANCES) {
  Deno.test(`distance() of "${a}" and "${b}" is ${want}`, () => {
    assertEquals([distance(a, b), distance(b, a)], [want, want]);
  });
}

const NAMES = ["ps", "push", "pull", "port", "start", "stats", "stop", "rm", "rmi", "container"];
const SUGGESTIONS: [typed: string, want: string[]][] = [
  ["pss", ["ps"]],
  ["sotp", ["stop"]],
  ["strat", ["start", "stats"]],
  ["cont", ["container", "port"]],
  ["PULL", ["pull", "push"]],
  ["zzzz", []],
  ["", []],
  ["r", ["rm"]],
];
for (const [typed, want] of SUGGESTIONS) {
  Deno.test(`suggest() for "${typed}"`, () => assertEquals(suggest(typed, NAMES), want));
}

Deno.test("didYouMean() asks in one sentence, or not at all", () => {
  assertEquals(didYouMean("strat", NAMES), "Did you mean 'start' or 'stats'?\n\n");
  assertEquals(didYouMean("nam", ["name"], "--"), "Did you mean '--name'?\n\n");
  assertEquals(didYouMean("zzzz", NAMES), "");
});
