import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import type { Digest } from "../../../src/image/digest.ts";
import { choose } from "../../../src/image/layout.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;
const entry = (digit: string, name?: string) => ({
  mediaType: "",
  digest: digest(digit),
  size: 1,
  ...(name && { annotations: { "org.opencontainers.image.ref.name": name } }),
});
const ENTRIES = [entry("1", "a"), entry("2", "docker.io/library/x:b"), entry("3")];

Deno.test("choose() takes the entry of a tag, of a name's tag, or of a digest", () => {
  assertEquals(choose(ENTRIES, { path: "/l", tag: "a" }), ENTRIES[0]);
  assertEquals(choose(ENTRIES, { path: "/l", tag: "b" }), ENTRIES[1]);
  assertEquals(choose(ENTRIES, { path: "/l", tag: "a", digest: digest("3") }), ENTRIES[2]);
  assertEquals(choose([ENTRIES[2]], { path: "/l" }), ENTRIES[2]);
});

Deno.test("choose() refuses what names nothing, and what names several", () => {
  assertThrows(() => choose(ENTRIES, { path: "/l", tag: "c" }), UserError, "has no tag c");
  assertThrows(() => choose([], { path: "/l" }), UserError, "has no image");
  assertThrows(() => choose(ENTRIES, { path: "/l" }), UserError, "has 3 images: name one");
});
