/** One blob from a registry: resumed, verified, and by one process at a time. */
import { partPath } from "./arrivals.ts";
import { UserError } from "../base/errors.ts";
import { CHUNK } from "./compression.ts";
import { hexOf } from "./digest.ts";
import { hasBlob, keepBlob, writeAll } from "./blobs.ts";
import { Hasher } from "./hash.ts";
import { lock } from "./locks.ts";
import type { Repository } from "./registry.ts";
import { RegistryError } from "./registry_error.ts";
import type { Session } from "./session.ts";
import { isThere } from "./store.ts";
import type { Descriptor } from "./types.ts";

/** What is told while a blob comes. */
export type DownloadEvent =
  | { phase: "waiting" }
  | { phase: "downloading"; bytes: number }
  | { phase: "verifying" }
  | { phase: "there"; already: boolean };

const MAX_TRIES = 5;

/** Content that is not what its digest says. */
class VerificationError extends Error {
  override name = "RegistryError";
}

/**
 * Brings a blob into the store. What was received stays in parts/ when the connection breaks or
 * the process dies, and the next call goes on from there. Throws RegistryError.
 */
export async function downloadBlob(
  session: Session,
  repository: Repository,
  part: Descriptor,
  tell: (event: DownloadEvent) => void,
  signal?: AbortSignal,
): Promise<void> {
  const { store } = session;
  if (hasBlob(store, part.digest, part.size)) return tell({ phase: "there", already: true });
  const name = store.lock(`blob-${hexOf(part.digest)}`);
  using _lock = await lock(name, "exclusive", () => tell({ phase: "waiting" }));
  // Another process may have brought it while we waited.
  if (hasBlob(store, part.digest, part.size)) return tell({ phase: "there", already: false });
  const path = partPath(store, part.digest);
  for (let attempt = 1;; attempt++) {
    try {
      await receive(path, repository, part, tell, signal);
      break;
    } catch (error) {
      // The disk is full, and this is what fills it: nothing else could be stored for a week.
      if (error instanceof UserError && isThere(path)) Deno.removeSync(path);
      const isFinal = error instanceof VerificationError || error instanceof UserError ||
        signal?.aborted ||
        (error instanceof RegistryError && error.status >= 400 && error.status < 500);
      if (isFinal || attempt === MAX_TRIES) throw error;
      await new Promise((done) => setTimeout(done, 200 * 2 ** attempt));
    }
  }
  keepBlob(store, part.digest, path);
  tell({ phase: "there", already: false });
}

/** Hashes what an earlier try left. */
function hashPart(file: Deno.FsFile, limit: number): Hasher {
  const hasher = new Hasher();
  const buffer = new Uint8Array(CHUNK);
  for (;;) {
    const count = file.readSync(buffer);
    if (count === null) return hasher;
    hasher.update(buffer.subarray(0, count));
    if (hasher.size > limit) return hasher;
  }
}

async function receive(
  path: string,
  repository: Repository,
  part: Descriptor,
  tell: (event: DownloadEvent) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  using file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  let hasher = hashPart(file, part.size);
  const restart = () => {
    hasher = new Hasher();
    file.truncateSync(0);
    file.seekSync(0, Deno.SeekMode.Start);
  };
  if (hasher.size > part.size) restart();
  if (hasher.size < part.size || part.size === 0) {
    const { from, body } = await repository.blob(part.digest, hasher.size, signal);
    if (from !== hasher.size) restart();
    for await (const chunk of body) {
      if (hasher.size + chunk.length > part.size) {
        throw wrong(path, part, "more bytes than announced");
      }
      hasher.update(chunk);
      writeAll(file, chunk, path);
      tell({ phase: "downloading", bytes: hasher.size });
    }
  }
  if (hasher.size < part.size) {
    throw new RegistryError(`Cannot get ${part.digest}: unexpected EOF`, 0);
  }
  tell({ phase: "verifying" });
  const digest = hasher.digest();
  if (digest !== part.digest) throw wrong(path, part, `its content is ${digest}`);
}

/** A part that cannot become the blob is worth nothing. */
function wrong(path: string, part: Descriptor, why: string): VerificationError {
  if (isThere(path)) Deno.removeSync(path);
  return new VerificationError(
    `filesystem layer verification failed for digest ${part.digest}: ${why}`,
  );
}
