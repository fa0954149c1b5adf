/** Bytes that a tree takes, counted as docker does: ordinary files, each inode once. */
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  S_IFDIR,
  S_IFREG,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes, fromText } from "../image/byte_string.ts";
import { namesIn, statAt } from "../image/stat.ts";

/** Bytes in the files below `path`; 0 when it is not there. Links are not followed. */
export function treeSize(path: string): number {
  return sizeBelow(AT_FDCWD, fromText(path), new Set());
}

function sizeBelow(parent: number, name: string, seen: Set<string>): number {
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  const opened = sys("openat", parent, cBytes(name), flags);
  if (opened < 0) return 0; // gone meanwhile, or not ours to read
  using directory = new Fd(opened);
  let bytes = 0;
  for (const inside of namesIn(directory.raw)) {
    const stat = statAt(directory.raw, inside);
    if (stat === undefined) continue;
    if (stat.kind === S_IFDIR) bytes += sizeBelow(directory.raw, inside, seen);
    if (stat.kind !== S_IFREG || seen.has(stat.identity)) continue;
    if (stat.links > 1) seen.add(stat.identity);
    bytes += stat.size;
  }
  return bytes;
}
