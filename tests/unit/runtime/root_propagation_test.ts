import { assertEquals, assertThrows } from "@std/assert";
import { MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "../../../ffi/constants.ts";
import { knownMountOptions, rootPropagation } from "../../../src/runtime/mount_options.ts";

const WORDS: [word: string | undefined, inherited: number, root: number][] = [
  [undefined, MS_PRIVATE, 0],
  ["", MS_PRIVATE, 0],
  ["private", MS_PRIVATE, 0],
  ["rprivate", MS_PRIVATE, 0],
  ["slave", MS_SLAVE, 0],
  ["rslave", MS_SLAVE, 0],
  ["shared", 0, MS_SHARED],
  ["rshared", 0, MS_SHARED | MS_REC],
  ["unbindable", MS_PRIVATE, MS_UNBINDABLE],
];
for (const [word, inherited, root] of WORDS) {
  Deno.test(`rootPropagation() of ${word}`, () => {
    assertEquals(rootPropagation(word), { inherited, root });
  });
}

Deno.test("rootPropagation() refuses other words", () => {
  assertThrows(() => rootPropagation("rodd"), Error, 'Cannot use rootfsPropagation "rodd"');
});

Deno.test("knownMountOptions() has each word once", () => {
  const words = knownMountOptions();
  assertEquals(words.length, new Set(words).size);
});
