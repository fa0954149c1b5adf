/** commit: an image made of a container's changes. */
import { fileDigest, keepBlob, readDocument, writeAll } from "./blobs.ts";
import type { Digest } from "./digest.ts";
import { ociLayer, parseManifest } from "./documents.ts";
import { expectSome, Hasher, hashesFast } from "./hash.ts";
import { makeDocuments, type MakeOptions, registerNew } from "./make.ts";
import { type PackOptions, packTree } from "./pack.ts";
import { hostPlatform } from "../base/platform.ts";
import { type ImageRecord, readRecord } from "./records.ts";
import { Session } from "./session.ts";
import type { Store } from "./store.ts";
import { type Descriptor, type HistoryEntry, type ImageRunConfig, OCI_LAYER } from "./types.ts";
import { openAt } from "../../ffi/fd.ts";
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { UserError } from "../base/errors.ts";

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
  /** Freezes it, if it runs, for as long as its files are read: until disposed. */
  pause?: () => Disposable | undefined;
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
  const config = await changed(options.config, options.changes);
  using session = await Session.open(store);
  await expectSome();
  const parent = options.parent === undefined ? undefined : readRecord(store, options.parent);
  if (options.parent !== undefined && parent === undefined) {
    throw new UserError(
      `Cannot commit: image ${options.parent} of the container is gone; ` +
        "use diplodock export, and import what it writes",
    );
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
  const made = makeDocuments(
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
  );
  const names = options.name === undefined ? [] : [options.name];
  return await registerNew(session, made, names, options.parent);
}

/** The config with the change list applied, if there is one. */
async function changed(config: ImageRunConfig, changes: readonly string[]) {
  if (changes.length === 0) return config;
  const { applyChanges } = await import("./changes.ts");
  return applyChanges(config, changes);
}

function ociLayers(store: Store, record: ImageRecord): Descriptor[] {
  const { digest } = record.manifest;
  return parseManifest(readDocument(store, digest), digest).layers.map(ociLayer);
}

/** The upper directory as a stored layer; undefined if nothing is in it. */
export async function packUpper(
  session: Session,
  upper: string,
  options: Pick<CommitOptions, "owners" | "deleted" | "pause" | "exclude">,
): Promise<Descriptor | undefined> {
  const path = session.temporary("blob");
  // Where that is slow it is done when the file is whole: whether it is much is known only then.
  const hasher = hashesFast() ? new Hasher() : undefined;
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
      hasher?.update(chunk);
      writeAll(file, chunk, path);
    });
  }
  // Only the end mark.
  if (size <= 1024) return undefined;
  const digest = hasher?.digest() ?? await fileDigest(path);
  keepBlob(session.store, digest, path);
  return { mediaType: OCI_LAYER, digest, size };
}
