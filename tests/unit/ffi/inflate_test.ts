import { gzipSync, zstdCompressSync } from "node:zlib";
import { assertEquals, assertRejects } from "@std/assert";
import { openInflater } from "../../../ffi/inflate.ts";
import { below, seeded } from "../../lib/random.ts";
import { skipUnless } from "../../lib/skip.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Kind = "gzip" | "zstd";

const KINDS: [Kind, (bytes: Bytes) => Bytes][] = [
  ["gzip", (bytes) => new Uint8Array(gzipSync(bytes))],
  ["zstd", (bytes) => new Uint8Array(zstdCompressSync(bytes))],
];

/** Bytes that shrink to about a third. */
function content(length: number): Bytes {
  const random = seeded(length);
  return Uint8Array.from({ length }, (_, i) => i % 3 === 0 ? below(random, 256) : i >> 8);
}

/** The same with another CRC-32 than that of its content. */
function otherSum(gzip: Bytes): Bytes {
  return gzip.with(gzip.length - 8, gzip[gzip.length - 8] ^ 1);
}

function joined(...parts: Bytes[]): Bytes {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Decompresses from pieces of `pieceSize` into pieces of `outputSize`. */
async function undo(kind: Kind, input: Bytes, pieceSize: number, outputSize: number) {
  using inflater = openInflater(kind)!;
  let at = 0;
  const read = () => {
    const piece = input.slice(at, at + pieceSize);
    at += pieceSize;
    return Promise.resolve(piece.length === 0 ? undefined : piece);
  };
  const parts: Bytes[] = [];
  for (;;) {
    const output = new Uint8Array(outputSize);
    const count = await inflater.fill(output, read);
    if (count === 0) return joined(...parts);
    parts.push(output.subarray(0, count));
  }
}

for (const [kind, compress] of KINDS) {
  using probe = openInflater(kind);
  const installed = skipUnless(probe !== undefined, `the library of ${kind} is not installed`);
  const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, ...installed, fn });

  test(`Inflater of ${kind} gives back every length, whatever the pieces`, async () => {
    for (const length of [0, 1, 1000, 65_536, 70_001]) {
      for (const [pieceSize, outputSize] of [[1 << 20, 1 << 20], [97, 4096], [4096, 1000]]) {
        const bytes = content(length);
        assertEquals(await undo(kind, compress(bytes), pieceSize, outputSize), bytes);
      }
    }
  });

  test(`Inflater of ${kind} goes on with a second stream behind the first`, async () => {
    const [one, two] = [content(5000), content(300)];
    const both = joined(compress(one), compress(two));
    for (const pieceSize of [1 << 20, compress(one).length, 7]) {
      assertEquals(await undo(kind, both, pieceSize, 4096), joined(one, two));
    }
  });

  test(`Inflater of ${kind} refuses a stream that ends early`, async () => {
    const bytes = compress(content(5000));
    for (const length of [3, 20, bytes.length >> 1, bytes.length - 1]) {
      await assertRejects(
        () => undo(kind, bytes.subarray(0, length), 512, 1 << 16),
        Error,
        "Cannot decompress: unexpected end of file",
      );
    }
  });

  test(`Inflater of ${kind} refuses broken data`, async () => {
    const bytes = compress(content(5000));
    bytes.fill(0x55, 12, 200);
    await assertRejects(() => undo(kind, bytes, 512, 1 << 16), Error, "Cannot decompress: ");
  });
}

{
  using probe = openInflater("gzip");
  Deno.test({
    name: "Inflater of gzip leaves the check of the content to those who know its digest",
    ...skipUnless(probe !== undefined, "the library of gzip is not installed"),
    fn: async () => {
      const bytes = content(5000);
      const input = otherSum(new Uint8Array(gzipSync(bytes)));
      assertEquals(await undo("gzip", input, 512, 4096), bytes);
    },
  });
}
