/** What a container changed of its image's files: its own layer compared with those below. */
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  S_IFDIR,
} from "../../ffi/constants.ts";
import { ENOENT, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { cBytes, fromText, toText } from "../image/byte_string.ts";
import { namesIn, type Stat, statAt, statFd } from "../image/stat.ts";
import { isOpaque, isWhiteout, markOf, WHITEOUT_PREFIX } from "../image/whiteout.ts";
import type { RootDocument } from "./container_documents.ts";
import { hasOwnRoot, rootDocument, writtenTree } from "./foundation.ts";
import { lookUp, type MergedDirectory, namesOf, openLayers } from "./layer_view.ts";
import type { ContainerRecord } from "./types.ts";

/** One line of `diff`: added, changed, deleted. */
export interface Change {
  readonly kind: "A" | "C" | "D";
  /** Absolute, inside the container. */
  readonly path: string;
}

/** What a start puts into every container; nothing of it is the container's own doing. */
const ENGINE_PATHS = [
  "/dev",
  "/proc",
  "/sys",
  "/etc/hosts",
  "/etc/hostname",
  "/etc/resolv.conf",
  "/etc/localtime",
  "/etc/mtab",
  "/sbin/docker-init",
  "/.dockerenv",
];

/**
 * The changes of a container, sorted by path; mount points are not among them. Throws UserError
 * for a container that writes into a directory of the host, which nobody can compare.
 */
export function containerChanges(record: ContainerRecord): Change[] {
  if (hasOwnRoot(record)) {
    const { RootfsDir } = record.HostConfig.Diplodock!;
    throw new UserError(
      `Cannot tell what container ${record.Name.slice(1)} changed: its root is the directory ` +
        `"${RootfsDir}" itself`,
    );
  }
  const { layers, shifted, storage, pieces } = rootDocument(record.Id);
  const upper = sys("openat", AT_FDCWD, writtenTree(record.Id, storage), DIRECTORY);
  if (upper === -ENOENT) return []; // never started
  using top = new Fd(checked(upper, "/"));
  using lower = openLayers(shifted ?? layers, pieces !== undefined);
  const mounts = record.Mounts.map(({ Destination }) => Destination);
  const comparison = new Comparison([...mounts, ...ENGINE_PATHS], { storage, pieces });
  comparison.directory(top, lower, "");
  return comparison.changes.sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

function checked(result: number, path: string): number {
  if (result >= 0) return result;
  throw new SyscallError("openat", -result, `look at "${toText(path)}" of a container`);
}

/** Walks both trees at once. */
class Comparison {
  readonly changes: Change[] = [];
  readonly #mounts: ReadonlySet<string>;
  /** Directories that a start makes on the way to a mount point. */
  readonly #onTheWay = new Set<string>();

  /** A copy has all files: those that are as in the layers are not changes. */
  constructor(
    mounts: readonly string[],
    readonly root: Pick<RootDocument, "storage" | "pieces">,
  ) {
    this.#mounts = new Set(mounts.map(fromText));
    for (const mount of this.#mounts) {
      for (let at = mount.lastIndexOf("/"); at > 0; at = mount.lastIndexOf("/", at - 1)) {
        this.#onTheWay.add(mount.slice(0, at));
      }
    }
  }

  /** The changes below one directory of the upper layer. */
  directory(upper: Fd, lower: MergedDirectory | undefined, path: string): void {
    const names = namesIn(upper.raw);
    for (const name of names) {
      const inside = `${path}/${name}`;
      const stat = statAt(upper.raw, name);
      if (stat === undefined || this.#mounts.has(inside)) continue;
      if (this.root.storage === "fuse" && name.startsWith(WHITEOUT_PREFIX)) {
        // Where it cannot make overlayfs's marks, it has its own: as archives of layers.
        const mark = markOf(name);
        if (mark.kind === "whiteout") this.#note("D", `${path}/${mark.name}`);
        continue;
      }
      if (isWhiteout(stat)) this.#note("D", inside);
      else this.#entry(upper, name, stat, lower, inside);
    }
    if (lower === undefined) return;
    const hides = this.root.storage === "copy" || (path !== "" && isOpaque(upper.raw));
    const copied = this.root.pieces?.[toText(path)];
    if (hides) this.#hidden(lower, namesOf(lower), new Set(names), path);
    else if (copied) this.#hidden(lower, copied.map(fromText), new Set(names), path);
  }

  #entry(
    upper: Fd,
    name: string,
    stat: Stat,
    lower: MergedDirectory | undefined,
    path: string,
  ): void {
    const found = lower === undefined ? undefined : lookUp(lower, name);
    using below = found?.kind === "directory" ? found.directory : undefined;
    if (stat.kind !== S_IFDIR) {
      const isAsBefore = found?.kind === "other" &&
        (this.root.storage === "copy" && isSame(stat, found.stat) ||
          this.#isByEngine(path) && isCopyOf(stat, found.stat));
      if (!isAsBefore) this.#note(found === undefined ? "A" : "C", path);
      return;
    }
    const opened = sys("openat", upper.raw, cBytes(name), DIRECTORY);
    if (opened === -ENOENT) return; // gone meanwhile
    using directory = new Fd(checked(opened, path));
    const before = this.changes.length;
    this.directory(directory, below, path);
    // A directory is in the upper layer also when only something in it changed.
    const isTouched = this.changes.length > before || found === undefined ||
      below === undefined || differs(stat, below, this.#isByEngine(path));
    const isByMount = this.#onTheWay.has(path) && this.changes.length === before &&
      (found === undefined || below !== undefined);
    if (isTouched && !isByMount) this.#note(found === undefined ? "A" : "C", path);
  }

  /** Whether a start makes what is in its directory: see host_layer.ts. */
  #isByEngine(path: string): boolean {
    const { pieces } = this.root;
    return pieces !== undefined && toText(path.slice(0, path.lastIndexOf("/"))) in pieces;
  }

  /** An opaque directory replaced one of the same name, and a copy has no marks: what is gone. */
  #hidden(
    lower: MergedDirectory,
    names: readonly string[],
    kept: ReadonlySet<string>,
    path: string,
  ): void {
    for (const name of names) {
      if (kept.has(name)) continue;
      const found = lookUp(lower, name);
      if (found === undefined) continue;
      if (found.kind === "directory") found.directory[Symbol.dispose]();
      if (!this.#mounts.has(`${path}/${name}`)) this.#note("D", `${path}/${name}`);
    }
  }

  #note(kind: Change["kind"], path: string): void {
    this.changes.push({ kind, path: toText(path) });
  }
}

/** The engine's own directories have neither the owner nor the time of those they stand for. */
function differs(stat: Stat, lower: MergedDirectory, isByEngine: boolean): boolean {
  const [top] = lower.layers;
  if (top === undefined) return false;
  const before = statFd(top.raw);
  return isByEngine ? stat.mode !== before.mode : !hasSameRights(stat, before);
}

function hasSameRights(a: Stat, b: Stat): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid &&
    a.mtime.seconds === b.mtime.seconds && a.mtime.nanos === b.mtime.nanos;
}

/** Whether a file of a copy is as it was: by what writing to it changes, as docker has it. */
function isSame(copy: Stat, original: Stat): boolean {
  return copy.kind === original.kind && copy.size === original.size &&
    hasSameRights(copy, original);
}

/**
 * Whether a file is as the engine (host_pieces.ts) made it from `original`: its owner is root, and one that could
 * not be read is empty.
 */
function isCopyOf(copy: Stat, original: Stat): boolean {
  return copy.kind === original.kind && copy.uid === 0 && copy.gid === 0 &&
    (copy.size === original.size || copy.size === 0) && copy.mode === original.mode &&
    copy.mtime.seconds === original.mtime.seconds && copy.mtime.nanos === original.mtime.nanos;
}
