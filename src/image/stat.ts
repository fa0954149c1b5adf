/** stat and directory reading by descriptor and byte-string names: ordinary text cannot name all. */
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, S_IFMT } from "../../ffi/constants.ts";
import { ENOENT, SyscallError } from "../../ffi/errno.ts";
import { sys } from "../../ffi/libc.ts";
import { byteString, cBytes, toText } from "./byte_string.ts";
import type { FileTime } from "./pax.ts";

/** What lstat tells. */
export interface Stat {
  /** File type bits alone: S_IFREG and so on. */
  kind: number;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Bytes on disk; less than `size` for a file with holes. */
  allocated: number;
  links: number;
  /** Device and inode as one key. */
  identity: string;
  mtime: FileTime;
  devMajor: number;
  devMinor: number;
}

/** STATX_BASIC_STATS. */
const BASIC_STATS = 0x7ff;
const buffer = new Uint8Array(256);
const view = new DataView(buffer.buffer);

/** struct statx, linux/stat.h. */
function fromStatx(): Stat {
  const mode = view.getUint16(28, true);
  return {
    kind: mode & S_IFMT,
    mode: mode & 0o7777,
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    size: Number(view.getBigUint64(40, true)),
    allocated: Number(view.getBigUint64(48, true)) * 512,
    links: view.getUint32(16, true),
    identity: `${view.getUint32(136, true)}:${view.getUint32(140, true)}:${
      view.getBigUint64(32, true)
    }`,
    mtime: { seconds: Number(view.getBigInt64(112, true)), nanos: view.getUint32(120, true) },
    devMajor: view.getUint32(128, true),
    devMinor: view.getUint32(132, true),
  };
}

/** statx(2) of `name` in the directory, without following a link; undefined if absent. */
export function statAt(dirFd: number, name: string): Stat | undefined {
  const result = sys("statx", dirFd, cBytes(name), AT_SYMLINK_NOFOLLOW, BASIC_STATS, buffer);
  if (result === -ENOENT) return undefined;
  if (result < 0) throw new SyscallError("statx", -result, `look at "${toText(name)}"`);
  return fromStatx();
}

/** statx(2) of an open descriptor. */
export function statFd(fd: number): Stat {
  const result = sys("statx", fd, cBytes(""), AT_EMPTY_PATH, BASIC_STATS, buffer);
  if (result < 0) throw new SyscallError("statx", -result, "look at an open file");
  return fromStatx();
}

const listing = new Uint8Array(1 << 16);
const listingView = new DataView(listing.buffer);

/** The names in an open directory, in no order, without "." and "..". getdents64(2). */
export function namesIn(dirFd: number): string[] {
  const names: string[] = [];
  for (;;) {
    const count = sys("getdents64", dirFd, listing, listing.length);
    if (count < 0) throw new SyscallError("getdents64", -count, "list a directory");
    if (count === 0) return names;
    for (let at = 0; at < count; at += listingView.getUint16(at + 16, true)) {
      let end = at + 19;
      while (listing[end] !== 0) end++;
      const name = byteString(listing, at + 19, end);
      if (name !== "." && name !== "..") names.push(name);
    }
  }
}
