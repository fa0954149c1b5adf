/** What ADD takes beside files: archives, which it unpacks, and what an address leads to. */
import { O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, S_IFREG } from "../../ffi/constants.ts";
import { Fd, openAt, readInto } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import type { Located } from "../engine/locate.ts";
import { writeAll } from "../image/blobs.ts";
import { cBytes } from "../image/byte_string.ts";
import { decompress } from "../image/compression.ts";
import { type Digest, isDigest } from "../image/digest.ts";
import { Hasher } from "../image/hash.ts";
import type { Session } from "../image/session.ts";
import { BLOCK } from "../image/tar_header.ts";
import { atLeast, isArchive } from "./archives.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A file that was fetched. */
export interface Downloaded {
  readonly address: string;
  /** The last part of the address; "": it has none. */
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly digest: Digest;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** Fetches a file, and compares its digest. Throws UserError. */
export async function download(
  session: Session,
  address: string,
  { checksum, signal }: { readonly checksum?: string; readonly signal: AbortSignal },
): Promise<Downloaded> {
  if (checksum !== undefined && !isDigest(checksum)) {
    throw new UserError(
      `invalid checksum "${checksum}" of ${address}: want sha256: and 64 hex digits`,
    );
  }
  const name = nameIn(address);
  const response = await answerOf(address, signal);
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new UserError(`invalid response status ${response.status}: ${address}`);
  }
  const path = session.temporary("download");
  const hasher = new Hasher();
  try {
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
    for await (const chunk of response.body) {
      hasher.update(chunk);
      writeAll(file, chunk, path);
    }
  } catch (error) {
    throw failedLoad(address, error, signal);
  }
  const digest = hasher.digest();
  if (checksum !== undefined && checksum !== digest) {
    throw new UserError(`digest mismatch ${address}: ${digest} (expected: ${checksum})`);
  }
  const modified = Date.parse(response.headers.get("last-modified") ?? "");
  return {
    address,
    name,
    path,
    size: hasher.size,
    digest,
    mtime: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
  };
}

async function answerOf(address: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(address, { signal });
  } catch (error) {
    throw failedLoad(address, error, signal);
  }
}

function failedLoad(address: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  return error instanceof UserError
    ? error
    : new UserError(`failed to load ${address}: ${(error as Error).message}`);
}

/** The name that the file at an address gets: never one that leads elsewhere. */
function nameIn(address: string): string {
  let name: string;
  try {
    name = decodeURIComponent(new URL(address).pathname.split("/").at(-1)!);
  } catch (error) {
    throw new UserError(`invalid address ${address}: ${(error as Error).message}`);
  }
  if (!/[/\0]|^\.\.?$/.test(name)) return name;
  throw new UserError(`invalid address ${address}: ${JSON.stringify(name)} is no name of a file`);
}

/** The content of what was fetched, if it is an archive; undefined: it is none. */
export async function fetchedArchive(
  { path }: Downloaded,
): Promise<AsyncIterable<Bytes> | undefined> {
  return await archiveIn(openAt(null, path, O_RDONLY));
}

/** The content of a local archive of any compression; undefined: it is none. */
export async function addedArchive({ leaf }: Located): Promise<AsyncIterable<Bytes> | undefined> {
  if (leaf === undefined || leaf.stat.kind !== S_IFREG) return undefined;
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const fd = sys("openat", leaf.parent.raw, cBytes(leaf.name), flags);
  return fd < 0 ? undefined : await archiveIn(new Fd(fd));
}

async function archiveIn(file: Fd): Promise<AsyncIterable<Bytes> | undefined> {
  const iterator = contentOf(file);
  try {
    const { chunks } = await decompress(iterator);
    const plain = chunks[Symbol.asyncIterator]();
    const head = await atLeast(plain, BLOCK);
    if (!isArchive(head)) {
      await plain.return?.();
      return undefined;
    }
    return (async function* () {
      yield head;
      for (let next = await plain.next(); !next.done; next = await plain.next()) yield next.value;
    })();
  } catch (error) {
    // What begins like a compressed file and is none is a file like any other.
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

async function* contentOf(file: Fd): AsyncGenerator<Bytes> {
  using _file = file;
  for (;;) {
    const chunk = new Uint8Array(1 << 20);
    const count = readInto(file, chunk);
    if (count <= 0) return;
    yield chunk.subarray(0, count);
  }
}
