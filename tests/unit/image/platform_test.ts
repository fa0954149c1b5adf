import { assertEquals, assertThrows } from "@std/assert";
import type { Digest } from "../../../src/image/digest.ts";
import { parsePlatform } from "../../../src/base/platform.ts";
import { formatPlatform, platformFits, selectPlatform } from "../../../src/image/platform.ts";
import type { Descriptor } from "../../../src/image/types.ts";

const PARSED: [text: string, want: string][] = [
  ["linux/amd64", "linux/amd64"],
  ["linux/x86_64", "linux/amd64"],
  ["linux/arm64/v8", "linux/arm64"],
  ["linux/aarch64", "linux/arm64"],
  ["linux/arm", "linux/arm/v7"],
  ["linux/arm/6", "linux/arm/v6"],
  ["linux/armhf", "linux/arm/v7"],
  ["Linux/ARM64", "linux/arm64"],
  ["arm64", "linux/arm64"],
  ["windows/amd64", "windows/amd64"],
];

for (const [text, want] of PARSED) {
  Deno.test(`parsePlatform() reads ${text}`, () => {
    assertEquals(formatPlatform(parsePlatform(text)), want);
  });
}

for (const text of ["", "linux/", "a/b/c/d", "linux/amd 64", "nonsense", "/amd64"]) {
  Deno.test(`parsePlatform() refuses ${JSON.stringify(text)}`, () => {
    assertThrows(() => parsePlatform(text), SyntaxError, "invalid argument");
  });
}

function entry(digest: string, platform?: string): Descriptor {
  return {
    mediaType: "m",
    digest: `sha256:${digest}` as Digest,
    size: 1,
    ...(platform && { platform: parsePlatform(platform) }),
  };
}

const SELECTED: [name: string, entries: Descriptor[], want: string, digest: string | undefined][] =
  [
    ["the same", [entry("a", "linux/arm64"), entry("b", "linux/amd64")], "linux/amd64", "b"],
    [
      "the newest older variant",
      [entry("a", "linux/arm/v5"), entry("b", "linux/arm/v6"), entry("c", "linux/arm/v7")],
      "linux/arm/v6",
      "b",
    ],
    ["nothing for another system", [entry("a", "windows/amd64")], "linux/amd64", undefined],
    ["nothing newer", [entry("a", "linux/amd64/v3")], "linux/amd64/v2", undefined],
    [
      "any of arm's, as docker",
      [entry("a", "linux/arm64"), entry("b", "linux/arm/v7")],
      "linux/arm/v6",
      "b",
    ],
    ["a single one without platform", [entry("a")], "linux/amd64", "a"],
    ["none of several without platform", [entry("a"), entry("b")], "linux/amd64", undefined],
  ];

for (const [name, entries, want, digest] of SELECTED) {
  Deno.test(`selectPlatform() takes ${name}`, () => {
    const found = selectPlatform(entries, parsePlatform(want))?.digest;
    assertEquals(found, digest && `sha256:${digest}` as Digest);
  });
}

Deno.test("platformFits() tells amd64 from arm64", () => {
  assertEquals(platformFits(parsePlatform("linux/amd64"), parsePlatform("linux/x86_64")), true);
  assertEquals(platformFits(parsePlatform("linux/amd64"), parsePlatform("linux/arm64")), false);
});
