/** COPY and ADD: what their words mean, what identifies it, and the layer that it makes. */
import { UserError } from "../base/errors.ts";
import { cleanPath } from "../base/paths.ts";
import { fromText, toText } from "../image/byte_string.ts";
import type { Digest } from "../image/digest.ts";
import { expectMuch, Hasher } from "../image/hash.ts";
import { isAddress } from "../image/fetched_archive.ts";
import { readRange } from "../image/incoming.ts";
import { joinWorkdir } from "../image/instruction_parts.ts";
import type { Session } from "../image/session.ts";
import { ownerIn } from "../engine/file_owner.ts";
import { addedArchive, download, type Downloaded, fetchedArchive } from "./add_sources.ts";
import { unpackInto } from "./archives.ts";
import { LayerWriter } from "./copy_layer.ts";
import { fileMode } from "./file_mode.ts";
import { fetchGit, type GitAddress, parseGit, withoutPassword } from "./git_source.ts";
import { IgnoreList } from "./ignore.ts";
import type { CopyInstruction } from "./instruction.ts";
import {
  DigestSink,
  matchSources,
  openSource,
  readSource,
  sourceNames,
  type SourceTree,
} from "./source_tree.ts";
import type { BuiltLayer } from "./stage_state.ts";

/** One thing to be copied, found. */
export type CopyPart =
  | {
    readonly kind: "path";
    readonly path: string;
    readonly under?: string;
    /** Where it is, if not in the tree of the others. */
    readonly tree?: SourceTree;
  }
  | { readonly kind: "text"; readonly name: string; readonly text: string }
  | { readonly kind: "download"; readonly file: Downloaded };

/** A COPY or ADD with its variables replaced and its sources found. */
export interface CopyWish {
  readonly kind: CopyInstruction["kind"];
  readonly tree: SourceTree;
  readonly parts: readonly CopyPart[];
  /** As written, with its last slash. */
  readonly target: string;
  readonly workdir: string | undefined;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  /** What is done with archives, where it is not what ADD does: unpack those of the context. */
  readonly unpack?: boolean;
  readonly excludes?: IgnoreList;
}

/** Finds the sources of an instruction whose words are expanded. Throws UserError. */
export async function planCopy(
  session: Session,
  { kind, flags }: CopyInstruction,
  words: {
    readonly sources: readonly string[];
    readonly texts: ReadonlyMap<string, string>;
    readonly target: string;
    readonly signal: AbortSignal;
  },
  rest: Pick<CopyWish, "tree" | "workdir" | "chown" | "chmod">,
): Promise<CopyWish> {
  const parts: CopyPart[] = [];
  for (const source of words.sources) {
    const text = words.texts.get(source);
    const git = kind === "add" && text === undefined ? parseGit(source) : undefined;
    if (text !== undefined) {
      const name = source.replace(/^\d*<<-?/, "").replace(/^(["'])(.*)\1$/, "$2");
      parts.push({ kind: "text", name, text });
    } else if (git !== undefined) {
      parts.push(await gitPart(session, git, flags, words.signal));
    } else if (kind === "add" && isAddress(source)) {
      const how = { ...(flags.checksum && { checksum: flags.checksum }), signal: words.signal };
      parts.push({ kind: "download", file: await download(session, source, how) });
    } else if (kind === "copy" && isAddress(source)) {
      throw new UserError("source can't be a URL for COPY");
    } else parts.push(...pathParts(rest.tree, source, flags.parents === true));
  }
  const isHere = (part: CopyPart) =>
    part.kind === "text" || (part.kind === "path" && part.tree === undefined);
  if (flags.checksum !== undefined && parts.some(isHere)) {
    throw new UserError("checksum can't be specified for non-HTTP(S) & non-Git sources");
  }
  if (words.sources.length > 1 && !endsAsDirectory(words.target)) {
    throw new UserError(
      `When using ${kind.toUpperCase()} with more than one source file, the destination must ` +
        `be a directory and end with a /`,
    );
  }
  return {
    kind,
    parts,
    target: words.target,
    link: flags.link === true,
    ...(flags.unpack !== undefined && { unpack: flags.unpack }),
    ...(flags.exclude && { excludes: new IgnoreList(flags.exclude) }),
    ...rest,
  };
}

/** A repository is copied as a directory of the context is: what is in it. */
async function gitPart(
  session: Session,
  git: GitAddress,
  { checksum, "keep-git-dir": keep = false }: CopyInstruction["flags"],
  signal: AbortSignal,
): Promise<CopyPart> {
  const { directory, commit } = await fetchGit(session, git, { keepGitDirectory: keep, signal });
  if (checksum !== undefined && !(/^[0-9a-f]{7,}$/.test(checksum) && commit.startsWith(checksum))) {
    throw new UserError(
      `digest mismatch ${withoutPassword(git.remote)}: ${commit} (expected: ${checksum})`,
    );
  }
  const tree = { layers: [directory], owner: { uid: 0, gid: 0 } };
  return { kind: "path", path: sourceNames(git.subdirectory).join("/"), tree };
}

function pathParts(tree: SourceTree, source: string, parents: boolean): CopyPart[] {
  const paths = matchSources(tree, source);
  if (paths.length === 0) throw notFound(source);
  const pivot = source.indexOf("/./");
  return paths.map((path) => {
    if (!parents) return { kind: "path", path };
    const skipped = pivot < 0 ? 0 : sourceNames(source.slice(0, pivot)).length;
    const under = path.split("/").slice(skipped, -1).join("/");
    return { kind: "path", path, under };
  });
}

function notFound(source: string): UserError {
  const path = cleanPath(source);
  return new UserError(
    `failed to compute cache key: failed to calculate checksum of ref: "${path}": not found`,
  );
}

const endsAsDirectory = (path: string): boolean => /(?:^|\/)\.?$/.test(path);

/** The digest of all that is copied: names, owners, modes and bytes, not times. */
export async function copyDigest(wish: CopyWish): Promise<Digest> {
  await expectMuch();
  const hasher = new Hasher();
  const note = (value: unknown) =>
    hasher.update(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  for (const part of wish.parts) {
    if (part.kind === "text") note([part.name, part.text]);
    else if (part.kind === "download") note([part.file.name, part.file.digest, part.file.mtime]);
    else {
      const { tree = wish.tree } = part;
      using found = openSource(tree, part.path);
      if (found === undefined) throw notFound(part.path);
      note([part.path.split("/").at(-1), part.under]);
      readSource(tree, found, "", new DigestSink(hasher), wish.excludes);
    }
  }
  return hasher.digest();
}

/** Makes the layer. `layers`: those below, topmost first. undefined: it changes nothing. */
export async function copyStep(
  session: Session,
  wish: CopyWish,
  layers: readonly string[],
): Promise<BuiltLayer | undefined> {
  const { chown, chmod } = wish;
  const mode = chmod === undefined ? undefined : fileMode(chmod);
  using writer = new LayerWriter(session, wish.link ? [] : layers, {
    ...(chown !== undefined && { owner: ownerIn(layers, chown) }),
    ...(mode !== undefined && { mode }),
  });
  const place = new Place(writer, wish);
  for (const part of wish.parts) {
    if (part.kind === "text") {
      const text = new TextEncoder().encode(part.text);
      place.file(part.name, [text], text.length, 0o644);
    } else if (part.kind === "download") await addDownload(writer, place, wish, part.file);
    else await copyPath(writer, place, wish, part);
  }
  return writer.keep();
}

async function addDownload(
  writer: LayerWriter,
  place: Place,
  wish: CopyWish,
  file: Downloaded,
): Promise<void> {
  const archive = wish.unpack ? await fetchedArchive(file) : undefined;
  if (archive !== undefined) {
    return await unpackInto(archive, writer.unpacked(place.directory()));
  }
  const { name, address, path, size, mtime } = file;
  if (name === "" && endsAsDirectory(wish.target)) {
    throw new UserError(`cannot determine filename for source: ${address}`);
  }
  place.file(name, readRange({ path, offset: 0, size }), size, 0o600, mtime);
}

async function copyPath(
  writer: LayerWriter,
  place: Place,
  wish: CopyWish,
  part: CopyPart & { kind: "path" },
): Promise<void> {
  const { excludes } = wish, { tree = wish.tree } = part;
  using found = openSource(tree, part.path);
  if (found === undefined) throw notFound(part.path);
  if (found.leaf === undefined) {
    const name = part.under === undefined ? undefined : part.path;
    const { root, isNew } = place.content(part.under, name);
    return readSource(tree, found, "", writer.below(root, isNew), excludes);
  }
  const archive = wish.kind === "add" && wish.unpack !== false
    ? await addedArchive(found)
    : undefined;
  if (archive !== undefined) {
    const root = place.directory();
    return await unpackInto(archive, writer.unpacked(root));
  }
  const name = part.path.split("/").at(-1)!;
  if (excludes?.ignores(name)) return;
  const { root, name: own } = place.single(name, part.under);
  readSource(tree, found, own, writer.below(root));
}

/** Where things go below the target. */
class Place {
  readonly #target: string;
  readonly #isDirectory: boolean;

  constructor(readonly writer: LayerWriter, { target, workdir, parts }: CopyWish) {
    this.#target = joinWorkdir(workdir, target);
    this.#isDirectory = endsAsDirectory(target) || parts.length > 1;
  }

  /** The target as a directory. */
  directory(under = ""): string {
    const { path, kind } = this.writer.find(`${this.#target}/${under}`);
    if (kind === "other") throw new UserError(`cannot copy to non-directory: ${this.#target}`);
    this.writer.directory(path);
    return path;
  }

  /** Where the content of a directory goes. */
  content(under: string | undefined, name: string | undefined): { root: string; isNew: boolean } {
    if (under !== undefined) {
      const above = this.directory(under);
      const own = fromText(name!.split("/").at(-1)!);
      return { root: [above, own].filter(Boolean).join("/"), isNew: true };
    }
    const { path, kind } = this.writer.find(this.#target);
    if (kind === "other") throw new UserError(`cannot copy to non-directory: ${this.#target}`);
    const isNew = kind === undefined && !this.#isDirectory;
    if (!isNew) this.writer.directory(path);
    return { root: path, isNew };
  }

  /** Where a single file goes, and its name there. */
  single(name: string, under?: string): { root: string; name: string } {
    if (under !== undefined) return { root: this.directory(under), name };
    const { path, kind } = this.writer.find(this.#target);
    if (this.#isDirectory || kind === "directory") return { root: this.directory(), name };
    const slash = path.lastIndexOf("/");
    return { root: path.slice(0, Math.max(slash, 0)), name: toText(path.slice(slash + 1)) };
  }

  file(
    name: string,
    content: Iterable<Uint8Array<ArrayBuffer>>,
    size: number,
    mode: number,
    mtime?: number,
  ): void {
    const { root, name: own } = this.single(name);
    this.writer.directory(root);
    const path = [root, fromText(own)].filter(Boolean).join("/");
    const time = mtime === undefined ? {} : { mtime: { seconds: mtime, nanos: 0 } };
    this.writer.file(path, content, { size, mode, ...time });
  }
}
