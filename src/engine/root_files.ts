/**
 * A container's files as they will be, looked up before it starts: the upper directory, then the
 * layers. Each directory is entered with RESOLVE_IN_ROOT, so that links in it stay in it.
 */
import { O_NOFOLLOW, O_PATH, O_RDONLY } from "../../ffi/constants.ts";
import { Fd, openAt, openDirectory, openIn, readInto } from "../../ffi/fd.ts";
import { EINVAL, ELOOP, ENOENT, ENOTDIR, ENXIO, SyscallError } from "../../ffi/errno.ts";
import { MAX_USER_FILE_BYTES } from "../runtime/users.ts";

/** A text that is longer was not read as a whole. */
export const MAX_TEXT_BYTES = MAX_USER_FILE_BYTES;

/** Errors that mean: not in this layer. */
const NOT_THERE = [ENOENT, ENOTDIR, ELOOP, ENXIO, EINVAL];

/** The text of `path` in the topmost of `directories` that has it; "" when none does. */
export function readLayeredFile(directories: readonly string[], path: string): string {
  for (const directory of directories) {
    const text = readInLayer(directory, path);
    if (text !== undefined) return text;
  }
  return "";
}

function readInLayer(directory: string, path: string): string | undefined {
  using root = openLayer(directory);
  return root && readRegularFile(root, path, O_NOFOLLOW);
}

/** A layer; undefined for the upper directory of a container that never started. */
function openLayer(directory: string): Fd | undefined {
  try {
    return openDirectory(directory);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOENT) return undefined;
    throw error;
  }
}

/**
 * The text of a file below `root`, links followed inside of it unless `flags` has O_NOFOLLOW;
 * undefined when there is no regular file. Nothing else is opened: a FIFO would hold us up, and
 * a device of an image is one of the host's, which may act on the open alone.
 */
export function readRegularFile(root: Fd, path: string, flags = 0): string | undefined {
  try {
    using place = openIn(root, path, O_PATH | flags);
    const name = `/proc/self/fd/${place.raw}`;
    if (!Deno.statSync(name).isFile) return undefined;
    using file = openAt(null, name, O_RDONLY);
    return readAll(file);
  } catch (error) {
    if (error instanceof SyscallError && NOT_THERE.includes(error.errno)) return undefined;
    throw error;
  }
}

/** Reads at most MAX_USER_FILE_BYTES and what makes it too long. */
function readAll(file: Fd): string | undefined {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const chunk = new Uint8Array(65536);
  for (;;) {
    const count = readInto(file, chunk);
    if (count < 0) return undefined;
    if (count === 0) break;
    size += count;
    chunks.push(chunk.slice(0, count));
    if (size > MAX_USER_FILE_BYTES) break;
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of chunks) {
    all.set(part, at);
    at += part.length;
  }
  return new TextDecoder().decode(all);
}
