/** The tar inside a layer's blob: decompressed and hashed beside the thread that unpacks it. */
import type { Inflater } from "../../ffi/inflate.ts";
import type { FastSha256 } from "../../ffi/sha256.ts";
import { UserError } from "../base/errors.ts";
import { CHUNK, type Compression, decompress } from "./compression.ts";
import { type Digest, parseDigest } from "./digest.ts";
import { readGrowing } from "./growing.ts";
import { Hasher } from "./hash.ts";
import { compressionOf } from "./incoming.ts";
import type { LayerSource } from "./layers.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The bytes of the tar, and their digest when all are read. A piece is valid until the next. */
export interface LayerContent {
  chunks: AsyncIterable<Bytes>;
  digest(): Digest;
}

/** Opens the blob of a layer, waiting for its first bytes if they are still to come. */
export async function openLayer(source: LayerSource): Promise<LayerContent> {
  const raw = tellingProgress(source);
  // The kind is in the first eight bytes, if it has so many.
  await source.growth?.beyond(Math.min(8, source.range.size) - 1);
  const compression = compressionOf(source.range);
  if (compression === "none" && source.blob === source.diffId) {
    // The blob of a plain layer is hashed when it comes, and this is that hash.
    return { chunks: raw, digest: () => source.diffId };
  }
  const content = await inflatedContent(compression, raw);
  if (content !== undefined) return content;
  const hasher = new Hasher();
  const { chunks } = await decompress(compression === "none" ? raw : copies(raw));
  return { chunks: hashed(chunks, hasher), digest: () => hasher.digest() };
}

/** By a library of the machine and the processor's instructions; undefined without either. */
async function inflatedContent(
  compression: Compression,
  raw: AsyncGenerator<Bytes>,
): Promise<LayerContent | undefined> {
  if (compression !== "gzip" && compression !== "zstd") return undefined;
  const { canHashFast, FastSha256 } = await import("../../ffi/sha256.ts");
  if (!canHashFast()) return undefined;
  const { openInflater } = await import("../../ffi/inflate.ts");
  const inflater = openInflater(compression);
  if (inflater === undefined) return undefined;
  const hash = new FastSha256();
  const digest = () => parseDigest(`sha256:${hash.hex()}`);
  return { chunks: inflated(inflater, raw, hash), digest };
}

async function* tellingProgress(source: LayerSource): AsyncGenerator<Bytes> {
  for await (const chunk of readGrowing(source.range, source.growth)) {
    source.onProgress?.(chunk.length);
    yield chunk;
  }
}

/** In memory of their own, for who goes on using them. */
async function* copies(chunks: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  for await (const chunk of chunks) yield chunk.slice();
}

async function* hashed(chunks: AsyncIterable<Bytes>, hasher: Hasher): AsyncGenerator<Bytes> {
  for await (const chunk of chunks) {
    hasher.update(chunk);
    yield chunk;
  }
}

/** While one piece is hashed and unpacked, the next one is made. */
async function* inflated(
  inflater: Inflater,
  raw: AsyncGenerator<Bytes>,
  hash: FastSha256,
): AsyncGenerator<Bytes> {
  const read = async () => (await raw.next()).value as Bytes | undefined;
  const buffers = [new Uint8Array(CHUNK), new Uint8Array(CHUNK)];
  let next = inflater.fill(buffers[0], read);
  let hashing: Promise<void> = Promise.resolve();
  try {
    for (let i = 0;; i ^= 1) {
      const count = await next;
      if (count === 0) return;
      const chunk = buffers[i].subarray(0, count);
      next = inflater.fill(buffers[i ^ 1], read);
      next.catch(() => {}); // seen where it is awaited, unless the consumer left
      hashing = hash.updateAside(chunk);
      yield chunk;
      await hashing;
    }
  } catch (error) {
    throw error instanceof Error && error.message.startsWith("Cannot decompress")
      ? new UserError(error.message)
      : error;
  } finally {
    // Not before the other threads have let go of the memory.
    await Promise.allSettled([next, hashing]);
    inflater[Symbol.dispose]();
    await raw.return(undefined);
  }
}
