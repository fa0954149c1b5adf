/** Small files that are replaced whole: a reader sees the old text or the new one, never a part. */
import { messageOf, UserError } from "./errors.ts";

let count = 0;

/**
 * A failed write of `path` as an error that its user can do something about: a full disk, for which
 * Deno has no class. Other errors, that callers tell apart, pass.
 */
function writeError(error: unknown, path: string): unknown {
  const isWorldly = error instanceof Error && error.constructor === Error && !isAbsent(error);
  return isWorldly ? new UserError(messageOf(error, path)) : error;
}

/**
 * Replaces `path` by `content`: written under a temporary name, renamed. With `durable` the bytes
 * are on the disk before the name is, so that a power cut leaves the old text or the new one.
 * Throws UserError for a full disk.
 */
export function writeAtomic(
  path: string,
  content: string | Uint8Array<ArrayBuffer>,
  durable = false,
  mode = 0o600,
): void {
  const temporary = `${path}.tmp-${Deno.pid}-${count++}`;
  try {
    const file = Deno.openSync(temporary, { write: true, createNew: true, mode });
    try {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      if (durable) file.syncSync();
    } finally {
      file.close();
    }
    Deno.renameSync(temporary, path);
  } catch (error) {
    removeIfThere(temporary);
    throw writeError(error, path);
  }
}

/** The text of `path`, or undefined when there is no such file. */
export function readIfThere(path: string): string | undefined {
  return ifThere(() => Deno.readTextFileSync(path));
}

/** The bytes of `path`, or undefined when there is no such file. */
export function readBytesIfThere(path: string): Uint8Array<ArrayBuffer> | undefined {
  return ifThere(() => Deno.readFileSync(path));
}

/** What `path` leads to, links followed; undefined when nothing is there. */
export function statIfThere(path: string): Deno.FileInfo | undefined {
  return ifThere(() => Deno.statSync(path));
}

/** What `path` itself is, be it a link; undefined when nothing is there. */
export function lstatIfThere(path: string): Deno.FileInfo | undefined {
  return ifThere(() => Deno.lstatSync(path));
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Removes a file or a whole directory; one that is not there is fine. */
export function removeIfThere(path: string, recursive = false): void {
  try {
    Deno.removeSync(path, { recursive });
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

/** Names in a directory; none when it is not there. */
export function namesIn(path: string): string[] {
  return ifThere(() => Array.from(Deno.readDirSync(path), ({ name }) => name)) ?? [];
}

/** Makes a directory and those above it; one that is there is fine. Throws UserError for a full disk. */
export function makeDirectories(path: string, mode = 0o700): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    throw writeError(error, path);
  }
}

/**
 * Whether an error of a Deno file call means that the path, or a directory of it, is not there. A
 * file of /proc whose process ended between open and read gives ESRCH, one of a cgroup that was
 * removed meanwhile ENODEV: errors with neither a class nor a code in Deno.
 */
export function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
    (error instanceof Error && /\(os error (3|19)\)/.test(error.message));
}
