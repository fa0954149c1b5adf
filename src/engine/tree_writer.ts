/**
 * Writes a stream of archive entries below a directory that others may be changing at the same
 * time: a running container's root. Nothing is opened or changed by a path: every parent is
 * entered with RESOLVE_IN_ROOT, every file is made or opened without following a link, and
 * owner, mode and times are set through the descriptor that was got. A file gets its name when it
 * is whole: on a full disk what had the name before is still there.
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFREG,
} from "../../ffi/constants.ts";
import { encodeDevice } from "../../ffi/device_number.ts";
import {
  EBUSY,
  EEXIST,
  EINTR,
  EINVAL,
  EISDIR,
  ENOENT,
  EOPNOTSUPP,
  EPERM,
  SyscallError,
} from "../../ffi/errno.ts";
import { Fd, writeAll } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { cBytes, toText } from "../image/byte_string.ts";
import { type Stat, statAt } from "../image/stat.ts";
import type { TarEntry, TarSink } from "../image/tar.ts";
import { openDirectoryIn } from "../image/tree_walk.ts";

/** How entries become files. */
export interface TreeWriterOptions {
  /** Give files the owner of the entry; else they belong to who writes them. */
  readonly owners: boolean;
  /** Owner of everything, whatever the entries say. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Give the directory itself what an entry for it says; docker's cp leaves it as it is. */
  readonly top?: boolean;
  /** The directory's path for messages. */
  readonly shownAs?: string;
}

/** The parts of an entry's path, "." dropped; ".." may not lead out of where it is written. */
function partsOf(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) {
      throw new UserError(`Cannot unpack "${toText(path)}": the path leads outside`);
    }
  }
  return parts;
}

/** A file that is being written: without a name until it is whole, or under another one. */
interface Begun {
  readonly name: string;
  temporary: Uint8Array<ArrayBuffer> | undefined;
}

/** Errors of file systems that cannot make a file without a name (open(2), O_TMPFILE). */
const WITHOUT_TMPFILE = [-EOPNOTSUPP, -EISDIR, -EINVAL];

let names = 0;

function temporaryName(): Uint8Array<ArrayBuffer> {
  return cBytes(`.diplodock-${Deno.pid}-${names++}`);
}

/** Takes entries and makes them at `base` (a byte string, relative to the root) below `root`. */
export class TreeWriter implements TarSink, Disposable {
  /** Bytes of all ordinary files. */
  size = 0;
  /** Directories get their times at the end: writing into them changes these. */
  readonly #directories = new Map<string, TarEntry>();
  readonly #uid = sys("geteuid");
  #parentPath: string | undefined;
  #parent = new Fd(-1);
  #entry: TarEntry | undefined;
  #file = new Fd(-1);
  #begun: Begun | undefined;
  #span = 0;
  #spanAt = 0;

  constructor(
    readonly root: Fd,
    readonly base: string,
    readonly options: TreeWriterOptions,
  ) {}

  entry(entry: TarEntry): void {
    this.#entry = entry;
    const parts = partsOf(entry.path);
    const name = parts.pop();
    if (name === undefined) {
      if (this.options.top && entry.type === "directory") this.#directories.set("", entry);
      return;
    }
    const parent = this.#enter(parts.join("/"));
    this.#makeRoom(parent, name, entry);
    this.#make(parent, name, [...parts, name].join("/"), entry);
  }

  data(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#file.raw < 0) return;
    const spans = this.#entry!.sparse?.spans;
    if (spans === undefined) return this.#write(chunk, undefined);
    for (let at = 0; at < chunk.length;) {
      const span = spans[this.#span];
      if (this.#spanAt === span.length) {
        this.#span++;
        this.#spanAt = 0;
        continue;
      }
      const count = Math.min(chunk.length - at, span.length - this.#spanAt);
      this.#write(chunk.subarray(at, at + count), span.offset + this.#spanAt);
      at += count;
      this.#spanAt += count;
    }
  }

  end(): void {
    const entry = this.#entry!;
    if (this.#file.raw < 0) return;
    if (entry.sparse !== undefined) {
      this.#check(sys("ftruncate", this.#file.raw, entry.size), "ftruncate");
    }
    this.#apply(this.#file.raw, entry);
    this.#place(this.#begun!);
    this.#begun = undefined;
    this.#file[Symbol.dispose]();
    this.size += entry.size;
  }

  /** Sets what directories get last. To be called once, after the last entry. */
  finish(): void {
    const paths = [...this.#directories.keys()].sort((a, b) => b.length - a.length);
    for (const path of paths) {
      const fd = openDirectoryIn(this.root.raw, join(this.base, path));
      if (fd < 0) continue; // taken away meanwhile by who else writes here
      using directory = new Fd(fd);
      this.#apply(directory.raw, this.#directories.get(path)!);
    }
  }

  [Symbol.dispose](): void {
    const temporary = this.#begun?.temporary;
    if (temporary !== undefined) sys("unlinkat", this.#parent.raw, temporary, 0);
    this.#file[Symbol.dispose]();
    this.#parent[Symbol.dispose]();
  }

  #check(result: number, call: string): number {
    if (result >= 0) return result;
    throw new SyscallError(call, -result, `write "${toText(this.#entry!.path)}"`);
  }

  #write(chunk: Uint8Array<ArrayBuffer>, offset: number | undefined): void {
    for (let at = 0; at < chunk.length;) {
      const rest = chunk.subarray(at);
      const count = offset === undefined
        ? sys("write", this.#file.raw, rest, rest.length)
        : sys("pwrite64", this.#file.raw, rest, rest.length, offset + at);
      if (count !== -EINTR) at += this.#check(count, "write");
    }
  }

  /** The directory an entry belongs in; made when the archive has no entry for it. */
  #enter(path: string): number {
    if (this.#parentPath === path && this.#parent.raw >= 0) return this.#parent.raw;
    this.#parent[Symbol.dispose]();
    let fd = openDirectoryIn(this.root.raw, join(this.base, path));
    if (fd === -ENOENT) {
      this.#makeParents(path);
      fd = openDirectoryIn(this.root.raw, join(this.base, path));
    }
    this.#parent = new Fd(this.#check(fd, "openat2"));
    this.#parentPath = path;
    return this.#parent.raw;
  }

  #makeParents(path: string): void {
    let above = "";
    for (const name of path.split("/")) {
      using parent = new Fd(
        this.#check(openDirectoryIn(this.root.raw, join(this.base, above)), "openat2"),
      );
      const made = sys("mkdirat", parent.raw, cBytes(name), 0o755);
      if (made !== -EEXIST) this.#check(made, "mkdirat");
      above = join(above, name);
    }
  }

  /**
   * Removes what is in the way; directories only make room for directories, as in docker. What a
   * file is to replace stays until the file is whole.
   */
  #makeRoom(parent: number, name: string, entry: TarEntry): void {
    const existing = statAt(parent, name);
    if (existing === undefined) return;
    const isDirectory = existing.kind === S_IFDIR;
    const wantsDirectory = entry.type === "directory";
    if (isDirectory && wantsDirectory) return;
    if (isDirectory || wantsDirectory) {
      const { shownAs = "" } = this.options;
      const path = `${shownAs.replace(/\/+$/, "")}/${partsOf(toText(entry.path)).join("/")}`;
      const [is, wants] = isDirectory
        ? ["directory", "non-directory"]
        : ["non-directory", "directory"];
      throw new UserError(`cannot overwrite ${is} "${path}" with ${wants} "${shownAs}"`);
    }
    const linksItself = entry.type === "hardlink" &&
      partsOf(entry.link).join("/") === partsOf(entry.path).join("/");
    if (entry.type === "file" || linksItself) return;
    const removed = sys("unlinkat", parent, cBytes(name), 0);
    if (removed !== -ENOENT) this.#check(removed, "unlinkat");
  }

  /** Gives the file that is whole its name, in place of what has it. */
  #place(begun: Begun): void {
    const { name } = begun;
    const parent = this.#parent.raw;
    if (begun.temporary === undefined) {
      const linked = this.#linkTo(cBytes(name));
      if (linked !== -EEXIST) return void this.#check(linked, "linkat");
      const other = temporaryName();
      this.#check(this.#linkTo(other), "linkat");
      begun.temporary = other;
    }
    const { temporary } = begun;
    const moved = sys("renameat2", parent, temporary, parent, cBytes(name), 0);
    // Something is mounted on the file (/etc/hosts): its content is what can be replaced.
    const isMounted = moved === -EBUSY && statAt(parent, name)?.kind === S_IFREG;
    if (!isMounted) return void this.#check(moved, "renameat2");
    this.#writeOver(name);
    sys("unlinkat", parent, temporary, 0);
  }

  /** Gives the file without a name one. */
  #linkTo(name: Uint8Array<ArrayBuffer>): number {
    const self = `/proc/self/fd/${this.#file.raw}`;
    return sys("linkat", AT_FDCWD, self, this.#parent.raw, name, AT_SYMLINK_FOLLOW);
  }

  #writeOver(name: string): void {
    const flags = O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
    const opened = sys("openat", this.#parent.raw, cBytes(name), flags);
    using target = new Fd(this.#check(opened, "openat"));
    const buffer = new Uint8Array(65536);
    for (let at = 0;;) {
      const count = this.#check(
        sys("pread64", this.#file.raw, buffer, buffer.length, at),
        "pread64",
      );
      if (count === 0) return;
      writeAll(target, buffer.subarray(0, count), `write "${toText(this.#entry!.path)}"`);
      at += count;
    }
  }

  #make(parent: number, name: string, path: string, entry: TarEntry): void {
    const bytes = cBytes(name);
    switch (entry.type) {
      case "file": {
        this.#begin(parent, name);
        return;
      }
      case "directory": {
        const made = sys("mkdirat", parent, bytes, 0o700);
        if (made !== -EEXIST) this.#check(made, "mkdirat");
        this.#directories.set(path, entry);
        return;
      }
      case "symlink":
        this.#check(sys("symlinkat", cBytes(entry.link), parent, bytes), "symlinkat");
        return this.#applyAt(parent, name, entry);
      case "hardlink":
        return this.#link(parent, bytes, entry);
      case "character":
      case "block":
      case "fifo": {
        const kind = { character: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO }[entry.type];
        const device = entry.type === "fifo" ? 0 : encodeDevice(entry.devMajor, entry.devMinor);
        this.#check(sys("mknodat", parent, bytes, kind | 0o600, device), "mknodat");
        return this.#applyAt(parent, name, entry);
      }
    }
  }

  #begin(parent: number, name: string): void {
    const flags = O_RDWR | O_CLOEXEC;
    let fd = sys("openat", parent, ".", O_TMPFILE | flags, 0o600);
    let temporary: Begun["temporary"];
    if (WITHOUT_TMPFILE.includes(fd)) {
      temporary = temporaryName();
      fd = sys("openat", parent, temporary, O_CREAT | O_EXCL | O_NOFOLLOW | flags, 0o600);
    }
    this.#file = new Fd(this.#check(fd, "openat"));
    this.#begun = { name, temporary };
    this.#span = this.#spanAt = 0;
  }

  #link(parent: number, name: Uint8Array<ArrayBuffer>, entry: TarEntry): void {
    const target = partsOf(entry.link);
    const last = target.pop() ?? "";
    const directory = openDirectoryIn(this.root.raw, join(this.base, target.join("/")));
    using from = new Fd(this.#check(directory, "openat2"));
    const linked = sys("linkat", from.raw, cBytes(last), parent, name, 0);
    if (linked !== -EEXIST) this.#check(linked, "linkat");
  }

  /** For what cannot be opened for writing: links, devices, pipes. */
  #applyAt(parent: number, name: string, entry: TarEntry): void {
    const flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    const fd = sys("openat", parent, cBytes(name), flags);
    if (fd === -ENOENT) return; // taken away meanwhile
    using node = new Fd(this.#check(fd, "openat"));
    this.#apply(node.raw, entry);
  }

  /** Owner first: changing it takes setuid bits and capabilities away. */
  #apply(fd: number, entry: TarEntry): void {
    const owner = this.options.owner ?? (this.options.owners ? entry : undefined);
    if (owner !== undefined) {
      const result = sys("fchownat", fd, "", owner.uid, owner.gid, AT_EMPTY_PATH);
      if (!(result === -EPERM && this.#uid !== 0)) this.#check(result, "fchownat");
    }
    const self = `/proc/self/fd/${fd}`; // leads to the file itself, whatever its name means now
    if (entry.type !== "symlink") {
      this.#check(sys("fchmodat", AT_FDCWD, self, entry.mode), "fchmodat");
    }
    for (const [key, value] of entry.xattrs) {
      const result = sys("setxattr", self, cBytes(key), value, value.length, 0);
      const tolerated = [-EOPNOTSUPP, -EINVAL, -EPERM].includes(result);
      if (!tolerated) this.#check(result, "setxattr");
    }
    this.#check(sys("utimensat", fd, "", timesOf(entry), AT_EMPTY_PATH), "utimensat");
  }
}

function join(base: string, path: string): string {
  return base === "" ? path : path === "" ? base : `${base}/${path}`;
}

/** Access and modification time for utimensat(2). */
function timesOf({ mtime }: TarEntry): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(32));
  for (const at of [0, 16]) {
    view.setBigInt64(at, BigInt(Math.trunc(mtime.seconds)), true);
    view.setBigInt64(at + 8, BigInt(mtime.nanos), true);
  }
  return new Uint8Array(view.buffer);
}

/** The entry of a file by what lstat tells; type, link and attributes are the caller's to add. */
export function entryOf(stat: Stat, path: string, type: TarEntry["type"]): TarEntry {
  const isDevice = type === "character" || type === "block";
  return {
    path,
    type,
    link: "",
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    size: type === "file" ? stat.size : 0,
    mtime: stat.mtime,
    devMajor: isDevice ? stat.devMajor : 0,
    devMinor: isDevice ? stat.devMinor : 0,
    xattrs: new Map(),
  };
}
