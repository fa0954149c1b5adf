/**
 * Reads files as a stream of archive entries from a directory that others may be changing at the
 * same time. Every name is opened by its directory's descriptor and without following a link;
 * what is not what it was a moment ago is left out.
 */
import {
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  SEEK_DATA,
  SEEK_HOLE,
} from "../../ffi/constants.ts";
import { EINTR, ELOOP, ENOENT, ENOTDIR, ENXIO, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes, toText } from "../image/byte_string.ts";
import { readXattrs } from "../image/metadata.ts";
import { namesIn, type Stat, statAt, statFd } from "../image/stat.ts";
import type { EntryType, TarEntry, TarSink } from "../image/tar.ts";
import { readLinkAt } from "./layer_view.ts";
import { entryOf } from "./tree_writer.ts";

const TYPES = new Map<number, EntryType>([
  [S_IFREG, "file"],
  [S_IFLNK, "symlink"],
  [S_IFCHR, "character"],
  [S_IFBLK, "block"],
  [S_IFDIR, "directory"],
  [S_IFIFO, "fifo"],
]);

/** Errors that mean: it was replaced or removed between two looks. */
const CHANGED = [-ENOENT, -ELOOP, -ENOTDIR, -ENXIO];

/** Turns files into entries for `sink`. Names and paths are byte strings. */
export class TreeReader {
  /** First path of each file that has several names. */
  readonly #links = new Map<string, string>();
  readonly #buffer = new Uint8Array(1 << 20);

  constructor(readonly sink: TarSink) {}

  /** The file `name` of a directory, with all below it; it is called `path` in the entries. */
  read(parent: Fd, name: string, path: string): void {
    const stat = statAt(parent.raw, name);
    const type = stat && TYPES.get(stat.kind);
    if (stat === undefined || type === undefined) return; // gone, or a socket
    if (type === "directory") {
      const opened = this.#open(parent, name, O_DIRECTORY);
      if (opened === undefined) return;
      using directory = opened;
      return this.readDirectory(directory, path);
    }
    if (type === "file") return this.#file(parent, name, path);
    if (this.#isLinkOfKnown(stat, path, type)) return;
    const entry = entryOf(stat, path, type);
    if (type === "symlink") entry.link = readLinkAt(parent, name);
    entry.xattrs = readXattrs(`/proc/self/fd/${parent.raw}/${name}`);
    this.#whole(entry);
  }

  /** An open directory with all below it. */
  readDirectory(directory: Fd, path: string): void {
    const entry = entryOf(statFd(directory.raw), `${path}/`, "directory");
    entry.xattrs = readXattrs(directory.raw);
    this.#whole(entry);
    for (const name of namesIn(directory.raw).sort()) this.read(directory, name, `${path}/${name}`);
  }

  #whole(entry: Parameters<TarSink["entry"]>[0]): void {
    this.sink.entry(entry);
    this.sink.end();
  }

  #open(parent: Fd, name: string, flags: number): Fd | undefined {
    // O_NONBLOCK: opening a pipe that took a file's place must not hold us up.
    const all = flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const fd = sys("openat", parent.raw, cBytes(name), all);
    if (CHANGED.includes(fd)) return undefined;
    if (fd < 0) throw new SyscallError("openat", -fd, `read "${toText(name)}"`);
    return new Fd(fd);
  }

  #isLinkOfKnown(stat: Stat, path: string, type: EntryType): boolean {
    if (stat.links < 2) return false;
    const first = this.#links.get(stat.identity);
    if (first === undefined) {
      this.#links.set(stat.identity, path);
      return false;
    }
    this.#whole({ ...entryOf(stat, path, type), type: "hardlink", link: first, size: 0 });
    return true;
  }

  #file(parent: Fd, name: string, path: string): void {
    const opened = this.#open(parent, name, 0);
    if (opened === undefined) return;
    using file = opened;
    const stat = statFd(file.raw);
    if (stat.kind !== S_IFREG || this.#isLinkOfKnown(stat, path, "file")) return;
    const entry = entryOf(stat, path, "file");
    entry.xattrs = readXattrs(file.raw);
    if (stat.size === 0) return this.#sizeless(file, entry);
    const spans = stat.allocated < stat.size ? dataSpans(file, stat.size) : undefined;
    if (spans !== undefined) entry.sparse = { size: stat.size, spans };
    this.sink.entry(entry);
    for (const span of spans ?? [{ offset: 0, length: stat.size }]) {
      this.#data(file, span.offset, span.length, path);
    }
    this.sink.end();
  }

  /** Files of /proc say that they are empty, and are not: as much as fits the buffer is read. */
  #sizeless(file: Fd, entry: TarEntry): void {
    let size = 0;
    while (size < this.#buffer.length) {
      const rest = this.#buffer.subarray(size);
      const count = sys("pread64", file.raw, rest, rest.length, size);
      if (count === -EINTR) continue;
      if (count <= 0) break;
      size += count;
    }
    this.sink.entry({ ...entry, size });
    if (size > 0) this.sink.data(this.#buffer.subarray(0, size));
    this.sink.end();
  }

  /** Exactly `length` bytes, whatever happens to the file meanwhile: the entry promised them. */
  #data(file: Fd, offset: number, length: number, path: string): void {
    for (let done = 0; done < length;) {
      const want = Math.min(this.#buffer.length, length - done);
      let count = sys("pread64", file.raw, this.#buffer, want, offset + done);
      if (count === -EINTR) continue;
      if (count < 0) throw new SyscallError("pread64", -count, `read "${toText(path)}"`);
      if (count === 0) {
        this.#buffer.fill(0, 0, want);
        count = want;
      }
      this.sink.data(this.#buffer.subarray(0, count));
      done += count;
    }
  }
}

/** Where the data of a file with holes lies; undefined where the file system cannot tell. */
function dataSpans(file: Fd, size: number): { offset: number; length: number }[] | undefined {
  const spans: { offset: number; length: number }[] = [];
  for (let at = 0; at < size;) {
    const start = sys("lseek", file.raw, at, SEEK_DATA);
    if (start === -ENXIO) break; // only a hole is left
    if (start < 0) return undefined;
    const end = Math.min(sys("lseek", file.raw, start, SEEK_HOLE), size);
    if (end <= start) return undefined;
    spans.push({ offset: start, length: end - start });
    at = end;
  }
  return spans;
}
