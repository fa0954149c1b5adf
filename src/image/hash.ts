/**
 * SHA-256 while streaming: by the processor's instructions or node:crypto where much is hashed, by
 * our own code for documents.
 */
import { type Digest, parseDigest } from "./digest.ts";
import { Sha256 } from "./sha256.ts";

interface Hash {
  update(chunk: Uint8Array): void;
  hex(): string;
}

let makeFast: (() => Hash) | undefined;

/**
 * To be called before some documents are hashed: the processor's instructions are ready in half a
 * millisecond, which our own code takes for a kilobyte.
 */
export async function expectSome(): Promise<void> {
  if (makeFast !== undefined) return;
  const { canHashFast, FastSha256 } = await import("../../ffi/sha256.ts");
  if (canHashFast()) makeFast = () => new FastSha256();
}

/** Whether hashing costs little beside writing: not before `expectSome()`, not on every processor. */
export function hashesFast(): boolean {
  return makeFast !== undefined;
}

/** To be called before much is hashed: loads what does that at 1.6 GB/s. */
export async function expectMuch(): Promise<void> {
  await expectSome();
  makeFast ??= await nodeHash();
}

async function nodeHash(): Promise<() => Hash> {
  // 20 ms to load.
  const { createHash } = await import("node:crypto");
  return () => {
    const hash = createHash("sha256");
    return { update: (chunk) => void hash.update(chunk), hex: () => hash.digest("hex") };
  };
}

function newHash(): Hash {
  return makeFast?.() ?? new Sha256();
}

/** Adds up bytes and their digest. */
export class Hasher {
  readonly #hash = newHash();
  /** Bytes so far. */
  size = 0;

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
  }

  /** The digest of all; to be called once. */
  digest(): Digest {
    return parseDigest(`sha256:${this.#hash.hex()}`);
  }
}

/** The digest of `bytes` or of the UTF-8 of a text. */
export function digestOf(bytes: Uint8Array | string): Digest {
  const hash = newHash();
  hash.update(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
  return parseDigest(`sha256:${hash.hex()}`);
}

/**
 * Names of layers with all that is below them: the first is its own diff id, each further one the
 * digest of "<chain id below> <diff id>". Source: OCI image-spec, config, "Layer ChainID".
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}
