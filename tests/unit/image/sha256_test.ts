import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { digestOf, expectMuch, Hasher } from "../../../src/image/hash.ts";
import { Sha256 } from "../../../src/image/sha256.ts";
import { below, seeded } from "../../lib/random.ts";

const KNOWN: [text: string, hex: string][] = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
];

for (const [text, hex] of KNOWN) {
  Deno.test(`Sha256 gives the standard's digest of "${text}"`, () => {
    const hash = new Sha256();
    hash.update(new TextEncoder().encode(text));
    assertEquals(hash.hex(), hex);
  });
}

Deno.test("Sha256 agrees with node:crypto on every length, however the bytes are cut", () => {
  const random = seeded(7);
  const bytes = Uint8Array.from({ length: 5000 }, () => below(random, 256));
  for (let length = 0; length < 5000; length += length < 300 ? 1 : 97) {
    const hash = new Sha256();
    for (let at = 0; at < length;) {
      const end = Math.min(length, at + 1 + below(random, 200));
      hash.update(bytes.subarray(at, end));
      at = end;
    }
    const want = createHash("sha256").update(bytes.subarray(0, length)).digest("hex");
    assertEquals(hash.hex(), want, `${length} bytes`);
  }
});

Deno.test("a Hasher gives the same digest before and after expectMuch()", async () => {
  const bytes = new TextEncoder().encode("ünï".repeat(1000));
  const before = digestOf(bytes);
  const slow = new Hasher();
  slow.update(bytes);
  await expectMuch();
  const fast = new Hasher();
  fast.update(bytes);
  assertEquals([slow.digest(), fast.digest(), digestOf("ünï".repeat(1000))], [
    before,
    before,
    before,
  ]);
});
