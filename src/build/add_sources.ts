/** What ADD takes beside files: archives, which it unpacks, and what an address leads to. */
import { O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, S_IFREG } from "../../ffi/constants.ts";
import { Fd, readInto } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import type { Located } from "../engine/locate.ts";
import { cBytes } from "../image/byte_string.ts";
import { decompress } from "../image/compression.ts";
import type { Digest } from "../image/digest.ts";
import { Hasher } from "../image/hash.ts";
import type { Session } from "../image/session.ts";
import { BLOCK } from "../image/tar_header.ts";
import { atLeast, isArchive } from "./archives.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Whether a source of ADD is fetched. Throws UserError for git repositories. */
export function isAddress(source: string): boolean {
  const isGit = /^(?:git@|git:\/\/|ssh:\/\/)/.test(source) ||
    /^https?:\/\/.*\.git(?:#.*)?$/.test(source);
  if (isGit) {
    throw new UserError(
      `ADD ${source}: git repositories are not supported; clone it into the build context`,
    );
  }
  return /^https?:\/\//.test(source);
}

/** A file that was fetched. */
export interface Downloaded {
  readonly address: string;
  /** The last part of the address; "": it has none. */
  readonly name: string;
  readonly path: string;
  readonly digest: Digest;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** Fetches a file, and compares its digest. Throws UserError. */
export async function download(
  session: Session,
  address: string,
  checksum: string | undefined,
): Promise<Downloaded> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch (error) {
    throw new UserError(`failed to load ${address}: ${(error as Error).message}`);
  }
  if (!response.ok || response.body === null) {
    throw new UserError(`invalid response status ${response.status}: ${address}`);
  }
  const path = session.temporary("download");
  const hasher = new Hasher();
  {
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
    for await (const chunk of response.body) {
      hasher.update(chunk);
      for (let at = 0; at < chunk.length;) at += file.writeSync(chunk.subarray(at));
    }
  }
  const digest = hasher.digest();
  if (checksum !== undefined && checksum !== digest) {
    throw new UserError(`digest mismatch ${address}: ${digest} (expected: ${checksum})`);
  }
  const modified = Date.parse(response.headers.get("last-modified") ?? "");
  return {
    address,
    name: decodeURIComponent(new URL(address).pathname.split("/").at(-1)!),
    path,
    digest,
    mtime: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
  };
}

/** The content of a local archive of any compression; undefined: it is none. */
export async function addedArchive({ leaf }: Located): Promise<AsyncIterable<Bytes> | undefined> {
  if (leaf === undefined || leaf.stat.kind !== S_IFREG) return undefined;
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const fd = sys("openat", leaf.parent.raw, cBytes(leaf.name), flags);
  if (fd < 0) return undefined;
  const iterator = contentOf(new Fd(fd));
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
