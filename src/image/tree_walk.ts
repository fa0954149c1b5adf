/** Directories inside a layer: opened without leaving it, kept open, removed whole. */
import {
  AT_REMOVEDIR,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  PATH_MAX,
  RESOLVE_IN_ROOT,
} from "../../ffi/constants.ts";
import { EAGAIN, EISDIR, ENOENT, EPERM, SyscallError } from "../../ffi/errno.ts";
import { openHow } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes, toText } from "./byte_string.ts";
import { namesIn } from "./stat.ts";

const DIRECTORY_HOW = openHow(O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_IN_ROOT);

/**
 * Opens a directory under `root` for use as a base of other calls: a descriptor or -errno.
 * Links are followed as a process whose root is `root` would follow them. A path the kernel
 * finds too long is walked name by name, and then links are refused.
 */
export function openDirectoryIn(rootFd: number, path: string): number {
  if (path === "") return sys("openat", rootFd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (path.length >= PATH_MAX) return walkDirectory(rootFd, path);
  for (let attempt = 0; attempt < 128; attempt++) {
    const fd = sys("openat2", rootFd, cBytes(path), DIRECTORY_HOW, 24);
    if (fd !== -EAGAIN) return fd;
  }
  return -EAGAIN;
}

function walkDirectory(rootFd: number, path: string): number {
  let at = rootFd;
  for (const name of path.split("/")) {
    const next = sys("openat", at, cBytes(name), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (at !== rootFd) sys("close", at);
    if (next < 0) return next;
    at = next;
  }
  return at;
}

/** Open directories by path, a bounded number of them: entries of a directory come together. */
export class OpenDirectories implements Disposable {
  #open = new Map<string, number>();
  constructor(readonly rootFd: number, readonly limit = 64) {}

  /** Whether the directory is open: then getting it changes nothing. */
  has(path: string): boolean {
    return this.#open.has(path);
  }

  /** The descriptor of `path`, or -errno. It stays this object's. */
  get(path: string): number {
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    const fd = openDirectoryIn(this.rootFd, path);
    if (fd < 0) return fd;
    if (this.#open.size >= this.limit) {
      const [oldest, oldFd] = this.#open.entries().next().value!;
      this.#open.delete(oldest);
      sys("close", oldFd);
    }
    this.#open.set(path, fd);
    return fd;
  }

  /** Forgets all: needed after anything that could change what a path means. */
  clear(): void {
    for (const fd of this.#open.values()) sys("close", fd);
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}

/** Removes `name` in the directory with all that is in it; links are removed, not followed. */
export function removeTree(dirFd: number, name: string): void {
  const bytes = cBytes(name);
  const result = sys("unlinkat", dirFd, bytes, 0);
  if (result >= 0 || result === -ENOENT) return;
  if (result !== -EISDIR && result !== -EPERM) throw failed("unlinkat", result, name);
  const fd = sys("openat", dirFd, bytes, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) throw failed("openat", fd, name);
  try {
    for (const inside of namesIn(fd)) removeTree(fd, inside);
  } finally {
    sys("close", fd);
  }
  const removed = sys("unlinkat", dirFd, bytes, AT_REMOVEDIR);
  if (removed < 0) throw failed("unlinkat", removed, name);
}

function failed(call: string, result: number, name: string): SyscallError {
  return new SyscallError(call, -result, `remove "${toText(name)}"`);
}
