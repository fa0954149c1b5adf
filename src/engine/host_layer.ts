/**
 * The machine's own root as an image, in a user namespace. There the mounts below "/" are locked to
 * it, so that overlayfs may not take "/" as a layer, which would show what they cover
 * (mount_namespaces(7)). It may take each directory that has no mounts below: so the container's
 * root is an empty directory, and over each of these lies an overlay whose upper directory is the
 * one it would be in a single overlay. A directory that has mounts below is put together in the same
 * way, from copies of its own files; where these are many, it is bound read-only.
 */
import { isAbsent, makeDirectories } from "../base/files.ts";
import { mountPoints } from "../base/mount_points.ts";
import { containerDirectory } from "../base/places.ts";
import type { OverlayRoot, SpecMount } from "../runtime/spec_types.ts";
import { writeRoot } from "./container_documents.ts";
import { rootDocument } from "./foundation.ts";
import { copyFiles, isSmall } from "./host_pieces.ts";

/** Directories of the kernel's, which every container gets new, and what is of the boot alone. */
const NEW_ONES = new Set(["proc", "sys", "dev", "run"]);

/** A name in a directory of the machine. */
export interface HostEntry {
  readonly name: string;
  readonly kind: "directory" | "file" | "link" | "other";
}

/** How it comes into the container. */
export interface HostPart {
  readonly kind: "overlay" | "bind" | "empty" | "pieces" | "file" | "link";
  readonly name: string;
}

/** Sorts the entries of a directory ("" is the root); files in "/" itself are left out. Pure. */
export function planHostParts(
  directory: string,
  entries: readonly HostEntry[],
  mounted: readonly string[],
): HostPart[] {
  const isTop = directory === "";
  return entries.flatMap(({ name, kind }): HostPart[] => {
    const path = `${directory}/${name}`;
    if (kind === "link" || (kind === "file" && !isTop)) return [{ kind, name }];
    if (kind !== "directory" || name === "lost+found") return [];
    if (isTop && NEW_ONES.has(name)) return [{ kind: "empty", name }];
    // Of file systems deeper down not every one may be a layer of an overlay.
    if (!isTop && mounted.includes(path)) return [{ kind: "bind", name }];
    const below = mounted.some((other) => other.startsWith(`${path}/`));
    if (!below) return [{ kind: "overlay", name }];
    // What others put there is of no use.
    return [{ kind: path === "/tmp" ? "empty" : "pieces", name }];
  });
}

/** The root's overlay, and what is mounted on it before everything else. */
export interface HostRoot {
  readonly overlay: OverlayRoot;
  readonly mounts: readonly SpecMount[];
}

/** Makes the directories of a container of `host` and says what is to be mounted. */
export function hostRoot(id: string, overlay: OverlayRoot): HostRoot {
  const directory = containerDirectory(id);
  const empty = `${directory}/empty`, works = `${directory}/works`;
  for (const path of [empty, works]) makeDirectories(path, 0o755);
  const root = rootDocument(id);
  const assembly = new Assembly(id, overlay, works, mountPoints(), { ...root.pieces });
  assembly.directory("");
  writeRoot(id, { ...root, pieces: assembly.pieces });
  return { overlay: { ...overlay, lower: [empty] }, mounts: assembly.mounts };
}

/** Goes through the machine's directories as far as something is mounted below. */
class Assembly {
  readonly mounts: SpecMount[] = [];

  constructor(
    readonly id: string,
    readonly overlay: OverlayRoot,
    readonly works: string,
    readonly mounted: readonly string[],
    readonly pieces: Record<string, readonly string[]>,
  ) {}

  /** Files and links are copied once, so that one which the container removes stays away. */
  directory(path: string): void {
    const parts = planHostParts(path, entriesOf(`${path}/`), this.mounted);
    const own = parts.filter(({ kind }) => kind === "file" || kind === "link");
    const names = own.map(({ name }) => name);
    const unreadable = copyFiles(this.id, path, names, this.pieces[path] === undefined);
    this.pieces[path] ??= names;
    for (const { name, kind } of parts) {
      if (kind !== "file" && kind !== "link") this.#part(`${path}/${name}`, kind);
    }
    for (const name of unreadable) this.#bind(`${path}/${name}`);
  }

  #part(path: string, kind: Exclude<HostPart["kind"], "file" | "link">): void {
    const upper = `${this.overlay.upper}${path}`;
    // The container may have put a file or a link in its place: then that is what it has.
    if (!makeDirectoryLike(upper, path)) return;
    switch (kind) {
      case "empty":
        return;
      case "bind":
        return this.#bind(path);
      case "pieces":
        return isSmall(path) ? this.directory(path) : this.#bind(path);
      case "overlay": {
        const work = `${this.works}/${path.slice(1).replaceAll("/", ":")}`;
        makeDirectories(work);
        const lower = path.replace(/[\\:]/g, "\\$&");
        const options = [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`, "userxattr"];
        this.mounts.push({ destination: path, type: "overlay", source: "overlay", options });
      }
    }
  }

  #bind(path: string): void {
    this.mounts.push(readonlyBind(path));
  }
}

/** A path of the machine as it is. */
export function readonlyBind(path: string): SpecMount {
  const options = ["rbind", "rprivate", "ro", "rro"];
  return { destination: path, type: "bind", source: path, options };
}

function entriesOf(path: string): HostEntry[] {
  return Array.from(Deno.readDirSync(path), ({ name, isDirectory, isSymlink, isFile }) => ({
    name,
    kind: isDirectory ? "directory" : isSymlink ? "link" : isFile ? "file" : "other",
  }));
}

/** Whether there is a directory now; a new one has the rights of `like`. No link is followed. */
function makeDirectoryLike(path: string, like: string): boolean {
  try {
    Deno.mkdirSync(path);
    Deno.chmodSync(path, (Deno.statSync(like).mode ?? 0o755) & 0o7777);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return Deno.lstatSync(path).isDirectory;
    if (isAbsent(error)) return false;
    throw error;
  }
}
