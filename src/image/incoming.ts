/**
 * Blobs that come in beside their unpacking: another thread copies and hashes a range of a file
 * while this one reads the same bytes as a tar. Nothing that was unpacked counts before the blob
 * is whole and what its digest says.
 */
import { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } from "../../ffi/constants.ts";
import { errnoText, SyscallError } from "../../ffi/errno.ts";
import { openAt } from "../../ffi/fd.ts";
import { canHashFast, FastSha256 } from "../../ffi/sha256.ts";
import { UserError } from "../base/errors.ts";
import { BlobWriter, hasBlob, keepBlob } from "./blobs.ts";
import { CHUNK, type Compression, sniff } from "./compression.ts";
import { type Digest, parseDigest } from "./digest.ts";
import type { Growth } from "./growing.ts";
import type { Session } from "./session.ts";

/** A part of a file. */
export interface FileRange {
  path: string;
  offset: number;
  size: number;
}

/** A file with its digest, under a temporary name. */
export interface Spooled {
  digest: Digest;
  size: number;
  path: string;
}

/** Copies a range into a temporary blob, beside this thread if the processor allows. */
export async function copyRange(session: Session, range: FileRange): Promise<Spooled> {
  if (!canHashFast()) return copyHere(session, range);
  const path = session.temporary("blob");
  using from = openAt(null, range.path, O_RDONLY);
  using to = openAt(null, path, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  const hash = new FastSha256();
  try {
    await hash.updateFrom(from.raw, range.offset, range.size, to.raw);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new UserError(`copy ${range.path} to ${path}: ${errnoText(error.errno)}`);
  }
  return { digest: parseDigest(`sha256:${hash.hex()}`), size: range.size, path };
}

function copyHere(session: Session, range: FileRange): Spooled {
  using writer = new BlobWriter(session);
  for (const chunk of readRange(range)) writer.write(chunk);
  return writer.finish();
}

/** The bytes of a range, in one buffer that is used again and again. */
export function* readRange(range: FileRange): Generator<Uint8Array<ArrayBuffer>> {
  using file = Deno.openSync(range.path);
  file.seekSync(range.offset, Deno.SeekMode.Start);
  const buffer = new Uint8Array(Math.min(CHUNK, range.size));
  for (let left = range.size; left > 0;) {
    const count = file.readSync(buffer.subarray(0, Math.min(left, buffer.length)));
    if (count === null) throw new UserError(`Cannot read "${range.path}": it became shorter`);
    left -= count;
    yield buffer.subarray(0, count);
  }
}

/** How what a range holds is compressed. */
export function compressionOf(range: FileRange): Compression {
  for (const head of readRange({ ...range, size: Math.min(8, range.size) })) return sniff(head);
  return "none";
}

/** A blob under way: where its bytes are meanwhile, and when it is in the store. */
export interface IncomingBlob {
  range: FileRange;
  /** How much of it is there, if not all. */
  growth?: Growth;
  /** Rejects if the bytes are not what the digest says. */
  whole: Promise<void>;
}

/** Where to ask for blobs that are under way. */
export interface BlobsUnderWay {
  /** Undefined: it is in the store, or nobody is bringing it. */
  get(digest: Digest): IncomingBlob | undefined;
}

/** How many are copied at the same time: the machine has other work to do. */
const AT_ONCE = 2;

/** The blobs of one image archive that are under way. */
export class Incoming implements BlobsUnderWay {
  readonly #blobs = new Map<Digest, IncomingBlob>();

  constructor(readonly session: Session) {}

  /** Starts to bring a blob in, unless the store has it. */
  start(digest: Digest, range: FileRange): void {
    if (hasBlob(this.session.store, digest) || this.#blobs.has(digest)) return;
    const before = [...this.#blobs.values()].at(-AT_ONCE)?.whole ?? Promise.resolve();
    const whole = before.then(async () => {
      const blob = await copyRange(this.session, range);
      if (blob.digest !== digest) {
        throw new UserError(
          `Cannot load blob ${digest}: the archive has ${blob.digest} of ${blob.size} bytes`,
        );
      }
      keepBlob(this.session.store, digest, blob.path);
    });
    // Whoever needs it sees the error; others must not end the process with it.
    whole.catch(() => {});
    this.#blobs.set(digest, { range, whole });
  }

  get(digest: Digest): IncomingBlob | undefined {
    return this.#blobs.get(digest);
  }

  /** Waits until no other thread works for this any more. */
  async end(): Promise<void> {
    await Promise.allSettled(Array.from(this.#blobs.values(), ({ whole }) => whole));
  }
}
