import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { parseNamedContext } from "../../../src/build/named_contexts.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const CASES: [text: string, name: string, context: ReturnType<typeof parseNamedContext>[1]][] = [
  ["a=.", "a", { kind: "directory", path: "." }],
  ["docker.io/library/A=x=y", "docker.io/library/a", { kind: "directory", path: "x=y" }],
  ["docker.io/library/a:latest=/b", "a", { kind: "directory", path: "/b" }],
  ["a:3=docker-image://b@c", "a:3", { kind: "image", image: "b@c" }],
  ["a=oci-layout:///b/c", "a", { kind: "layout", place: { path: "/b/c" } }],
  ["a=oci-layout://b:1.2", "a", { kind: "layout", place: { path: "b", tag: "1.2" } }],
  [
    `a=oci-layout://b:1@${DIGEST}`,
    "a",
    { kind: "layout", place: { path: "b", tag: "1", digest: DIGEST } },
  ],
  ["a=git@b:c#d", "a", {
    kind: "git",
    address: { remote: "git@b:c", ref: "d", subdirectory: "" },
  }],
  ["a=https://b/c.tar", "a", { kind: "archive", address: "https://b/c.tar" }],
];
for (const [text, name, context] of CASES) {
  Deno.test(`parseNamedContext() reads ${text}`, () => {
    assertEquals(parseNamedContext(text), [name, context]);
  });
}

Deno.test("parseNamedContext() refuses what has no name and what it cannot fetch", () => {
  for (const text of ["a", "=b", "a b=c", "a=git@b:c#-d", "a=ftp://b"]) {
    assertThrows(() => parseNamedContext(text), UserError);
  }
});
