import { assertEquals } from "@std/assert";
import { messageOf, whyOf } from "../../../src/base/errors.ts";

const FULL = "No space left on device (os error 28)";
const HINT = "(make room on its file system)";

const CASES: [name: string, error: Error, want: string][] = [
  ["our own errors as they are", new Error("Cannot do it: why"), "Cannot do it: why"],
  [
    "a full disk with what to do",
    new Error(`${FULL}: mkdir '/var/lib/x'`),
    `Cannot make "/var/lib/x": no space left on device ${HINT}`,
  ],
  [
    "the word of a call that Deno shortens",
    new Deno.errors.NotFound("No such file or directory (os error 2): readfile '/it's'"),
    `Cannot read "/it's": no such file or directory`,
  ],
  [
    "both paths of a rename",
    new Deno.errors.PermissionDenied("Permission denied (os error 13): rename '/a' -> '/b'"),
    `Cannot rename "/a" -> "/b": permission denied`,
  ],
  ["a call that Deno does not name", new Error(FULL), `no space left on device ${HINT}`],
];
for (const [name, error, want] of CASES) {
  Deno.test(`messageOf() tells ${name}`, () => assertEquals(messageOf(error), want));
}

Deno.test("messageOf() names the file that was written", () => {
  assertEquals(
    messageOf(new Error(FULL), "/x"),
    `Cannot write "/x": no space left on device ${HINT}`,
  );
});

Deno.test("whyOf() leaves the call and the path out", () => {
  assertEquals(whyOf(new Error(`${FULL}: open '/x'`)), "no space left on device");
  assertEquals(whyOf(new Error("why not")), "why not");
});
