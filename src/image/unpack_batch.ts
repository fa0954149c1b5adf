/** Ordinary files and symbolic links of a layer, made many at a time. */
import { PATH_MAX } from "../../ffi/constants.ts";
import { FileBatch } from "../../ffi/file_batch.ts";
import type { Identity } from "./metadata.ts";
import { NEW_FILE, sizeOf } from "./new_entry.ts";
import type { TarEntry } from "./tar.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** linux/limits.h: longer ones take the usual way, to the kernel's error. */
const NAME_MAX = 255;

/** An entry that waits; `data`: all of its file, unless it is empty. */
export interface Batched {
  entry: TarEntry;
  data: Bytes | undefined;
}

/** What a run left. */
export interface BatchRan {
  /** Bytes of the files made. */
  size: number;
  /** Those that are to be made one by one: something is in the way of the first. */
  rest: Batched[];
  /** The name of the first of them is there, but not all that belongs to it. */
  isHalfMade: boolean;
}

/** Whether an entry belongs to somebody else than who unpacks. */
function isForeign(entry: TarEntry, who: Identity): boolean {
  return entry.uid !== who.uid || entry.gid !== who.gid;
}

/** Entries whose directories are open, in the archive's order. */
export class UnpackBatch implements Disposable {
  readonly #files = new FileBatch();
  #waiting: Batched[] = [];

  constructor(readonly who: Identity) {}

  /** What can be made in a batch; not if the user may be unable to give the file its owner. */
  takes(entry: TarEntry): boolean {
    return (entry.type === "file" || entry.type === "symlink") && entry.sparse === undefined &&
      entry.xattrs.size === 0 && !(this.who.rootless && isForeign(entry, this.who));
  }

  /** Whether a name and a target have lengths that exist. */
  takesNames(name: string, entry: TarEntry): boolean {
    return name.length <= NAME_MAX && entry.link.length < PATH_MAX;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether there is room for one more. */
  fits(name: string, entry: TarEntry): boolean {
    return this.#files.fits(name.length + entry.link.length);
  }

  add(dirFd: number, name: string, entry: TarEntry, data: Bytes | undefined): void {
    const { uid, gid, mode, mtime: { seconds, nanos } } = entry;
    const chmod = mode !== (mode & 0o777 & ~this.who.umask);
    const meta = { uid, gid, mode, seconds, nanos, chown: isForeign(entry, this.who), chmod };
    if (entry.type === "symlink") this.#files.link(dirFd, name, entry.link, meta);
    else this.#files.file(dirFd, name, NEW_FILE, data, meta);
    this.#waiting.push({ entry, data });
  }

  /** Makes all, up to the first that fails. */
  run(): BatchRan {
    const waiting = this.#waiting;
    this.#waiting = [];
    const unmade = this.#files.run();
    const count = unmade?.index ?? waiting.length;
    let size = 0;
    for (let i = 0; i < count; i++) size += sizeOf(waiting[i].entry);
    return { size, rest: waiting.slice(count), isHalfMade: unmade?.made ?? false };
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }
}
