/** Blobs come in verified: a name in blobs/sha256 always says what is in the file. */
import { UserError, whyOf } from "../base/errors.ts";
import { statIfThere } from "../base/files.ts";
import { type Digest, hexOf } from "./digest.ts";
import { markUnsynced } from "./durability.ts";
import { digestOf, expectMuch, Hasher } from "./hash.ts";
import type { Session } from "./session.ts";
import { isThere, type Store } from "./store.ts";
import { CHUNK } from "./compression.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of a document (manifest, index, config) that are read at most. */
export const MAX_DOCUMENT = 16 << 20;

/**
 * Whether the store has a blob; with `size` that many bytes of it, for a file system that ran full
 * or lost its power may have kept a part.
 */
export function hasBlob(store: Store, digest: Digest, size?: number): boolean {
  const path = store.blob(digest);
  return isThere(path) && (size === undefined || Deno.statSync(path).size === size);
}

/** From here on the fast hash is worth loading. */
const MUCH = 1 << 20;

/**
 * Writes one blob to a temporary file while hashing it, on this thread: handing pieces to another
 * one costs more than it saves (measured: 0.28 s for 210 MB, and 0.4 s by two threads).
 */
export class BlobWriter implements Disposable {
  readonly #hasher = new Hasher();
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #open = true;

  constructor(readonly session: Session) {
    this.#path = session.temporary("blob");
    this.#file = Deno.openSync(this.#path, { write: true, createNew: true, mode: 0o600 });
  }

  /** Takes the next piece; it may be used again afterwards. */
  write(chunk: Bytes): void {
    this.#hasher.update(chunk);
    writeAll(this.#file, chunk, this.#path);
  }

  /** Ends the file; it lies at `path` until it is kept, or goes with the session. */
  finish(): { digest: Digest; size: number; path: string } {
    this[Symbol.dispose]();
    return { digest: this.#hasher.digest(), size: this.#hasher.size, path: this.#path };
  }

  /** Ends the file and gives it its place. */
  keep(): { digest: Digest; size: number } {
    const { digest, size, path } = this.finish();
    keepBlob(this.session.store, digest, path);
    return { digest, size };
  }

  [Symbol.dispose](): void {
    if (this.#open) this.#file.close();
    this.#open = false;
  }
}

/** Writes all of a chunk. Throws UserError that names the file, as a full disk doesn't. */
export function writeAll(file: Deno.FsFile, chunk: Uint8Array, path: string): void {
  try {
    for (let at = 0; at < chunk.length;) at += file.writeSync(chunk.subarray(at));
  } catch (error) {
    throw new UserError(`write ${path}: ${whyOf(error as Error)}`);
  }
}

/** Renames a verified file into the layout. */
export function keepBlob(store: Store, digest: Digest, path: string): void {
  const target = store.blob(digest);
  if (hasBlob(store, digest, Deno.statSync(path).size)) return Deno.removeSync(path);
  markUnsynced(store, `blob-${hexOf(digest)}`);
  Deno.renameSync(path, target);
}

/** Stores a document; its digest and size. */
export function putDocument(session: Session, content: string | Bytes): {
  digest: Digest;
  size: number;
} {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const digest = digestOf(bytes);
  if (!hasBlob(session.store, digest, bytes.length)) {
    const path = session.temporary("blob");
    Deno.writeFileSync(path, bytes, { createNew: true, mode: 0o600 });
    keepBlob(session.store, digest, path);
  }
  return { digest, size: bytes.length };
}

function lostBlob(path: string, what: string): UserError {
  return new UserError(
    `Cannot read a document of an image: ${path} ${what}; pull or load the image again`,
  );
}

/** Reads a document and checks that it is what its name says. */
export function readDocument(store: Store, digest: Digest): Bytes {
  const path = store.blob(digest);
  const size = statIfThere(path)?.size;
  if (size === undefined) throw lostBlob(path, "is lost");
  if (size > MAX_DOCUMENT) throw lostBlob(path, `has ${size} bytes`);
  const bytes = Deno.readFileSync(path);
  if (digestOf(bytes) !== digest) throw lostBlob(path, "is damaged");
  return bytes;
}

/** The digest of a file. */
export async function fileDigest(path: string): Promise<Digest> {
  using file = Deno.openSync(path);
  const { size } = file.statSync();
  if (size > MUCH) await expectMuch();
  const hasher = new Hasher();
  const buffer = new Uint8Array(Math.max(1, Math.min(size, CHUNK)));
  for (;;) {
    const count = file.readSync(buffer);
    if (count === null) return hasher.digest();
    hasher.update(buffer.subarray(0, count));
  }
}
