/**
 * Packs a directory as a tar: a container's upper directory as a layer, or a whole root. The same
 * tree gives the same bytes: names are sorted, nothing depends on inode order or on the clock.
 */
import {
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  SEEK_DATA,
  SEEK_HOLE,
} from "../../ffi/constants.ts";
import { EACCES, EINTR, ENOENT, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { blankEntry } from "./blank_entry.ts";
import { byteString, cBytes, toText } from "./byte_string.ts";
import { readXattrs } from "./metadata.ts";
import type { Span, SparseMap } from "./sparse.ts";
import { namesIn, type Stat, statAt, statFd } from "./stat.ts";
import type { EntryType, TarEntry } from "./tar.ts";
import { endMark, entryHeader, padding } from "./tar_writer.ts";
import { isOpaque, isWhiteout, OPAQUE_NAME, WHITEOUT_PREFIX } from "./whiteout.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How to pack. */
export interface PackOptions {
  /** Write overlayfs's marks as `.wh.` names (a layer) or leave them out (a plain tree). */
  marks: "whiteouts" | "none";
  /** Whether a path (a byte string without leading slash) goes in, with all below it. */
  include?: (path: string) => boolean;
  /** Paths that are gone and leave no mark on the disk: a whiteout is written for each. */
  deleted?: readonly string[];
  /** Told of what we may not read, which is left out; without it that is an error. */
  onUnreadable?: (path: string) => void;
  /** Owners to be written in place of those on the disk. */
  owners?: { uid(onDisk: number): number; gid(onDisk: number): number };
  /** Write an entry for the directory itself. */
  withRoot?: boolean;
}

/** Takes the bytes of the archive. A chunk is valid only during the call. */
export type PackSink = (chunk: Bytes) => void;

/** What is read at a time; of small files less, as the pages of a large buffer cost milliseconds. */
const BUFFER = 1 << 20;
const SMALL_BUFFER = 1 << 16;

const TYPES = new Map<number, EntryType>([
  [S_IFREG, "file"],
  [S_IFLNK, "symlink"],
  [S_IFCHR, "character"],
  [S_IFBLK, "block"],
  [S_IFDIR, "directory"],
  [S_IFIFO, "fifo"],
]);

/** Writes the tree below the open directory as an archive with its end mark. */
export function packTree(rootFd: number, options: PackOptions, sink: PackSink): void {
  const packer = new Packer(options, sink);
  if (options.withRoot) packer.directoryEntry(rootFd, "");
  packer.directory(rootFd, "");
  for (const path of options.deleted ?? []) packer.whiteout(path);
  sink(endMark());
}

class Packer {
  /** First path of each file that has several names. */
  readonly #links = new Map<string, string>();
  #buffer = new Uint8Array(SMALL_BUFFER);

  constructor(readonly options: PackOptions, readonly sink: PackSink) {}

  directory(fd: number, path: string): void {
    if (this.options.marks === "whiteouts" && path !== "" && isOpaque(fd)) {
      this.#emit(emptyFile(`${path}/${OPAQUE_NAME}`), 0);
    }
    for (const name of this.#namesIn(fd, path).sort()) {
      const inside = path === "" ? name : `${path}/${name}`;
      if (this.options.include?.(inside) === false) continue;
      const stat = statAt(fd, name);
      // Gone meanwhile, or a socket: those mean nothing in an archive.
      if (stat === undefined || stat.kind === S_IFSOCK) continue;
      if (isWhiteout(stat)) this.#whiteout(path, name);
      else if (stat.kind === S_IFDIR) this.#subdirectory(fd, name, inside);
      else if (stat.kind === S_IFREG) this.#file(fd, name, inside);
      else this.#other(fd, name, inside, stat);
    }
  }

  /** An overlay opens a directory that it may then not list. */
  #namesIn(fd: number, path: string): string[] {
    try {
      return namesIn(fd);
    } catch (error) {
      const isClosed = error instanceof SyscallError && error.errno === EACCES;
      if (!isClosed || this.options.onUnreadable === undefined) throw error;
      this.options.onUnreadable(path);
      return [];
    }
  }

  directoryEntry(fd: number, path: string): void {
    const entry = entryOf(statFd(fd), path === "" ? "./" : `${path}/`);
    entry.xattrs = readXattrs(fd);
    this.#emit(entry, 0);
  }

  #emit(entry: TarEntry, stored: number): void {
    const { owners } = this.options;
    if (owners !== undefined) {
      entry.uid = owners.uid(entry.uid);
      entry.gid = owners.gid(entry.gid);
    }
    this.sink(entryHeader(entry, stored));
  }

  /** The mark of a path that is not on the disk. */
  whiteout(path: string): void {
    const slash = path.lastIndexOf("/");
    this.#whiteout(path.slice(0, Math.max(slash, 0)), path.slice(slash + 1));
  }

  #whiteout(path: string, name: string): void {
    if (this.options.marks === "none") return;
    const marked = WHITEOUT_PREFIX + name;
    this.#emit(emptyFile(path === "" ? marked : `${path}/${marked}`), 0);
  }

  #open(dirFd: number, name: string, path: string, flags: number): Fd | undefined {
    const all = flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
    const fd = sys("openat", dirFd, cBytes(name), all);
    if (fd === -ENOENT) return undefined;
    if (fd === -EACCES && this.options.onUnreadable !== undefined) {
      this.options.onUnreadable(path);
      return undefined;
    }
    if (fd < 0) throw new SyscallError("openat", -fd, `pack "${toText(name)}"`);
    return new Fd(fd);
  }

  #subdirectory(dirFd: number, name: string, path: string): void {
    using fd = this.#open(dirFd, name, path, O_DIRECTORY);
    if (fd === undefined) return;
    this.directoryEntry(fd.raw, path);
    this.directory(fd.raw, path);
  }

  /** Whether this was a further name of a file already packed. */
  #hardLink(stat: Stat, path: string): boolean {
    if (stat.links < 2) return false;
    const first = this.#links.get(stat.identity);
    if (first === undefined) {
      this.#links.set(stat.identity, path);
      return false;
    }
    this.#emit({ ...entryOf(stat, path), type: "hardlink", link: first, size: 0 }, 0);
    return true;
  }

  #file(dirFd: number, name: string, path: string): void {
    using fd = this.#open(dirFd, name, path, 0);
    if (fd === undefined) return;
    const stat = statFd(fd.raw);
    if (this.#hardLink(stat, path)) return;
    const entry = entryOf(stat, path);
    entry.xattrs = readXattrs(fd.raw);
    const sparse = stat.allocated < stat.size ? sparseMap(fd.raw, stat.size) : undefined;
    if (sparse === undefined) {
      this.#emit(entry, stat.size);
      this.#copy(fd.raw, 0, stat.size, path);
      this.sink(padding(stat.size));
      return;
    }
    entry.sparse = sparse;
    const stored = sparse.spans.reduce((sum, span) => sum + span.length, 0);
    this.#emit(entry, stored);
    for (const span of sparse.spans) this.#copy(fd.raw, span.offset, span.length, path);
    this.sink(padding(stored));
  }

  /** Exactly `length` bytes, whatever happens to the file meanwhile: the header promised them. */
  #copy(fd: number, offset: number, length: number, path: string): void {
    if (length > this.#buffer.length && this.#buffer.length < BUFFER) {
      this.#buffer = new Uint8Array(BUFFER);
    }
    for (let done = 0; done < length;) {
      const want = Math.min(this.#buffer.length, length - done);
      let count = sys("pread64", fd, this.#buffer, want, offset + done);
      if (count === -EINTR) continue;
      if (count < 0) throw new SyscallError("pread64", -count, `pack "${toText(path)}"`);
      if (count === 0) {
        this.#buffer.fill(0, 0, want);
        count = want;
      }
      this.sink(this.#buffer.subarray(0, count));
      done += count;
    }
  }

  #other(dirFd: number, name: string, path: string, stat: Stat): void {
    if (this.#hardLink(stat, path)) return;
    const entry = entryOf(stat, path);
    if (entry.type === "symlink") entry.link = readLink(dirFd, name);
    entry.xattrs = readXattrs(`/proc/self/fd/${dirFd}/${name}`);
    this.#emit(entry, 0);
  }
}

function entryOf(stat: Stat, path: string): TarEntry {
  const isDevice = stat.kind === S_IFCHR || stat.kind === S_IFBLK;
  return {
    path,
    type: TYPES.get(stat.kind)!,
    link: "",
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.kind === S_IFREG ? stat.size : 0,
    mtime: stat.mtime,
    devMajor: isDevice ? stat.devMajor : 0,
    devMinor: isDevice ? stat.devMinor : 0,
    xattrs: new Map(),
  };
}

function emptyFile(path: string): TarEntry {
  return blankEntry(path, "file", 0o600);
}

function readLink(dirFd: number, name: string): string {
  const buffer = new Uint8Array(4096);
  const length = sys("readlinkat", dirFd, cBytes(name), buffer, buffer.length);
  if (length < 0) throw new SyscallError("readlinkat", -length, `pack "${toText(name)}"`);
  return byteString(buffer, 0, length);
}

/** Where the data of a file lies; undefined: it has no holes, or the file system cannot tell. */
function sparseMap(fd: number, size: number): SparseMap | undefined {
  const spans: Span[] = [];
  let at = 0;
  while (at < size) {
    const start = sys("lseek", fd, at, SEEK_DATA);
    if (start < 0) break; // ENXIO: only a hole is left
    const end = Math.min(sys("lseek", fd, start, SEEK_HOLE), size);
    if (end <= start) return undefined;
    spans.push({ offset: start, length: end - start });
    at = end;
  }
  const isWhole = spans.length === 1 && spans[0].offset === 0 && spans[0].length === size;
  return isWhole ? undefined : { size, spans };
}
