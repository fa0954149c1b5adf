/** Which errors of Deno's file calls mean that a file is gone, as Deno words them. */
import { assertEquals } from "@std/assert";
import { isAbsent } from "../../../src/base/files.ts";

const CASES: [error: unknown, absent: boolean][] = [
  [new Deno.errors.NotFound("No such file or directory (os error 2)"), true],
  [new Deno.errors.NotADirectory("Not a directory (os error 20)"), true],
  [new Error("No such process (os error 3): readfile '/proc/1/stat'"), true],
  [new Error("No such device (os error 19): readfile '/sys/fs/cgroup/freezer.state'"), true],
  [new Error("Too many open files (os error 24)"), false],
  [new Error("Owner died (os error 130)"), false],
  [new Deno.errors.PermissionDenied("Permission denied (os error 13)"), false],
  ["(os error 3)", false],
];

for (const [error, absent] of CASES) {
  Deno.test(`isAbsent(${error}) is ${absent}`, () => assertEquals(isAbsent(error), absent));
}
