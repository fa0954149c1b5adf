/** Fills a new volume with what an image has where the volume is mounted, as docker does. */
import {
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
} from "../../ffi/constants.ts";
import { EINTR, SyscallError } from "../../ffi/errno.ts";
import { Fd, lockFile, openAt } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { readIfThere, removeIfThere, writeAtomic } from "../base/files.ts";
import { cBytes, toText } from "../image/byte_string.ts";
import { readXattrs } from "../image/metadata.ts";
import { namesIn, type Stat, statFd } from "../image/stat.ts";
import type { EntryType } from "../image/tar.ts";
import { removeTree } from "../image/tree_walk.ts";
import {
  lookUp,
  type MergedDirectory,
  namesOf,
  openLayers,
  readLinkAt,
  resolveDirectory,
} from "./layer_view.ts";
import { entryOf, TreeWriter } from "./tree_writer.ts";
import { mountVolume } from "./volume_mount.ts";
import { fillingPath, volumeData, volumeDirectory, volumeOwnersPath } from "./volumes.ts";

/**
 * Copies the directory `target` of the layers (topmost first) into the volume `name`, unless the
 * volume has content. A fill that was interrupted is done again by the next.
 */
export function fill(name: string, layers: readonly string[], target: string): void {
  using _lock = lockFile(`${volumeDirectory(name)}/lock`);
  using source = resolveDirectory(layers, target);
  if (source === undefined || source.layers.length === 0) return;
  using _mounted = mountVolume(name);
  using data = openAt(null, volumeData(name), O_RDONLY | O_DIRECTORY);
  const interrupted = readIfThere(fillingPath(name)) !== undefined;
  const existing = namesIn(data.raw);
  if (existing.length > 0 && !interrupted) return;
  for (const left of existing) removeTree(data.raw, left);
  writeAtomic(fillingPath(name), "");
  using writer = new TreeWriter(data, "", { owners: true, top: true });
  new Filler(writer, statFd(data.raw).identity).directory(source, "");
  writer.finish();
  sys("syncfs", data.raw);
  removeIfThere(volumeOwnersPath(name)); // what was there had owners of a container
  removeIfThere(fillingPath(name));
}

/** Copies all that the layers show (topmost first) into `target`, which is empty. */
export function copyLayers(layers: readonly string[], target: Fd): void {
  using source = openLayers(layers);
  using writer = new TreeWriter(target, "", { owners: true, top: true });
  new Filler(writer, statFd(target.raw).identity).directory(source, "");
  writer.finish();
}

const TYPES = new Map<number, EntryType>([
  [S_IFREG, "file"],
  [S_IFLNK, "symlink"],
  [S_IFCHR, "character"],
  [S_IFBLK, "block"],
  [S_IFIFO, "fifo"],
]);

/** Turns a merged directory into entries for a writer. */
class Filler {
  /** First path of each file that has several names. */
  readonly #links = new Map<string, string>();
  readonly #buffer = new Uint8Array(1 << 20);

  /** `self` is the volume's own directory: it may lie inside of what is copied. */
  constructor(readonly writer: TreeWriter, readonly self: string) {}

  directory(source: MergedDirectory, path: string): void {
    const [top] = source.layers;
    if (top !== undefined) {
      const entry = entryOf(statFd(top.raw), path, "directory");
      entry.xattrs = readXattrs(top.raw);
      this.writer.entry(entry);
      if (statFd(top.raw).identity === this.self) return;
    } else this.writer.entry(emptyDirectory(path));
    for (const name of namesOf(source)) {
      const found = lookUp(source, name);
      const inside = path === "" ? name : `${path}/${name}`;
      if (found === undefined) continue;
      if (found.kind === "directory") {
        using directory = found.directory;
        this.directory(directory, inside);
      } else this.#file(found.parent, found.stat, name, inside);
    }
  }

  #file(parent: Fd, stat: Stat, name: string, path: string): void {
    const type = TYPES.get(stat.kind);
    if (type === undefined) return; // a socket means nothing without its process
    const entry = entryOf(stat, path, type);
    const first = this.#links.get(stat.identity);
    if (first !== undefined) {
      this.writer.entry({ ...entry, type: "hardlink", link: first, size: 0 });
      return;
    }
    if (stat.links > 1) this.#links.set(stat.identity, path);
    if (type === "symlink") entry.link = readLinkAt(parent, name);
    if (type !== "file") {
      entry.xattrs = readXattrs(`/proc/self/fd/${parent.raw}/${name}`);
      this.writer.entry(entry);
      return;
    }
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const opened = sys("openat", parent.raw, cBytes(name), flags);
    using file = new Fd(this.#check(opened, "openat", path));
    entry.xattrs = readXattrs(file.raw);
    this.writer.entry(entry);
    for (;;) {
      const count = sys("read", file.raw, this.#buffer, this.#buffer.length);
      if (count === -EINTR) continue;
      if (this.#check(count, "read", path) === 0) break;
      this.writer.data(this.#buffer.subarray(0, count));
    }
    this.writer.end();
  }

  #check(result: number, call: string, path: string): number {
    if (result >= 0) return result;
    throw new SyscallError(call, -result, `copy "${toText(path)}" into a volume`);
  }
}

/** Where something is mounted over in the source: its own directory cannot be seen. */
function emptyDirectory(path: string) {
  const stat: Stat = {
    kind: 0,
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: 0,
    allocated: 0,
    links: 1,
    identity: "",
    mtime: { seconds: Math.floor(Date.now() / 1000), nanos: 0 },
    devMajor: 0,
    devMinor: 0,
  };
  return entryOf(stat, path, "directory");
}
