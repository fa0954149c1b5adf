/**
 * Unpacks one layer into a directory that overlayfs will use as a lower one.
 *
 * Every name is opened below the layer's own directory (openat2, RESOLVE_IN_ROOT) and created
 * with O_EXCL or its like, so no entry can reach or overwrite a file outside, whatever links the
 * archive made before. What is not promised: anything if someone else writes to the directory
 * meanwhile; it is a temporary one that only this process knows.
 */
import {
  O_CLOEXEC,
  O_DIRECTORY,
  O_RDONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
} from "../../ffi/constants.ts";
import { encodeDevice } from "../../ffi/device_number.ts";
import { EEXIST, EINTR, ENOENT, ENOTDIR, EPERM, SyscallError } from "../../ffi/errno.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes, toText } from "./byte_string.ts";
import { impliedDirectory } from "./implied_directory.ts";
import { cleanPath } from "./clean_path.ts";
import { LayerMarks } from "./layer_marks.ts";
import { applyAt, applyToFd, type Identity, ownIdentity } from "./metadata.ts";
import { statAt } from "./stat.ts";
import { type TarEntry, TarError, type TarSink } from "./tar.ts";
import { OpenDirectories, openDirectoryIn, removeTree } from "./tree_walk.ts";
import { NEW_FILE, sizeOf } from "./new_entry.ts";
import type { UnpackBatch } from "./unpack_batch.ts";
import { isWhiteout, markOf, type OverlayKind } from "./whiteout.ts";

/** How to unpack. */
export interface UnpackOptions {
  /** Form of the marks. "plain" unpacks `.wh.` names as ordinary files (docker cp, exports). */
  overlay: OverlayKind | "plain";
  /** Unpacked layers below, topmost first: directories the archive only implies are like theirs. */
  lowers?: readonly string[];
  identity?: Identity;
  /** Makes what takes small files together; without it each is made by itself. */
  batch?: (who: Identity) => UnpackBatch;
}

/** What was unpacked. */
export interface Unpacked {
  /** Bytes of all ordinary files and of the targets of links, docker's size of a layer. */
  size: number;
  /** Devices an ordinary user could not make. */
  skipped: string[];
  /** Some of what is gone is marked by files (`LayerMarks`). */
  hasMarkFiles: boolean;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Takes the entries of one layer and makes them below `rootFd`. */
export class Unpacker implements TarSink, Disposable {
  readonly #dirs: OpenDirectories;
  readonly #who: Identity;
  /** Directories get their mode and time at the end: until then they must be writable. */
  readonly #directories = new Map<string, TarEntry>();
  readonly #result = { size: 0, skipped: [] as string[] };
  /** Files and links that are made together, by the next flush at the latest. */
  readonly #batch: UnpackBatch | undefined;
  readonly #marks: LayerMarks;
  #entry: TarEntry | undefined;
  /** A file whose data has not come yet. */
  #waiting = false;
  #file = -1;
  #span = 0;
  #spanAt = 0;

  constructor(readonly rootFd: number, readonly options: UnpackOptions) {
    this.#dirs = new OpenDirectories(rootFd);
    this.#who = options.identity ?? ownIdentity();
    this.#batch = options.batch?.(this.#who);
    this.#marks = new LayerMarks(options.overlay);
  }

  entry(entry: TarEntry): void {
    this.#entry = entry;
    if (this.#batch?.takes(entry) && !this.#marks.hasFiles) {
      if (entry.type === "symlink") this.#later(undefined);
      else this.#waiting = true;
      return;
    }
    this.flush();
    this.#unpack(entry);
  }

  /** Puts the current entry, with all its data, into the batch. */
  #later(data: Bytes | undefined): void {
    const batch = this.#batch!;
    const entry = this.#entry!;
    const names = cleanPath(entry.path);
    const name = names.pop();
    const isMark = this.options.overlay !== "plain" && markOf(name ?? "").kind !== "none";
    if (name === undefined || isMark || !batch.takesNames(name, entry)) {
      this.flush();
      return this.#whole(entry, data);
    }
    const parent = names.join("/");
    // A directory that is not open may be made by the batch in another form, and opening one may
    // close another.
    if (!this.#dirs.has(parent) || !batch.fits(name, entry)) this.flush();
    batch.add(this.#parent(parent, entry), name, entry, data);
  }

  /** Makes what is in the batch; from a failure on one by one, which has the remedy or the words. */
  flush(): void {
    if (this.#batch === undefined || this.#batch.isEmpty) return;
    const current = this.#entry;
    const { size, rest, isHalfMade } = this.#batch.run();
    this.#result.size += size;
    if (isHalfMade) this.#takeBack(rest[0].entry);
    for (const { entry, data } of rest) this.#whole(entry, data);
    this.#entry = current;
  }

  /** Removes a name that was made without all that belongs to it. */
  #takeBack(entry: TarEntry): void {
    const names = cleanPath(entry.path);
    const name = names.pop()!;
    sys("unlinkat", this.#parent(names.join("/"), entry), cBytes(name), 0);
  }

  #whole(entry: TarEntry, data: Bytes | undefined): void {
    this.#entry = entry;
    this.#unpack(entry);
    if (data !== undefined) this.#write(data);
    this.#finishFile();
  }

  #unpack(entry: TarEntry): void {
    const names = cleanPath(entry.path);
    const name = names.pop();
    if (name === undefined) {
      if (entry.type === "directory") this.#directories.set("", entry);
      return;
    }
    const parent = names.join("/");
    const dirFd = this.#parent(parent, entry);
    if (this.options.overlay !== "plain" && this.#mark(dirFd, name, entry)) return;
    this.#create(dirFd, parent === "" ? name : `${parent}/${name}`, name, entry);
  }

  data(chunk: Bytes): void {
    if (this.#waiting) {
      this.#waiting = false;
      if (chunk.length === this.#entry!.size) return this.#later(chunk);
      this.flush();
      this.#unpack(this.#entry!);
    }
    if (this.#file >= 0) this.#write(chunk);
  }

  #write(chunk: Bytes): void {
    if (this.#file < 0) return;
    if (this.#entry!.sparse !== undefined) return this.#sparseData(chunk);
    for (let at = 0; at < chunk.length;) {
      const rest = at === 0 ? chunk : chunk.subarray(at);
      const count = sys("write", this.#file, rest, rest.length);
      if (count === -EINTR) continue;
      if (count < 0) throw this.#failed("write", count);
      at += count;
    }
  }

  end(): void {
    if (this.#waiting) this.#later(undefined);
    this.#waiting = false;
    this.#finishFile();
  }

  #finishFile(): void {
    const entry = this.#entry!;
    if (this.#file < 0) return;
    if (entry.sparse !== undefined) {
      const result = sys("ftruncate", this.#file, entry.size);
      if (result < 0) throw this.#failed("ftruncate", result);
    }
    applyToFd(this.#file, entry, this.#who, entry.mode & 0o777 & ~this.#who.umask);
    this.#closeFile();
    this.#result.size += entry.size;
  }

  /** Finishes the directories. To be called once, after the archive's end. */
  finish(): Unpacked {
    this.flush();
    // Deepest first, so that a directory without rights does not lock out those inside it.
    const paths = [...this.#directories.keys()].sort((a, b) => b.length - a.length);
    for (const path of paths) this.#finishDirectory(path, this.#directories.get(path)!);
    return { ...this.#result, hasMarkFiles: this.#marks.hasFiles };
  }

  [Symbol.dispose](): void {
    this.#closeFile();
    this.#dirs.clear();
    this.#batch?.[Symbol.dispose]();
  }

  #closeFile(): void {
    if (this.#file >= 0) sys("close", this.#file);
    this.#file = -1;
  }

  #failed(call: string, result: number): SyscallError {
    return new SyscallError(call, -result, `unpack "${toText(this.#entry!.path)}"`);
  }

  #sparseData(chunk: Bytes): void {
    const { spans } = this.#entry!.sparse!;
    for (let at = 0; at < chunk.length;) {
      const span = spans[this.#span];
      if (this.#spanAt === span.length) {
        this.#span++;
        this.#spanAt = 0;
        continue;
      }
      const piece = chunk.subarray(
        at,
        at + Math.min(chunk.length - at, span.length - this.#spanAt),
      );
      const offset = span.offset + this.#spanAt;
      const count = sys("pwrite64", this.#file, piece, piece.length, offset);
      if (count === -EINTR) continue;
      if (count < 0) throw this.#failed("pwrite64", count);
      at += count;
      this.#spanAt += count;
    }
  }

  /** The directory an entry belongs in; made if the archive has no entry for it. */
  #parent(path: string, entry: TarEntry): number {
    let fd = this.#dirs.get(path);
    if (fd === -ENOENT || fd === -ENOTDIR) {
      this.#implied(path);
      fd = this.#dirs.get(path);
    }
    if (fd < 0) throw new SyscallError("openat2", -fd, `unpack "${toText(entry.path)}"`);
    return fd;
  }

  #implied(path: string): void {
    let parent = "";
    for (const name of path.split("/")) {
      const here = parent === "" ? name : `${parent}/${name}`;
      const found = this.#dirs.get(here);
      if (found === -ENOENT || found === -ENOTDIR) {
        const dirFd = this.#dirs.get(parent);
        if (dirFd < 0) throw this.#failed("openat2", dirFd);
        this.#makeDirectory(dirFd, name);
        this.#directories.set(here, impliedDirectory(here, this.options.lowers ?? []));
      }
      parent = here;
    }
  }

  /** mkdir, in place of a whiteout too; then nothing of the lower layers may show in it. */
  #makeDirectory(dirFd: number, name: string): void {
    const bytes = cBytes(name);
    let hidesLower = this.#marks.takeBack(dirFd, name);
    let result = sys("mkdirat", dirFd, bytes, 0o700);
    if (result === -EEXIST && isWhiteout(statAt(dirFd, name)!)) {
      hidesLower = true;
      sys("unlinkat", dirFd, bytes, 0);
      result = sys("mkdirat", dirFd, bytes, 0o700);
    }
    if (result >= 0 && hidesLower) this.#marks.opaque(dirFd, name);
    if (result < 0) throw this.#failed("mkdirat", result);
  }

  /** Handles the names that mean "gone"; whether this was one. */
  #mark(dirFd: number, name: string, entry: TarEntry): boolean {
    const mark = markOf(name);
    switch (mark.kind) {
      case "none":
        return false;
      case "aufs":
        return true;
      case "opaque":
        this.#marks.opaque(dirFd, ".");
        return true;
      case "bad":
        throw new TarError(`Cannot unpack "${toText(entry.path)}": a whiteout of nothing`);
      case "whiteout":
        this.#marks.whiteout(dirFd, mark.name);
        return true;
    }
  }

  #create(dirFd: number, path: string, name: string, entry: TarEntry): void {
    let hidesLower = this.#marks.takeBack(dirFd, name);
    let result = this.#make(dirFd, path, name, entry);
    if (result === -EEXIST) {
      if (entry.type === "hardlink" && cleanPath(entry.link).join("/") === path) return;
      const existing = statAt(dirFd, name);
      if (entry.type === "directory" && existing?.kind === S_IFDIR) {
        this.#directories.set(path, entry);
        return;
      }
      hidesLower = existing !== undefined && isWhiteout(existing);
      this.#remove(dirFd, path, name);
      // The cache of directories was dropped; the parent is opened again.
      dirFd = this.#parent(path.slice(0, Math.max(0, path.length - name.length - 1)), entry);
      result = this.#make(dirFd, path, name, entry);
    }
    if (result >= 0 && entry.type === "directory" && hidesLower) this.#marks.opaque(dirFd, name);
    if (result < 0) throw this.#failed(entry.type === "hardlink" ? "linkat" : "create", result);
  }

  #remove(dirFd: number, path: string, name: string): void {
    removeTree(dirFd, name);
    for (const inside of this.#directories.keys()) {
      if (inside === path || inside.startsWith(`${path}/`)) this.#directories.delete(inside);
    }
    this.#dirs.clear();
  }

  /** Makes the entry where nothing is; 0 or more, or -errno. */
  #make(dirFd: number, path: string, name: string, entry: TarEntry): number {
    const bytes = cBytes(name);
    switch (entry.type) {
      case "file": {
        // Nobody else can walk in here yet, so the file may have its rights at once.
        this.#file = sys("openat", dirFd, bytes, NEW_FILE, entry.mode & 0o777);
        this.#span = this.#spanAt = 0;
        return this.#file;
      }
      case "directory": {
        const result = sys("mkdirat", dirFd, bytes, 0o700);
        if (result >= 0) this.#directories.set(path, entry);
        return result;
      }
      case "symlink": {
        const result = sys("symlinkat", cBytes(entry.link), dirFd, bytes);
        if (result < 0) return result;
        applyAt(dirFd, name, entry, this.#who);
        this.#result.size += sizeOf(entry);
        return result;
      }
      case "hardlink":
        return this.#link(dirFd, bytes, entry);
      case "character":
      case "block":
      case "fifo":
        return this.#node(dirFd, name, entry);
    }
  }

  #link(dirFd: number, name: Uint8Array<ArrayBuffer>, entry: TarEntry): number {
    const target = cleanPath(entry.link);
    const last = target.pop();
    if (last === undefined) throw this.#failed("linkat", -EPERM);
    const from = openDirectoryIn(this.rootFd, target.join("/"));
    if (from < 0) throw this.#failed("openat2", from);
    const result = sys("linkat", from, cBytes(last), dirFd, name, 0);
    sys("close", from);
    return result;
  }

  #node(dirFd: number, name: string, entry: TarEntry): number {
    const kind = { character: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO }[
      entry.type as "character" | "block" | "fifo"
    ];
    const device = entry.type === "fifo" ? 0 : encodeDevice(entry.devMajor, entry.devMinor);
    const result = sys("mknodat", dirFd, cBytes(name), kind | 0o600, device);
    if (result === -EPERM && this.#who.rootless && entry.type !== "fifo") {
      this.#result.skipped.push(entry.path);
      return 0;
    }
    if (result >= 0) applyAt(dirFd, name, entry, this.#who);
    return result;
  }

  #finishDirectory(path: string, entry: TarEntry): void {
    const fd = openDirectoryIn(this.rootFd, path);
    // A later entry put something else where a link led to it.
    if (fd === -ENOENT || fd === -ENOTDIR) return;
    if (fd < 0) throw new SyscallError("openat2", -fd, `unpack "${toText(path)}"`);
    // O_PATH descriptors cannot be changed themselves; "." in them can.
    const real = sys("openat", fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sys("close", fd);
    if (real < 0) throw new SyscallError("openat", -real, `unpack "${toText(path)}"`);
    try {
      applyToFd(real, entry, this.#who);
    } finally {
      sys("close", real);
    }
  }
}
