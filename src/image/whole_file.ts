/** Files that a user names and that get an archive: whole, or not at all. */
import { AT_FDCWD, AT_SYMLINK_FOLLOW, O_TMPFILE, O_WRONLY } from "../../ffi/constants.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { statIfThere } from "../base/files.ts";
import { writeAll } from "./blobs.ts";

/**
 * Writes a file that has no name before it is whole: a failure, or an end by ctrl-c, must not leave
 * half an archive, nor take a whole one that was there. What is no file, a pipe or a device, is
 * written to.
 */
export async function writeWhole<T>(
  path: string,
  make: (write: (chunk: Uint8Array) => void) => Promise<T>,
): Promise<T> {
  if (isThereAndNoFile(path)) {
    using file = Deno.openSync(path, { write: true, truncate: true });
    return await make((chunk) => writeAll(file, chunk, path));
  }
  using nameless = openNameless(directoryOf(path));
  if (nameless === undefined) return await writeBeside(path, make);
  const inode = `/proc/self/fd/${nameless.raw}`;
  using file = Deno.openSync(inode, { write: true });
  const made = await make((chunk) => writeAll(file, chunk, path));
  const name = temporaryName(path);
  check(`name file "${path}"`, "linkat", AT_FDCWD, inode, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
  Deno.renameSync(name, path);
  return made;
}

/** undefined: the file system has no such files. open(2), O_TMPFILE. */
function openNameless(directory: string): Fd | undefined {
  try {
    return openAt(null, directory, O_TMPFILE | O_WRONLY, 0o600);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** The same under a temporary name. */
async function writeBeside<T>(
  path: string,
  make: (write: (chunk: Uint8Array) => void) => Promise<T>,
): Promise<T> {
  const name = temporaryName(path);
  const file = Deno.openSync(name, { write: true, create: true, truncate: true, mode: 0o600 });
  try {
    const made = await make((chunk) => writeAll(file, chunk, path));
    Deno.renameSync(name, path);
    return made;
  } catch (error) {
    Deno.removeSync(name);
    throw error;
  } finally {
    file.close();
  }
}

const directoryOf = (path: string): string =>
  path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".";

const temporaryName = (path: string): string => `${path}.tmp-${Deno.pid}`;

function isThereAndNoFile(path: string): boolean {
  return statIfThere(path)?.isFile === false;
}
