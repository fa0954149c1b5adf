/** `cp`: files between this machine and a container, between containers, and as an archive. */
import { S_IFDIR } from "../../ffi/constants.ts";
import { ENOENT, ENOTDIR, EROFS, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import { fromText } from "../image/byte_string.ts";
import { TarError, TarReader, type TarSink } from "../image/tar.ts";
import { resolveUser } from "../runtime/users.ts";
import {
  actAsRootOf,
  type ContainerTree,
  openContainerTree,
  openContainerTrees,
} from "./container_tree.ts";
import { readRecord, resolveContainer } from "./containers.ts";
import { checkHostTarget, hostSource, hostTarget } from "./copy_host.ts";
import { enterBelow, type Found, isBelow, isDevice, lookAt, lookThrough } from "./copy_look.ts";
import { absolutePath, CopyPathError, type CopyPlan, ownName, planCopy } from "./copy_paths.ts";
import { ArchiveSink, Counter, outsideId, withInsideIds, withOutsideIds } from "./copy_sinks.ts";
import { emitContainerEvent } from "./events.ts";
import { readRegularFile } from "./root_files.ts";
import { TreeReader } from "./tree_reader.ts";
import { TreeWriter, type TreeWriterOptions } from "./tree_writer.ts";
import type { ContainerRecord } from "./types.ts";

/** How to copy. */
export interface CopyOptions {
  /** Owners as docker's -a has them. */
  readonly archive: boolean;
  /** Copy what a link leads to instead of the link. */
  readonly followLink: boolean;
  /** Hears how many bytes were copied so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** How much was copied, and where to. */
export interface Copied {
  readonly bytes: number;
  readonly path: string;
}

/** A path in a container. */
export interface ContainerPath {
  /** As the user typed it. */
  readonly container: string;
  readonly path: string;
}

/** The container of a path. Throws UserError where there is none, or no path. */
export function openPath({ container, path }: ContainerPath): { record: ContainerRecord } {
  if (path === "") throw new UserError("bad parameter: path cannot be empty");
  return { record: readRecord(resolveContainer(container)) };
}

function notFound(path: string, container: string): UserError {
  return new UserError(`Could not find the file ${path} in container ${container}`);
}

/** Looks a source up. Throws UserError with docker's text when it is not there. */
export function sourceIn(tree: ContainerTree, from: ContainerPath, follow: boolean): Found {
  const path = absolutePath(from.path, "/");
  const found = (follow ? lookThrough : lookAt)(enterBelow(tree.root), path);
  if (found.stat !== undefined) return found;
  if (found.errno === ENOTDIR) throw new UserError(`lstat ${path}: not a directory`);
  throw notFound(found.path === path ? from.path : found.path, from.container);
}

/** Reads what was found, called `name`, into `sink`; the owners are those that it sees. */
function readInto(sink: TarSink, found: Found, name: string, tree?: ContainerTree): void {
  const reader = new TreeReader(withInsideIds(sink, tree?.ids));
  reader.read(found.parent!, found.name, fromText(name));
}

/** Where in a container to write. Throws with docker's texts; devices are not written to. */
function targetIn(
  tree: ContainerTree,
  to: ContainerPath,
  source: { isDirectory: boolean; name: string },
): CopyPlan {
  using found = lookThrough(enterBelow(tree.root), absolutePath(to.path, "/"));
  if (isDevice(found)) {
    throw new CopyPathError(
      `destination "${to.container}:${to.path}" must be a directory or a regular file: ` +
        "got a device",
    );
  }
  const kind = found.stat && (found.stat.kind === S_IFDIR ? "directory" : "other");
  return planCopy(source, { path: found.path, kind });
}

/** A writer into `plan`'s directory of a container. */
function writerInto(
  tree: ContainerTree,
  record: ContainerRecord,
  directory: string,
  container: string,
  archive: boolean,
): TreeWriter {
  const entered = enterBelow(tree.root)(directory);
  if (entered === -ENOENT) throw notFound(directory, container);
  if (entered === -ENOTDIR) throw new UserError("extraction point is not a directory");
  new Fd(entered)[Symbol.dispose]();
  const options: TreeWriterOptions = {
    owners: true,
    shownAs: directory,
    ...(archive && ownerOf(tree, record)),
  };
  return new TreeWriter(tree.root, fromText(directory).replace(/^\/+/, ""), options);
}

/** The container's own user gets what is copied with -a, as in docker; root changes nothing. */
function ownerOf(
  { root, ids }: ContainerTree,
  { Config: { User } }: ContainerRecord,
): Pick<TreeWriterOptions, "owner"> {
  if (User === "") return {};
  const text = (path: string) => readRegularFile(root, path) ?? "";
  const { uid, gid } = resolveUser(User, text("etc/passwd"), text("etc/group"));
  if (ids === undefined) return { owner: { uid, gid } };
  return { owner: { uid: outsideId(ids.uids, uid) ?? 0, gid: outsideId(ids.gids, gid) ?? 0 } };
}

/** What cannot be written to, in docker's words. */
function refuseReadOnly(error: unknown, record: ContainerRecord): unknown {
  if (!(error instanceof SyscallError) || error.errno !== EROFS) return error;
  const what = record.HostConfig.ReadonlyRootfs ? "container rootfs" : "mounted volume";
  return new UserError(`${what} is marked read-only`);
}

/** Copies from a container to this machine. */
export function copyFrom(from: ContainerPath, target: string, options: CopyOptions): Copied {
  checkHostTarget(target);
  const { record } = openPath(from);
  using tree = openContainerTree(record);
  using found = sourceIn(tree, from, options.followLink);
  const isDirectory = found.stat!.kind === S_IFDIR;
  const plan = hostTarget(target, { isDirectory, name: ownName(from.path) });
  using writer = new TreeWriter(plan.directory, "", {
    owners: options.archive,
    shownAs: plan.shownAs,
  });
  using _directory = plan.directory;
  const counter = new Counter(writer, options.onProgress);
  readInto(counter, found, plan.name, tree);
  writer.finish();
  emitContainerEvent(record, "archive-path");
  return { bytes: counter.bytes, path: absolutePath(target, Deno.cwd()) };
}

/** Copies from this machine to a container. */
export function copyTo(source: string, to: ContainerPath, options: CopyOptions): Copied {
  const { record } = openPath(to);
  using found = hostSource(source, options.followLink);
  using tree = openContainerTree(record);
  const isDirectory = found.stat!.kind === S_IFDIR;
  const plan = targetIn(tree, to, { isDirectory, name: ownName(source) });
  return write(found, tree, { record, to, plan, options });
}

/** Copies from a container to another, or to another place of the same. */
export function copyBetween(
  from: ContainerPath,
  to: ContainerPath,
  options: CopyOptions,
): Copied {
  const { record: sourceRecord } = openPath(from);
  const { record } = openPath(to);
  using trees = openContainerTrees(sourceRecord, record);
  using found = sourceIn(trees.from, from, options.followLink);
  const isDirectory = found.stat!.kind === S_IFDIR;
  const plan = targetIn(trees.to, to, { isDirectory, name: ownName(from.path) });
  if (isDirectory && sourceRecord.Id === record.Id) {
    const entered = enterBelow(trees.to.root)(plan.directory);
    using directory = new Fd(entered);
    if (entered >= 0 && isBelow(directory, found.stat!.identity)) {
      throw new CopyPathError(`cannot copy directory ${from.path} into itself`);
    }
  }
  const copied = write(found, trees.to, { record, to, plan, options }, trees.from);
  emitContainerEvent(sourceRecord, "archive-path");
  return copied;
}

/** Where and how write() writes. */
interface Writing {
  readonly record: ContainerRecord;
  readonly to: ContainerPath;
  readonly plan: CopyPlan;
  readonly options: CopyOptions;
}

function write(
  found: Found,
  tree: ContainerTree,
  { record, to, plan, options }: Writing,
  sourceTree?: ContainerTree,
): Copied {
  using writer = writerInto(tree, record, plan.directory, to.container, options.archive);
  using _identity = actAsRootOf(tree);
  const counter = new Counter(withOutsideIds(writer, tree.ids), options.onProgress);
  try {
    readInto(counter, found, plan.name, sourceTree);
    writer.finish();
  } catch (error) {
    throw refuseReadOnly(error, record);
  }
  emitContainerEvent(record, "extract-to-dir");
  return { bytes: counter.bytes, path: to.path };
}

/** Writes a path of a container as a tar archive. */
export function archiveOf(
  from: ContainerPath,
  options: CopyOptions,
  write: (bytes: Uint8Array<ArrayBuffer>) => void,
): void {
  const { record } = openPath(from);
  using tree = openContainerTree(record);
  using found = sourceIn(tree, from, options.followLink);
  const archive = new ArchiveSink(write);
  readInto(archive, found, ownName(from.path), tree);
  archive.finish();
  emitContainerEvent(record, "archive-path");
}

/** Throws, as docker's daemon does, unless an archive can be unpacked to a path. */
export function checkExtractionPoint(to: ContainerPath): void {
  const { record } = openPath(to);
  using tree = openContainerTree(record);
  using found = lookThrough(enterBelow(tree.root), absolutePath(to.path, "/"));
  if (found.stat === undefined) throw notFound(to.path, to.container);
  if (found.stat.kind !== S_IFDIR) throw new UserError("extraction point is not a directory");
}

/** Unpacks a tar archive, which may be compressed, into a directory of a container. */
export async function unpackInto(
  input: Deno.FsFile | AsyncIterable<Uint8Array<ArrayBuffer>>,
  to: ContainerPath,
  options: CopyOptions,
): Promise<Copied> {
  const { record } = openPath(to);
  using tree = openContainerTree(record);
  using found = lookThrough(enterBelow(tree.root), absolutePath(to.path, "/"));
  if (found.stat?.kind !== S_IFDIR) {
    throw new CopyPathError(`destination "${to.container}:${to.path}" must be a directory`);
  }
  using writer = writerInto(tree, record, found.path, to.container, options.archive);
  using _identity = actAsRootOf(tree);
  const counter = new Counter(withOutsideIds(writer, tree.ids), options.onProgress);
  const reader = new TarReader(counter);
  const { archiveChunks, decompress } = await import("../image/compression.ts");
  const archive = input instanceof Deno.FsFile ? archiveChunks(input) : input;
  try {
    for await (const chunk of (await decompress(archive)).chunks) reader.push(chunk);
    reader.finish();
    writer.finish();
  } catch (error) {
    if (error instanceof TarError) throw new UserError(error.message);
    throw refuseReadOnly(error, record);
  }
  emitContainerEvent(record, "extract-to-dir");
  return { bytes: counter.bytes, path: to.path };
}
