/**
 * How a layer says "this is gone": ".wh." names in archives, marks of overlayfs on disk.
 * Source: OCI image-spec, "Whiteouts"; Linux, Documentation/filesystems/overlayfs.rst.
 */
import { S_IFCHR, S_IFREG } from "../../ffi/constants.ts";
import { ENODATA, EOPNOTSUPP, SyscallError } from "../../ffi/errno.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes } from "./byte_string.ts";
import { type Stat, statAt } from "./stat.ts";

/** Which attributes overlayfs reads: "user." when mounted with userxattr, in a user namespace. */
export type OverlayKind = "trusted" | "user";

/** The name before which a whiteout stands in an archive. */
export const WHITEOUT_PREFIX = ".wh.";
/** In a directory: nothing of the lower layers shows. */
export const OPAQUE_NAME = ".wh..wh..opq";

/** What an entry's last name means. */
export type Mark =
  | { kind: "none" }
  | { kind: "opaque" }
  /** Housekeeping of aufs, of no use elsewhere. */
  | { kind: "aufs" }
  | { kind: "whiteout"; name: string }
  /** A whiteout of nothing, of the directory itself or of its parent. */
  | { kind: "bad" };

/** Reads the last part of an entry's path. */
export function markOf(name: string): Mark {
  if (!name.startsWith(WHITEOUT_PREFIX)) return { kind: "none" };
  if (name === OPAQUE_NAME) return { kind: "opaque" };
  const hidden = name.slice(WHITEOUT_PREFIX.length);
  if (hidden.startsWith(WHITEOUT_PREFIX)) return { kind: "aufs" };
  if (hidden === "" || hidden === "." || hidden === "..") return { kind: "bad" };
  return { kind: "whiteout", name: hidden };
}

/** Whether a file on disk is overlayfs's whiteout: a character device 0:0. */
export function isWhiteout(stat: Stat): boolean {
  return stat.kind === S_IFCHR && stat.devMajor === 0 && stat.devMinor === 0;
}

/** A file that marks another name as gone, where the file system takes no such device. */
export function isMarkFile(name: string, stat: Stat): boolean {
  return name.startsWith(WHITEOUT_PREFIX) && stat.kind === S_IFREG && stat.size === 0 &&
    stat.mode === 0;
}

/** Whether a layer's directory has such a file for `name`. */
export function hasMarkFile(dirFd: number, name: string): boolean {
  const mark = WHITEOUT_PREFIX + name;
  if (mark.length > NAME_MAX) return false;
  const stat = statAt(dirFd, mark);
  return stat !== undefined && isMarkFile(mark, stat);
}

/** The longest name of a file. */
const NAME_MAX = 255;

/** Whether an attribute steers overlayfs; such names are never taken from or put in archives. */
export function isOverlayXattr(name: string): boolean {
  return /^(?:(?:trusted|user)\.overlay|user\.fuseoverlayfs)\./.test(name);
}

/** Makes an open directory hide the lower layers. fsetxattr(2). */
export function setOpaque(dirFd: number, kind: OverlayKind): void {
  const name = `${kind}.overlay.opaque`;
  const result = sys("fsetxattr", dirFd, name, cBytes("y"), 1, 0);
  if (result < 0) throw new SyscallError("fsetxattr", -result, "mark a directory as opaque");
}

/** The marks of overlayfs, with and without the rights of root, and of fuse-overlayfs. */
const OPAQUE_XATTRS = [
  "trusted.overlay.opaque",
  "user.overlay.opaque",
  "user.fuseoverlayfs.opaque",
];

/** Whether an open directory hides the lower layers. */
export function isOpaque(dirFd: number): boolean {
  const value = new Uint8Array(1);
  for (const name of OPAQUE_XATTRS) {
    const result = sys("fgetxattr", dirFd, name, value, 1);
    if (result === 1 && value[0] === 0x79) return true;
    if (result < 0 && result !== -ENODATA && result !== -EOPNOTSUPP) return false;
  }
  return false;
}
