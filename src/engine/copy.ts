/**
 * `cp`: files between this machine and a container, between two containers, or as an archive.
 * Both sides are roots with paths below them; of this machine the root is "/". Bytes go from file
 * to file, a megabyte at a time, whatever the size.
 */
import { O_CLOEXEC, O_DIRECTORY, O_PATH, O_RDONLY } from "../../ffi/constants.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import { fromText } from "../image/byte_string.ts";
import { type TarEntry, TarReader, type TarSink } from "../image/tar.ts";
import { endMark, entryHeader, padding } from "../image/tar_writer.ts";
import { resolveUser } from "../runtime/users.ts";
import { openContainerTree } from "./container_tree.ts";
import { readRecord, resolveContainer } from "./containers.ts";
import { absolutePath, CopyError, type Place, planCopy, splitPath } from "./copy_paths.ts";
import { readRegularFile } from "./root_files.ts";
import { enterIn, findIn, type Found } from "./tree_place.ts";
import { TreeReader } from "./tree_reader.ts";
import { TreeWriter, type TreeWriterOptions } from "./tree_writer.ts";
import type { ContainerRecord } from "./types.ts";

/** How to copy. */
export interface CopyOptions {
  /** Keep owners; what goes into a container gets the container's user, if it has one. */
  readonly archive: boolean;
  /** Copy what the source's link leads to. */
  readonly followLink: boolean;
}

/** One side, open. */
interface Side extends Disposable {
  readonly root: Fd;
  /** Absolute; its last "/" or "/." stays. */
  readonly path: string;
  /** undefined: this machine. */
  readonly record?: ContainerRecord;
  /** As the user wrote the container and the path. */
  readonly text: string;
}

function openSide(place: Place): Side {
  if (place.container === undefined) {
    const root = openAt(null, "/", O_PATH | O_DIRECTORY);
    const path = absolutePath(place.path, Deno.cwd());
    return { root, path, text: place.path, [Symbol.dispose]: () => root[Symbol.dispose]() };
  }
  const record = readRecord(resolveContainer(place.container));
  const tree = openContainerTree(record);
  return {
    root: tree.root,
    path: absolutePath(place.path, "/"),
    record,
    text: `${place.container}:${place.path}`,
    [Symbol.dispose]: () => tree[Symbol.dispose](),
  };
}

/** Copies; the bytes of all ordinary files. Throws CopyError, UserError with docker's texts. */
export function copyFiles(from: Place, to: Place, options: CopyOptions): number {
  using source = openSide(from);
  using target = openSide(to);
  const found = find(source, from, options.followLink);
  const existing = findTarget(target, to);
  const plan = planCopy(sourceOf(source, found), {
    path: target.path,
    kind: existing === undefined ? undefined : existing.isDirectory ? "directory" : "other",
  });
  const place = existing === undefined
    ? { directory: fromText(plan.directory), name: fromText(plan.name) }
    : existing.isDirectory
    ? { directory: pathOf(existing), name: fromText(plan.name) }
    : existing;
  checkDirectory(target, to, place.directory);
  using writer = new TreeWriter(
    target.root,
    place.directory.replace(/^\/+/, ""),
    writerOptions(target, options),
  );
  readInto(writer, source.root, found, place.name);
  writer.finish();
  return writer.size;
}

/** Writes the files of `from` as an archive; `write` is given chunks that are valid in the call. */
export function copyToArchive(
  from: Place,
  options: CopyOptions,
  write: (chunk: Uint8Array) => void,
): void {
  using source = openSide(from);
  const found = find(source, from, options.followLink);
  const name = found.name === "" ? fromText(splitPath(source.path).name) : found.name;
  readInto(new ArchiveSink(write), source.root, found, name);
  write(endMark());
}

/** Unpacks the archive `input`, of whatever compression, into the directory `to`; as copyFiles(). */
export async function copyFromArchive(
  input: Deno.FsFile,
  to: Place,
  options: CopyOptions,
): Promise<number> {
  using target = openSide(to);
  const existing = findIn(target.root, target.path, true);
  if (existing?.isDirectory !== true) {
    throw new CopyError(`destination "${target.text}" must be a directory`);
  }
  using writer = new TreeWriter(target.root, pathOf(existing), writerOptions(target, options));
  const reader = new TarReader(writer);
  const { archiveChunks, decompress } = await import("../image/compression.ts");
  const { chunks } = await decompress(archiveChunks(input));
  for await (const chunk of chunks) reader.push(chunk);
  reader.finish();
  writer.finish();
  return writer.size;
}

function pathOf({ directory, name }: Found): string {
  return name === "" ? directory : directory === "" ? name : `${directory}/${name}`;
}

function find(source: Side, place: Place, follow: boolean): Found {
  const found = findIn(source.root, source.path, follow);
  if (found !== undefined) return found;
  if (place.container === undefined) {
    throw new CopyError(`lstat ${source.path}: no such file or directory`);
  }
  throw new UserError(
    `Could not find the file ${place.path} in container ${place.container}`,
  );
}

/** What is at the destination. A link that leads nowhere is not replaced: nobody asked for that. */
function findTarget(target: Side, { container, path }: Place): Found | undefined {
  if (container !== undefined && path === "") throw new CopyError("no such directory");
  const existing = findIn(target.root, target.path, true);
  if (existing === undefined && findIn(target.root, target.path, false) !== undefined) {
    throw new UserError(`Cannot copy to "${path}": it is a link that leads nowhere`);
  }
  return existing;
}

function sourceOf({ path }: Side, { isDirectory }: Found) {
  return { path, isDirectory, askedName: splitPath(path).name };
}

function checkDirectory(target: Side, { container, path }: Place, directory: string): void {
  using opened = enterIn(target.root, directory.replace(/^\/+/, ""));
  if (opened !== undefined) return;
  const shown = splitPath(target.path).directory;
  if (container === undefined) {
    throw new CopyError(`invalid output path: directory "${shown}" does not exist`);
  }
  throw new UserError(
    `Could not find the file ${splitPath(path).directory} in container ${container}`,
  );
}

/**
 * Into a container everything keeps the owner's number it has, with `archive` it gets the
 * container's user; on this machine it belongs to who copies, with `archive` to whom it did.
 */
function writerOptions({ record, root }: Side, { archive }: CopyOptions): TreeWriterOptions {
  if (record === undefined) return { owners: archive };
  const user = record.Config.User;
  if (!archive || user === "") return { owners: true };
  const passwd = readRegularFile(root, "etc/passwd") ?? "";
  const group = readRegularFile(root, "etc/group") ?? "";
  return { owners: true, owner: resolveUser(user, passwd, group) };
}

function readInto(sink: TarSink, root: Fd, found: Found, name: string): void {
  const reader = new TreeReader(sink);
  using parent = enterIn(root, found.directory);
  if (parent === undefined) return; // taken away meanwhile
  if (found.name !== "") return reader.read(parent, found.name, name);
  // What enterIn opens cannot be listed; its "." can.
  using directory = openAt(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  reader.readDirectory(directory, name);
}

/** Entries as the bytes of an archive. */
class ArchiveSink implements TarSink {
  #stored = 0;
  constructor(readonly write: (chunk: Uint8Array) => void) {}

  entry(entry: TarEntry): void {
    this.#stored = entry.sparse?.spans.reduce((sum, { length }) => sum + length, 0) ?? entry.size;
    this.write(entryHeader(entry, this.#stored));
  }

  data(chunk: Uint8Array<ArrayBuffer>): void {
    this.write(chunk);
  }

  end(): void {
    const rest = padding(this.#stored);
    if (rest.length > 0) this.write(rest);
  }
}
