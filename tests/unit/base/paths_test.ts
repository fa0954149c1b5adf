import { assertEquals } from "@std/assert";
import { cleanPath, isWithin } from "../../../src/base/paths.ts";

const CLEAN: [path: string, want: string][] = [
  ["/", "/"],
  ["/a/b/", "/a/b"],
  ["//a/./b/../c", "/a/c"],
  ["/../../a", "/a"],
  ["/a/..", "/"],
  ["/a/...", "/a/..."],
];
for (const [path, want] of CLEAN) {
  Deno.test(`cleanPath() makes ${want} of ${path}`, () => assertEquals(cleanPath(path), want));
}

const WITHIN: [path: string, parent: string, want: boolean][] = [
  ["/dev/shm", "/dev", true],
  ["/dev", "/dev", true],
  ["/device", "/dev", false],
  ["/x", "/", true],
  ["/", "/x", false],
];
for (const [path, parent, want] of WITHIN) {
  Deno.test(`isWithin() is ${want} for ${path} and ${parent}`, () => {
    assertEquals(isWithin(path, parent), want);
  });
}
