/** SHA-256 while streaming. Loads node:crypto (28 ms): not for the hot path. */
import { createHash } from "node:crypto";
import { type Digest, parseDigest } from "./digest.ts";

/** Adds up bytes and their digest. */
export class Hasher {
  readonly #hash = createHash("sha256");
  /** Bytes so far. */
  size = 0;

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
  }

  /** The digest of all; to be called once. */
  digest(): Digest {
    return parseDigest(`sha256:${this.#hash.digest("hex")}`);
  }
}

/** The digest of `bytes` or of the UTF-8 of a text. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return parseDigest(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
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
