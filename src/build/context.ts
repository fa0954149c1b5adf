/** The build context: a directory, or an archive that is unpacked; with its Dockerfile. */
import { messageOf, UserError } from "../base/errors.ts";
import { TreeWriter } from "../engine/tree_writer.ts";
import { openDirectory } from "../../ffi/fd.ts";
import { readIfThere } from "../base/files.ts";
import { decompress } from "../image/compression.ts";
import { MAX_TEXT_BYTES, readLayeredFile, readRegularFile } from "../engine/root_files.ts";
import { isAddress } from "../image/fetched_archive.ts";
import type { Session } from "../image/session.ts";
import { isThere } from "../image/store.ts";
import { BLOCK } from "../image/tar_header.ts";
import { atLeast, isArchive, unpackInto } from "./archives.ts";
import { fetchGit, type GitAddress, parseGit, withoutPassword } from "./git_source.ts";
import { ignoreLines, IgnoreList } from "./ignore.ts";
import type { SourceTree } from "./source_tree.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What the user named as context and Dockerfile. */
export interface ContextWish {
  /** A directory, "-", or the address of an archive or a git repository. */
  readonly context: string;
  /** `-f`: a path here, in an archive a path in it; "-"; undefined: the default. */
  readonly file?: string;
  readonly stdin: () => AsyncIterable<Bytes>;
}

/** A context and its Dockerfile. */
export interface OpenedContext {
  readonly tree: SourceTree;
  /** How the Dockerfile is called in messages. */
  readonly name: string;
  readonly text: string;
}

/** Nobody's: what docker's client sends has no owners. */
const ROOT = { uid: 0, gid: 0 };
const DEFAULT_NAME = "Dockerfile";

/** Opens what the user named. Throws UserError with docker's texts. */
export async function openContext(
  session: Session,
  wish: ContextWish,
  { keepGitDirectory = false, signal }: {
    /** `.git` of a repository is part of the context. */
    readonly keepGitDirectory?: boolean;
    readonly signal: AbortSignal;
  },
): Promise<OpenedContext> {
  const { context, file } = wish;
  if (context === "-") {
    if (file === "-") {
      throw new UserError(
        "invalid argument: can't use stdin for both build context and dockerfile",
      );
    }
    return await streamContext(session, wish.stdin(), file);
  }
  const git = isThere(context) ? undefined : parseGit(context);
  if (git !== undefined) {
    const { directory } = await fetchGit(session, git, { keepGitDirectory, signal });
    return unpackedContext(subdirectory(directory, git), file);
  }
  if (isAddress(context)) {
    return await streamContext(session, await downloaded(context), file);
  }
  return await directoryContext(context, file, wish);
}

/** A directory of a repository that no link of it leads out of. Throws UserError. */
function subdirectory(directory: string, { remote, subdirectory }: GitAddress): string {
  const shown = `git repository ${withoutPassword(remote)}`;
  const path = realDirectory(`${directory}/${subdirectory}`, (why) => `${shown}: ${why}`);
  const top = Deno.realPathSync(directory);
  if (path === top || path.startsWith(`${top}/`)) return path;
  throw new UserError(`${shown}: "${subdirectory}" leads out of it`);
}

/** The files of a repository. Throws UserError. */
export async function gitTree(
  session: Session,
  git: GitAddress,
  signal: AbortSignal,
): Promise<SourceTree> {
  const { directory } = await fetchGit(session, git, { keepGitDirectory: false, signal });
  return unpackedTree(subdirectory(directory, git));
}

async function downloaded(address: string): Promise<AsyncIterable<Bytes>> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch (error) {
    throw new UserError(`failed to download "${address}": ${(error as Error).message}`);
  }
  if (response.ok && response.body !== null) return response.body;
  await response.body?.cancel();
  throw new UserError(`failed to download "${address}": status ${response.status}`);
}

/** A directory of this machine as a source of COPY. Throws UserError. */
export function directoryTree(directory: string, what: string): SourceTree {
  const path = realDirectory(directory, (why) => `failed to get build ${what}: ${why}`);
  return localTree(path, readLayeredFile([path], ".dockerignore"));
}

function localTree(path: string, ignore: string): SourceTree {
  const list = new IgnoreList(ignoreLines(ignore));
  return { layers: [path], crosses: true, owner: ROOT, ...(!list.isEmpty && { ignore: list }) };
}

/** The files of an archive that an address leads to. Throws UserError. */
export async function archiveTree(session: Session, address: string): Promise<SourceTree> {
  const { directory, text } = await unpackStream(session, await downloaded(address));
  if (text !== undefined) throw new UserError(`${address} is no tar archive`);
  return unpackedTree(directory);
}

function unpackedTree(directory: string, ignore = textIn(directory, ".dockerignore")): SourceTree {
  const list = new IgnoreList(ignoreLines(ignore ?? ""));
  return { layers: [directory], owner: ROOT, ...(!list.isEmpty && { ignore: list }) };
}

/** A directory without links on the way to it. `refuse`: the error's text with the reason. */
function realDirectory(directory: string, refuse: (why: string) => string): string {
  let path: string;
  try {
    path = Deno.realPathSync(directory);
  } catch {
    throw new UserError(refuse(`path "${directory}" not found`));
  }
  if (Deno.statSync(path).isDirectory) return path;
  throw new UserError(refuse(`path "${directory}" is not a directory`));
}

async function directoryContext(
  context: string,
  file: string | undefined,
  { stdin }: ContextWish,
): Promise<OpenedContext> {
  const path = realDirectory(context, (why) => `unable to prepare context: ${why}`);
  const found = file === "-"
    ? { name: DEFAULT_NAME, text: await textOf(stdin()), ignore: undefined }
    : readDockerfileAt(path, file);
  const ignore = found.ignore ?? readLayeredFile([path], ".dockerignore");
  return { tree: localTree(path, ignore), name: found.name, text: found.text };
}

/** The Dockerfile of a directory: `-f` is a path from where the user stands. */
function readDockerfileAt(directory: string, file: string | undefined): FoundDockerfile {
  if (file === undefined) {
    for (const name of [DEFAULT_NAME, DEFAULT_NAME.toLowerCase()]) {
      const found = readInside(directory, name);
      if (found !== undefined) return found;
    }
    throw noDockerfile(DEFAULT_NAME);
  }
  const path = file.startsWith("/") ? file : `${Deno.cwd()}/${file}`;
  const slash = path.lastIndexOf("/");
  const above = realPathOr(path.slice(0, slash) || "/");
  if (above === directory || above.startsWith(`${directory.replace(/\/$/, "")}/`)) {
    const name = `${above.slice(directory.length)}/${path.slice(slash + 1)}`.replace(/^\/+/, "");
    const found = readInside(directory, name);
    if (found !== undefined) return found;
    throw noDockerfile(file);
  }
  // The user named it and it is no part of the context: it may be anything that can be read.
  const text = readText(path);
  if (text === undefined) throw noDockerfile(file);
  return { name: path.slice(slash + 1), text, ignore: readText(`${path}.dockerignore`) };
}

interface FoundDockerfile {
  readonly name: string;
  readonly text: string;
  /** The text of its own .dockerignore. */
  readonly ignore: string | undefined;
}

/** A Dockerfile of the context, which may come from anybody: no link is followed out of it. */
function readInside(directory: string, name: string): FoundDockerfile | undefined {
  using root = openDirectory(directory);
  const text = readRegularFile(root, name);
  if (text === undefined) {
    if (!isThere(`${directory}/${name}`)) return undefined;
    throw new UserError(
      `failed to read dockerfile: ${name} is no file, or a link that leads out of the context`,
    );
  }
  const ignore = readRegularFile(root, `${name}.dockerignore`);
  for (const one of [text, ignore ?? ""]) checkLength(new TextEncoder().encode(one).length);
  return { name: name.slice(name.lastIndexOf("/") + 1), text, ignore };
}

function realPathOr(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

function checkLength(length: number): void {
  if (length <= MAX_TEXT_BYTES) return;
  throw new UserError(`failed to read dockerfile: more than ${MAX_TEXT_BYTES} bytes`);
}

function noDockerfile(name: string): UserError {
  const shown = name.slice(name.lastIndexOf("/") + 1);
  return new UserError(`failed to read dockerfile: open ${shown}: no such file or directory`);
}

function readText(path: string): string | undefined {
  try {
    return readIfThere(path);
  } catch (error) {
    throw new UserError(`failed to read dockerfile: ${messageOf(error as Error)}`);
  }
}

/** An archive of any compression, unpacked; or the text of a Dockerfile and no files at all. */
async function unpackStream(
  session: Session,
  source: AsyncIterable<Bytes>,
): Promise<{ directory: string; text?: string }> {
  const directory = session.temporary("context");
  Deno.mkdirSync(directory, { mode: 0o755 });
  const { compression, chunks } = await decompress(source);
  const iterator = chunks[Symbol.asyncIterator]();
  const head = await atLeast(iterator, BLOCK);
  async function* all(): AsyncGenerator<Bytes> {
    yield head;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      yield next.value;
    }
  }
  if (!isArchive(head)) {
    if (compression !== "none") throw new UserError("the build context is no tar archive");
    return { directory, text: await textOf(all()) };
  }
  await unpackContext(all(), directory);
  return { directory };
}

async function streamContext(
  session: Session,
  source: AsyncIterable<Bytes>,
  file: string | undefined,
): Promise<OpenedContext> {
  const { directory, text: alone } = await unpackStream(session, source);
  if (alone !== undefined) {
    return { tree: { layers: [directory], owner: ROOT }, name: DEFAULT_NAME, text: alone };
  }
  return unpackedContext(directory, file);
}

/** What was unpacked here, with the Dockerfile in it: `-f` is a path there. */
function unpackedContext(directory: string, file: string | undefined): OpenedContext {
  const name = (file ?? DEFAULT_NAME).replace(/^(?:\.?\/)+/, "");
  const text = textIn(directory, name) ??
    (file === undefined ? textIn(directory, name.toLowerCase()) : undefined);
  if (text === undefined) throw noDockerfile(name);
  checkLength(new TextEncoder().encode(text).length);
  return {
    tree: unpackedTree(directory, textIn(directory, `${name}.dockerignore`)),
    name: name.slice(name.lastIndexOf("/") + 1),
    text,
  };
}

/** A file of an unpacked archive, never one outside of it. */
function textIn(directory: string, name: string): string | undefined {
  return readLayeredFile([directory], name) || undefined;
}

async function unpackContext(chunks: AsyncIterable<Bytes>, directory: string): Promise<void> {
  using root = openDirectory(directory);
  using writer = new TreeWriter(root, "", { owners: false });
  await unpackInto(chunks, writer);
  writer.finish();
}

async function textOf(source: AsyncIterable<Bytes>): Promise<string> {
  const parts: Bytes[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    checkLength(size);
    parts.push(chunk.slice());
  }
  return await new Blob(parts).text();
}
