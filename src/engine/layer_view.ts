/**
 * The layers of an image read as overlayfs would show them, without mounting anything: the
 * topmost layer that has a name wins, directories are merged, whiteouts hide what is below.
 * Every directory is entered by its descriptor, no link is followed by the kernel, and no mount
 * point is crossed but where it is said. Source: Linux, Documentation/filesystems/overlayfs.rst.
 */
import {
  MAX_LINKS,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  S_IFDIR,
  S_IFLNK,
} from "../../ffi/constants.ts";
import { EACCES, ELOOP, EXDEV, SyscallError } from "../../ffi/errno.ts";
import { Fd, openAt, openHow } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { byteString, cBytes, fromText, toText } from "../image/byte_string.ts";
import { namesIn, type Stat, statAt } from "../image/stat.ts";
import { hasMarkFile, isMarkFile, isOpaque, isWhiteout } from "../image/whiteout.ts";

/** The same directory in the layers that have it, topmost first. None: a mount point's stub. */
export class MergedDirectory implements Disposable {
  /** `crosses`: what is mounted below belongs to it. */
  constructor(readonly layers: readonly Fd[], readonly crosses = false) {}
  [Symbol.dispose](): void {
    for (const layer of this.layers) layer[Symbol.dispose]();
  }
}

/** What a name is in a merged directory. */
export type Found =
  | { kind: "directory"; directory: MergedDirectory }
  /** Anything else: `parent` is the directory of the layer that has it. */
  | { kind: "other"; parent: Fd; stat: Stat };

/** Opens the roots of the layers. */
export function openLayers(paths: readonly string[], crosses = false): MergedDirectory {
  using undo = new DisposableStack();
  const flags = O_RDONLY | O_DIRECTORY;
  const layers = paths.map((path) => undo.use(openAt(null, path, flags)));
  undo.move();
  return new MergedDirectory(layers, crosses);
}

const FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
const WITHIN = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
const CROSSING = openHow(FLAGS, 0, WITHIN);
const STAYING = openHow(FLAGS, 0, WITHIN | RESOLVE_NO_XDEV);

/**
 * The directory `name` of a layer; undefined where another file system is mounted there, or where
 * we may not look: an ordinary user in the machine's own root.
 */
function enter(layer: Fd, name: string, crosses: boolean): Fd | undefined {
  const how = crosses ? CROSSING : STAYING;
  const fd = sys("openat2", layer.raw, cBytes(name), how, 24);
  if (fd === -EXDEV || fd === -EACCES) return undefined;
  if (fd < 0) throw new SyscallError("openat2", -fd, `open "${toText(name)}" of a layer`);
  return new Fd(fd);
}

/** Looks `name` (a byte string) up; undefined when the layers don't show it. */
export function lookUp(directory: MergedDirectory, name: string): Found | undefined {
  using undo = new DisposableStack();
  const merged: Fd[] = [];
  let isDirectory = false;
  for (const layer of directory.layers) {
    const stat = statAt(layer.raw, name);
    if (stat === undefined) {
      if (hasMarkFile(layer.raw, name)) break;
      continue;
    }
    if (isMarkFile(name, stat)) continue;
    if (isWhiteout(stat)) break;
    if (stat.kind !== S_IFDIR) {
      if (!isDirectory) return { kind: "other", parent: layer, stat };
      break; // a directory above hides it
    }
    isDirectory = true;
    const entered = enter(layer, name, directory.crosses);
    if (entered === undefined) break;
    merged.push(undo.use(entered));
    if (isOpaque(entered.raw)) break;
  }
  if (!isDirectory) return undefined;
  undo.move();
  return { kind: "directory", directory: new MergedDirectory(merged, directory.crosses) };
}

/** The names in a merged directory, sorted; some may turn out to be hidden by lookUp(). */
export function namesOf(directory: MergedDirectory): string[] {
  const names = new Set<string>();
  for (const layer of directory.layers) {
    for (const name of namesIn(layer.raw)) names.add(name);
  }
  return [...names].sort();
}

/** The target of a link, as a byte string. */
export function readLinkAt(parent: Fd, name: string): string {
  const buffer = new Uint8Array(4096);
  const length = sys("readlinkat", parent.raw, cBytes(name), buffer, buffer.length);
  if (length < 0) throw new SyscallError("readlinkat", -length, `read link "${toText(name)}"`);
  return byteString(buffer, 0, length);
}

/**
 * The directory at an absolute path inside the layers; links lead where they would in a
 * container. Undefined when there is none. Throws SyscallError ELOOP for links without an end.
 */
export function resolveDirectory(
  layers: readonly string[],
  path: string,
): MergedDirectory | undefined {
  let todo = fromText(path).split("/");
  for (let links = 0; links <= MAX_LINKS; links++) {
    const outcome = walk(layers, todo);
    if (!Array.isArray(outcome)) return outcome;
    todo = outcome;
  }
  throw new SyscallError("openat", ELOOP, `open "${path}" of an image`);
}

/** Walks to a directory; the path to try instead when a link was met. */
function walk(
  paths: readonly string[],
  parts: readonly string[],
): MergedDirectory | undefined | string[] {
  const walked: string[] = [];
  using opened = new DisposableStack();
  const stack = [opened.use(openLayers(paths))];
  for (let i = 0; i < parts.length; i++) {
    const name = parts[i];
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (stack.length > 1) stack.pop();
      walked.pop();
      continue;
    }
    const found = lookUp(stack[stack.length - 1], name);
    if (found === undefined) return undefined;
    if (found.kind === "directory") {
      stack.push(opened.use(found.directory));
      walked.push(name);
      continue;
    }
    if (found.stat.kind !== S_IFLNK) return undefined;
    const target = readLinkAt(found.parent, name);
    const start = target.startsWith("/") ? [] : walked;
    return [...start, ...target.split("/"), ...parts.slice(i + 1)];
  }
  return duplicate(stack[stack.length - 1]);
}

function duplicate(directory: MergedDirectory): MergedDirectory {
  return new MergedDirectory(
    directory.layers.map((layer) => layer.duplicate()),
    directory.crosses,
  );
}
