import { assertEquals, assertThrows } from "@std/assert";
import { MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "../../../ffi/constants.ts";
import { knownMountOptions, rootPropagation } from "../../../src/runtime/mount_options.ts";
import { mountPointOf } from "../../../src/runtime/plan.ts";

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

Deno.test("mountPointOf() finds the deepest mount that holds a path", () => {
  const line = (id: number, at: string) => `${id} 1 0:1 / ${at} rw - ext4 /dev/x rw\n`;
  const table = line(1, "/") + line(2, "/a") + line(3, "/a/b\\040c") + line(4, "/ab");
  assertEquals(mountPointOf("/a/b c/d", table), "/a/b c");
  assertEquals(mountPointOf("/a", table), "/a");
  assertEquals(mountPointOf("/abc", table), "/");
});

Deno.test("knownMountOptions() has each word once", () => {
  const words = knownMountOptions();
  assertEquals(words.length, new Set(words).size);
});
