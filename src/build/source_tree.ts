/** What COPY and ADD read: the build context, a stage or an image, never left by a link. */
import { PATH_MAX } from "../../ffi/constants.ts";
import { UserError } from "../base/errors.ts";
import { cleanPath } from "../base/paths.ts";
import { entryOf } from "../engine/tree_writer.ts";
import { lookUp, type MergedDirectory, namesOf } from "../engine/layer_view.ts";
import { locate, type Located } from "../engine/locate.ts";
import { TreeReader } from "../engine/tree_reader.ts";
import { fromText, toText } from "../image/byte_string.ts";
import { Hasher } from "../image/hash.ts";
import { readXattrs } from "../image/metadata.ts";
import { statFd } from "../image/stat.ts";
import type { TarEntry, TarSink } from "../image/tar.ts";
import { Glob } from "./glob.ts";
import type { IgnoreList } from "./ignore.ts";

/** Files to copy from. */
export interface SourceTree {
  /** Directories that lie over one another, topmost first; one for a context. */
  readonly layers: readonly string[];
  /** What is mounted in it belongs to it: a context of the user's. */
  readonly crosses?: boolean;
  readonly ignore?: IgnoreList;
  /** Owner of everything in place of those on the disk; the root itself is as any new directory. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

const isPattern = (name: string): boolean => /[*?[\\]/.test(name);

/** The names of a path without "." and "..", which may not lead above the root: as in docker. */
export function sourceNames(path: string): string[] {
  return cleanPath(path).split("/").filter(Boolean);
}

/** The paths that a source of COPY means, without leading slash, sorted; "" is the root. */
export function matchSources(tree: SourceTree, source: string): string[] {
  let paths = [""];
  const names = sourceNames(source);
  if (!names.some(isPattern)) return [names.join("/")];
  for (const [at, name] of names.entries()) {
    const isLast = at === names.length - 1;
    paths = paths.flatMap((path) => matchIn(tree, path, name, isLast));
  }
  return paths.sort();
}

function matchIn(tree: SourceTree, path: string, name: string, isLast: boolean): string[] {
  const join = (one: string) => path === "" ? one : `${path}/${one}`;
  if (!isPattern(name) && !isLast) return [join(name)];
  using at = locate(tree.layers, fromText(path), tree.crosses);
  if (at.missing.length > 0 || at.leaf !== undefined) return [];
  if (name === "**") {
    const below = directoriesBelow(at.directory, path).map((one) => one === "" ? path : join(one));
    return isLast ? [path] : below;
  }
  const pattern = new Glob(name);
  return namesOf(at.directory).map(toText).filter((one) => pattern.test(one)).map(join)
    .filter((one) => exists(tree, one));
}

/** As long as the kernel takes a path; deeper trees nobody could use. limits.h */

/** Throws UserError for what lies deeper than any path leads. */
function checkDepth(path: string): void {
  if (path.length < PATH_MAX) return;
  throw new UserError(`cannot copy "${path.slice(0, 60)}…": file name too long`);
}

/** All directories below one, and itself as "". `above`: what leads to it. */
function directoriesBelow(directory: MergedDirectory, above: string): string[] {
  checkDepth(above);
  const paths = [""];
  for (const name of namesOf(directory)) {
    const entry = lookUp(directory, name);
    if (entry?.kind !== "directory") continue;
    using below = entry.directory;
    const own = toText(name);
    const found = directoriesBelow(below, `${above}/${own}`);
    paths.push(...found.map((one) => one === "" ? own : `${own}/${one}`));
  }
  return paths;
}

function exists(tree: SourceTree, path: string): boolean {
  using found = openSource(tree, path);
  return found !== undefined;
}

/** A source that is there: links on the way and at its end are followed inside of the tree. */
export function openSource(tree: SourceTree, path: string): Located | undefined {
  const found = locate(tree.layers, fromText(path), tree.crosses);
  const real = realPath(found);
  const isThere = found.missing.length === 0 && !(real !== "" && isHidden(tree, found, real));
  if (isThere) return found;
  found[Symbol.dispose]();
  return undefined;
}

function isHidden({ ignore }: SourceTree, found: Located, real: string): boolean {
  if (ignore === undefined || !ignore.ignores(real)) return false;
  return found.leaf !== undefined || !ignore.mayKeepBelow(real);
}

/** The path of what was located, as text, without leading slash. */
function realPath({ names, leaf }: Located): string {
  return toText([...names, ...(leaf ? [leaf.name] : [])].join("/"));
}

/**
 * Writes what was located, with all below it, as entries: a directory as "" and its content below
 * it, anything else as `name`. `excludes` are patterns of paths below it.
 */
export function readSource(
  tree: SourceTree,
  found: Located,
  name: string,
  sink: TarSink,
  excludes?: IgnoreList,
): void {
  const walk = new Walk(tree, withOwner(sink, tree.owner), excludes);
  if (found.leaf === undefined) walk.directory(found.directory, realPath(found), "");
  else walk.leaf(found.leaf.parent, found.leaf.name, fromText(name));
}

function withOwner(sink: TarSink, owner: SourceTree["owner"]): TarSink {
  if (owner === undefined) return sink;
  return {
    entry: (entry) => sink.entry({ ...entry, ...owner }),
    data: (chunk) => sink.data(chunk),
    end: () => sink.end(),
  };
}

class Walk {
  readonly #reader: TreeReader;
  /** Directories that are ignored themselves: they come only with something in them. */
  #waiting: TarEntry[] = [];

  constructor(
    readonly tree: SourceTree,
    readonly sink: TarSink,
    readonly excludes: IgnoreList | undefined,
  ) {
    this.#reader = new TreeReader(sink);
  }

  leaf(parent: Located["directory"]["layers"][number], name: string, path: string): void {
    this.#release();
    this.#reader.read(parent, name, path);
  }

  /** `real`: its path in the tree; `path`: its path in the entries, a byte string. */
  directory(directory: MergedDirectory, real: string, path: string, kept = true): void {
    checkDepth(real);
    const found = directoryEntry(directory, path);
    const entry = real === "" && this.tree.owner ? { ...found, mode: 0o755 } : found;
    if (kept) {
      this.#release();
      this.#emit(entry);
    } else this.#waiting.push(entry);
    for (const name of namesOf(directory)) {
      const below = real === "" ? toText(name) : `${real}/${toText(name)}`;
      const inside = path === "" ? name : `${path}/${name}`;
      const isKept = !this.#ignores(below, toText(inside));
      if (!isKept && !this.#mayKeepBelow(below, toText(inside))) continue;
      const found = lookUp(directory, name);
      if (found === undefined) continue;
      if (found.kind === "directory") {
        using child = found.directory;
        this.directory(child, below, inside, isKept);
      } else if (isKept) this.leaf(found.parent, name, inside);
    }
    if (!kept) this.#waiting = this.#waiting.filter((one) => one !== entry);
  }

  #ignores(real: string, inside: string): boolean {
    return this.tree.ignore?.ignores(real) === true || this.excludes?.ignores(inside) === true;
  }

  #mayKeepBelow(real: string, inside: string): boolean {
    const byContext = this.tree.ignore?.ignores(real) !== true ||
      this.tree.ignore.mayKeepBelow(real);
    const byFlag = this.excludes?.ignores(inside) !== true || this.excludes.mayKeepBelow(inside);
    return byContext && byFlag;
  }

  #release(): void {
    for (const entry of this.#waiting.splice(0)) this.#emit(entry);
  }

  #emit(entry: TarEntry): void {
    this.sink.entry(entry);
    this.sink.end();
  }
}

/** The entry of a directory as the topmost layer has it. */
export function directoryEntry({ layers: [top] }: MergedDirectory, path: string): TarEntry {
  const entry = entryOf(statFd(top.raw), `${path}/`, "directory");
  entry.xattrs = readXattrs(top.raw);
  return entry;
}

/** Adds up everything of entries but their times. */
export class DigestSink implements TarSink {
  constructor(readonly hasher: Hasher) {}

  entry({ mtime: _, sparse: __, xattrs, ...entry }: TarEntry): void {
    const attributes = [...xattrs].map(([name, value]) => [name, [...value]]).sort();
    this.hasher.update(new TextEncoder().encode(JSON.stringify([entry, attributes]) + "\n"));
  }

  data(chunk: Uint8Array<ArrayBuffer>): void {
    this.hasher.update(chunk);
  }

  end(): void {}
}
