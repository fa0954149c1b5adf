/**
 * The marks of what is gone, as a layer gets them on the disk. Some file systems take no device as
 * a mark: an overlay (a store inside a container), whose own mark that would be. There the mark is a
 * file, named as in archives; fuse-overlayfs(1) reads it, and who reads layers here does, but not
 * the kernel's overlayfs.
 */
import {
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_WRONLY,
  S_IFCHR,
  S_IFDIR,
} from "../../ffi/constants.ts";
import { EEXIST, EPERM, SyscallError } from "../../ffi/errno.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes, toText } from "./byte_string.ts";
import { statAt } from "./stat.ts";
import { type OverlayKind, setOpaque, WHITEOUT_PREFIX } from "./whiteout.ts";

/** Makes the marks of one layer. Throws SyscallError. */
export class LayerMarks {
  /** Whether there are marks that are files. */
  hasFiles = false;

  constructor(readonly kind: OverlayKind | "plain") {}

  /** Makes a directory hide what the layers below have in it. */
  opaque(dirFd: number, name: string): void {
    if (this.kind === "plain") return;
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const fd = checked("openat", sys("openat", dirFd, cBytes(name), flags), name);
    try {
      setOpaque(fd, this.kind);
    } finally {
      sys("close", fd);
    }
  }

  /** A whiteout speaks of lower layers only: what this layer itself has stays. */
  whiteout(dirFd: number, name: string): void {
    const existing = statAt(dirFd, name);
    if (existing?.kind === S_IFDIR) return this.opaque(dirFd, name);
    if (existing !== undefined) return;
    const result = sys("mknodat", dirFd, cBytes(name), S_IFCHR, 0);
    if (result !== -EPERM) return void checked("mknodat", result, name);
    this.hasFiles = true;
    const flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC;
    const fd = sys("openat", dirFd, cBytes(WHITEOUT_PREFIX + name), flags, 0);
    if (fd === -EEXIST) return;
    sys("close", checked("openat", fd, name));
  }

  /** Removes the file that marks `name` as gone; whether there was one. */
  takeBack(dirFd: number, name: string): boolean {
    return this.hasFiles && sys("unlinkat", dirFd, cBytes(WHITEOUT_PREFIX + name), 0) >= 0;
  }
}

function checked(call: string, result: number, name: string): number {
  if (result >= 0) return result;
  throw new SyscallError(call, -result, `mark "${toText(name)}" as gone`);
}
