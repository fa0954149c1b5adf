/** Content addresses. Hashing itself is in hash.ts, so that the hot path stays free of crypto. */

/** A checked "sha256:<64 hex>". Only parseDigest makes one, so paths built from it are safe. */
export type Digest = `sha256:${string}` & { readonly __brand: "Digest" };

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Whether `text` is a digest as this store takes it. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** `text` as a digest; throws SyntaxError unless it is "sha256:" and 64 lower-case hex digits. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new SyntaxError(`Cannot parse digest "${text}": want "sha256:" and 64 hex digits`);
}

/** The 64 hex digits, the name of the blob's file. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** The 12 hex digits that tables and progress lines show. */
export function shortId(digest: string): string {
  return digest.replace(/^sha256:/, "").slice(0, 12);
}
