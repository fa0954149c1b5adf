/** New images made here: import's, commit's. */
import { BlobWriter, fileDigest, keepBlob, putDocument, readDocument, writeAll } from "./blobs.ts";
import { applyChanges } from "./changes.ts";
import type { ArchiveSource } from "./archive_files.ts";
import { archiveChunks, decompress } from "./compression.ts";
import type { Digest } from "./digest.ts";
import { ociLayer, parseManifest } from "./documents.ts";
import { orCollect } from "./gc.ts";
import { expectMuch, expectSome } from "./hash.ts";
import { compressionOf, copyRange, type FileRange } from "./incoming.ts";
import { unpackUnnamed } from "./layers.ts";
import { type PackOptions, packTree } from "./pack.ts";
import { hostPlatform } from "../base/platform.ts";
import { type ImageRecord, readRecord } from "./records.ts";
import { register } from "./register.ts";
import { Session } from "./session.ts";
import type { Store } from "./store.ts";
import {
  type Descriptor,
  type HistoryEntry,
  type ImageConfig,
  type ImagePlatform,
  type ImageRunConfig,
  type Manifest,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_MANIFEST,
} from "./types.ts";
import { openAt } from "../../ffi/fd.ts";
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";

/** What import and commit share. */
export interface MakeOptions {
  /** Dockerfile instructions. */
  changes: readonly string[];
  message: string;
  /** Full name to give, if any. */
  name?: string;
}

/** What import needs beside the archive. */
export interface ImportOptions extends MakeOptions {
  platform?: ImagePlatform;
}

/** Makes an image of one layer from a file system archive of any known compression. */
export async function importArchive(
  store: Store,
  source: ArchiveSource,
  options: ImportOptions,
): Promise<ImageRecord> {
  // A bad change list is found before the archive is read.
  const config = applyChanges({}, options.changes);
  return await orCollect(store, () => importWith(store, source, options, config));
}

async function importWith(
  store: Store,
  source: ArchiveSource,
  options: ImportOptions,
  config: ImageRunConfig,
): Promise<ImageRecord> {
  using session = await Session.open(store);
  await expectMuch();
  const { digest, size } = await importLayer(session, source);
  const created = new Date().toISOString();
  return await registerNew(
    session,
    {
      ...(options.platform ?? hostPlatform()),
      created,
      comment: options.message,
      config,
      rootfs: { type: "layers", diff_ids: [digest] },
      history: [{ created, comment: options.message }],
    },
    [{ mediaType: OCI_LAYER, digest, size }],
    options,
  );
}

/** The archive as a stored layer. One that is plain and on disk is unpacked as it is copied. */
async function importLayer(
  session: Session,
  source: ArchiveSource,
): Promise<{ digest: Digest; size: number }> {
  if ("path" in source) {
    const range = { path: source.path, offset: 0, size: Deno.statSync(source.path).size };
    if (compressionOf(range) === "none") return await importPlain(session, range);
    source = archiveChunks(Deno.openSync(source.path));
  }
  using writer = new BlobWriter(session);
  const { chunks } = await decompress(source);
  for await (const chunk of chunks) writer.write(chunk);
  return writer.keep();
}

async function importPlain(session: Session, range: FileRange) {
  const copying = copyRange(session, range);
  const digest = copying.then((blob) => blob.digest);
  digest.catch(() => {}); // an error of the unpacking is told first
  try {
    await unpackUnnamed(session, range, digest);
  } finally {
    // Not before the other thread has let go of its files.
    await Promise.allSettled([copying]);
  }
  const blob = await copying;
  keepBlob(session.store, blob.digest, blob.path);
  return { digest: blob.digest, size: blob.size };
}

/** What commit needs of a container. */
export interface CommitOptions extends MakeOptions {
  /** The image it runs; undefined: it has none below. */
  parent?: Digest;
  /** Its overlayfs upper directory; undefined: it never ran. */
  upper?: string;
  /** Owners of the container in place of those on the disk. */
  owners?: PackOptions["owners"];
  /** Tells, with the files as they are then, which paths of the layers it has deleted. */
  deleted?: () => readonly string[];
  /** Freezes it, for as long as its files are read, until disposed. */
  pause?: () => Disposable;
  /** What the new image tells its containers, before the change list. */
  config: ImageRunConfig;
  author?: string;
  /** The command it ran, for the history. */
  createdBy: string;
  /** Makes the test of what is not packed; paths are byte strings without leading slash. */
  exclude?: () => (path: string) => boolean;
}

/**
 * Makes an image of a container's changes: one new layer on those of its image. Without a change
 * there is no new layer, as docker has it.
 */
export async function commitContainer(store: Store, options: CommitOptions): Promise<ImageRecord> {
  const config = applyChanges(options.config, options.changes);
  using session = await Session.open(store);
  await expectSome();
  const parent = options.parent === undefined ? undefined : readRecord(store, options.parent);
  if (options.parent !== undefined && parent === undefined) {
    throw new Error(`Cannot commit: image ${options.parent} is gone`);
  }
  const layers = parent === undefined ? [] : ociLayers(store, parent);
  const layer = options.upper === undefined
    ? undefined
    : await packUpper(session, options.upper, options);
  const created = new Date().toISOString();
  const step: HistoryEntry = {
    created,
    created_by: options.createdBy,
    ...(options.author && { author: options.author }),
    ...(options.message && { comment: options.message }),
    ...(layer === undefined && { empty_layer: true }),
  };
  const diffIds = parent?.config.rootfs.diff_ids ?? [];
  const { os, architecture, variant } = parent?.config ?? { ...hostPlatform(), variant: undefined };
  return await registerNew(
    session,
    {
      created,
      ...(options.author && { author: options.author }),
      ...(options.message && { comment: options.message }),
      architecture,
      ...(variant && { variant }),
      os,
      config,
      rootfs: { type: "layers", diff_ids: layer ? [...diffIds, layer.digest] : diffIds },
      history: [...(parent?.config.history ?? []), step],
    },
    layer === undefined ? layers : [...layers, layer],
    options,
  );
}

function ociLayers(store: Store, record: ImageRecord): Descriptor[] {
  const { digest } = record.manifest;
  return parseManifest(readDocument(store, digest), digest).layers.map(ociLayer);
}

/** The upper directory as a stored layer; undefined if nothing is in it. */
async function packUpper(
  session: Session,
  upper: string,
  options: CommitOptions,
): Promise<Descriptor | undefined> {
  const path = session.temporary("blob");
  let size = 0;
  {
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
    using root = openAt(null, upper, O_RDONLY | O_DIRECTORY);
    using _paused = options.pause?.();
    const exclude = options.exclude?.();
    packTree(root.raw, {
      marks: "whiteouts",
      ...(exclude && { include: (path: string) => !exclude(path) }),
      ...(options.owners && { owners: options.owners }),
      ...(options.deleted && { deleted: options.deleted() }),
    }, (chunk) => {
      size += chunk.length;
      writeAll(file, chunk, path);
    });
  }
  // Only the end mark.
  if (size <= 1024) return undefined;
  // Hashed when it is whole: whether that is much is known only now.
  const digest = await fileDigest(path);
  keepBlob(session.store, digest, path);
  return { mediaType: OCI_LAYER, digest, size };
}

async function registerNew(
  session: Session,
  config: ImageConfig,
  layers: Descriptor[],
  options: MakeOptions & { parent?: Digest },
): Promise<ImageRecord> {
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...putDocument(session, JSON.stringify(config)) },
    layers,
  };
  return await register(session, {
    manifest: { mediaType: OCI_MANIFEST, ...putDocument(session, JSON.stringify(manifest)) },
    names: options.name === undefined ? [] : [options.name],
    ...(options.parent && { parent: options.parent }),
  });
}
