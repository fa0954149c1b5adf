/**
 * Directories of the machine whose own files a container of an ordinary user gets as copies,
 * because overlayfs does not take a directory with mounts below: /etc of many machines.
 */
import {
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  RENAME_NOREPLACE,
  S_IFLNK,
  S_IFREG,
} from "../../ffi/constants.ts";
import { EACCES, EEXIST, ENOENT, EPERM, SyscallError } from "../../ffi/errno.ts";
import { Fd, openAt, readInto } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { makeDirectories, removeIfThere } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import { cBytes, fromText } from "../image/byte_string.ts";
import { type Stat, statAt } from "../image/stat.ts";
import { overlayDirectories } from "./foundation.ts";
import { readLinkAt } from "./layer_view.ts";
import { entryOf, TreeWriter } from "./tree_writer.ts";

/** More than any /etc has; what a start may copy without being asked to. */
const MOST_BYTES = 16 << 20;

/** Whether the files of a directory itself are few enough; only of the root's own file system. */
export function isSmall(path: string): boolean {
  if (Deno.statSync(path).dev !== Deno.statSync("/").dev) return false;
  let bytes = 0;
  try {
    for (const { name, isFile } of Deno.readDirSync(path)) {
      if (isFile) bytes += Deno.lstatSync(`${path}/${name}`).size;
    }
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
  return bytes <= MOST_BYTES;
}

/**
 * The names that we may not read; if `isFirst`, copies the others into the container's upper
 * directory. All is made aside, and moved to where nothing is: a start that was cut off goes on
 * where it was. The copies belong to root of the container.
 */
export function copyFiles(
  id: string,
  path: string,
  names: readonly string[],
  isFirst: boolean,
): string[] {
  using from = openAt(null, `${path}/`, O_RDONLY | O_DIRECTORY);
  if (!isFirst) return names.filter((name) => !mayRead(from, name));
  const aside = `${containerDirectory(id)}/pieces`;
  removeIfThere(aside, true);
  makeDirectories(aside);
  using made = openAt(null, aside, O_RDONLY | O_DIRECTORY);
  using writer = new TreeWriter(made, "", { owners: false });
  const unreadable = names.filter((name) => !copyFile(from, fromText(name), writer));
  using upper = openAt(null, `${overlayDirectories(id, []).upper}${path}`, O_PATH | O_DIRECTORY);
  for (const name of names) move(made, upper, cBytes(fromText(name)));
  removeIfThere(aside, true);
  return unreadable;
}

function mayRead(from: Fd, name: string): boolean {
  const fd = sys("openat", from.raw, cBytes(fromText(name)), READ);
  if (fd >= 0) sys("close", fd);
  return fd !== -EACCES && fd !== -EPERM;
}

const READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

/** Whether it could be read: of one that could not an empty file is made, to be mounted on. */
function copyFile(from: Fd, name: string, writer: TreeWriter): boolean {
  const stat = statAt(from.raw, name);
  if (stat?.kind === S_IFLNK) {
    writer.entry({ ...entryOf(stat, name, "symlink"), link: readLinkAt(from, name) });
    return true;
  }
  if (stat?.kind !== S_IFREG) return true; // gone meanwhile
  const fd = sys("openat", from.raw, cBytes(name), READ);
  if (fd === -ENOENT) return true;
  if (fd === -EACCES || fd === -EPERM) {
    writer.entry(entryOf(stat, name, "file"));
    writer.end();
    return false;
  }
  if (fd < 0) throw new SyscallError("openat", -fd, `copy "${name}"`);
  using file = new Fd(fd);
  writeFile(file, stat, name, writer);
  return true;
}

function writeFile(file: Fd, stat: Stat, name: string, writer: TreeWriter): void {
  const buffer = new Uint8Array(1 << 16);
  writer.entry(entryOf(stat, name, "file"));
  for (;;) {
    const count = readInto(file, buffer);
    if (count < 0) throw new SyscallError("read", -count, `copy "${name}"`);
    if (count === 0) break;
    writer.data(buffer.subarray(0, count));
  }
  writer.end();
}

function move(from: Fd, to: Fd, name: Uint8Array<ArrayBuffer>): void {
  const result = sys("renameat2", from.raw, name, to.raw, name, RENAME_NOREPLACE);
  if (result >= 0 || result === -ENOENT || result === -EEXIST) return;
  throw new SyscallError("renameat2", -result, "put a copy into the container");
}
