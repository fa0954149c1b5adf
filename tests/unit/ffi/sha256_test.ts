import { createHash } from "node:crypto";
import { assertEquals, assertRejects } from "@std/assert";
import { SyscallError } from "../../../ffi/errno.ts";
import { openAt } from "../../../ffi/fd.ts";
import { canHashFast, FastSha256, SHA256_X86_64 } from "../../../ffi/sha256.ts";
import { testAssembly } from "../../lib/assembled.ts";
import { below, seeded } from "../../lib/random.ts";
import { skipUnless } from "../../lib/skip.ts";

const needsInstructions = skipUnless(
  Deno.build.arch === "x86_64" && canHashFast(),
  "the processor has no SHA instructions",
);

function noise(length: number): Uint8Array<ArrayBuffer> {
  const random = seeded(length + 1);
  return Uint8Array.from({ length }, () => below(random, 256));
}

const wanted = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

testAssembly("ffi/sha256_x86_64.s", "x86_64", () => Uint8Array.fromHex(SHA256_X86_64));

Deno.test({
  name: "FastSha256 hashes every length, in pieces of every length",
  ...needsInstructions,
  fn() {
    const bytes = noise(400);
    for (let length = 0; length <= bytes.length; length++) {
      const hash = new FastSha256();
      const size = 1 + length % 131;
      for (let at = 0; at < length; at += size) {
        hash.update(bytes.subarray(at, Math.min(length, at + size)));
      }
      assertEquals(hash.hex(), wanted(bytes.subarray(0, length)), `${length} bytes`);
    }
  },
});

for (const length of [0, 1, 63, 64, 65, 262_143, 262_144, 262_145, 1_000_003]) {
  Deno.test({
    name: `FastSha256 hashes and copies ${length} bytes of a file on another thread`,
    ...needsInstructions,
    async fn() {
      const directory = Deno.makeTempDirSync();
      try {
        const bytes = noise(length);
        Deno.writeFileSync(`${directory}/in`, new Uint8Array([7, 7, 7, ...bytes, 8]));
        Deno.createSync(`${directory}/out`).close();
        using input = openAt(null, `${directory}/in`, 0);
        using output = openAt(null, `${directory}/out`, 1);
        const hash = new FastSha256();
        await hash.updateFrom(input.raw, 3, length, output.raw);
        hash.update(new Uint8Array([9]));
        assertEquals(hash.hex(), wanted(bytes, new Uint8Array([9])));
        assertEquals(wanted(Deno.readFileSync(`${directory}/out`)), wanted(bytes));
      } finally {
        Deno.removeSync(directory, { recursive: true });
      }
    },
  });
}

Deno.test({
  name: "FastSha256 throws for a file that is shorter than it should be",
  ...needsInstructions,
  async fn() {
    const path = Deno.makeTempFileSync();
    try {
      using input = openAt(null, path, 0);
      await assertRejects(() => new FastSha256().updateFrom(input.raw, 0, 10), SyscallError, "EIO");
    } finally {
      Deno.removeSync(path);
    }
  },
});
