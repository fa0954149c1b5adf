/** What is remembered of each image beside its blobs. Free of `node:` imports. */
import { UserError } from "../base/errors.ts";
import { readIfThere, writeAtomic } from "../base/files.ts";
import { type Digest, hexOf } from "./digest.ts";
import { readDocumentFile } from "./document_file.ts";
import { markUnsynced } from "./durability.ts";
import type { Store } from "./store.ts";
import type { Descriptor, ImageConfig } from "./types.ts";

/** An image as run, images and inspect need it: one file to read. All of it can be derived. */
export interface ImageRecord {
  /** Digest of the config: docker's image id. */
  id: Digest;
  manifest: Descriptor;
  /** The manifest as the registry had it, where that is one of docker's kind. */
  original?: Descriptor;
  config: ImageConfig;
  /** Chain ids of the layers, lowest first: names of the unpacked directories. */
  chain: Digest[];
  /** Bytes of the files of each layer, lowest first. */
  layerSizes: number[];
  /** When it came into this store, or got its last tag. RFC 3339, UTC. */
  lastTagTime: string;
  /** The image it was committed from. */
  parent?: Digest;
}

/** What is known of an unpacked layer. */
export interface LayerRecord {
  diffId: Digest;
  /** Bytes of its files. */
  size: number;
  /** Some of what is gone is marked by files (`LayerMarks`), which the kernel's overlayfs shows. */
  hasMarkFiles?: boolean;
}

/**
 * The record of an image, if there is one. One that is damaged is as good as none: all of it can be
 * derived, and pulling or loading the image writes it again.
 */
export function readRecord(store: Store, id: Digest): ImageRecord | undefined {
  try {
    const record: unknown = JSON.parse(readIfThere(store.record(id)) ?? "null");
    return isRecord(record, id) ? record : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isRecord(value: unknown, id: Digest): value is ImageRecord {
  if (typeof value !== "object" || value === null) return false;
  const { manifest, config, chain, layerSizes, ...record } = value as Partial<ImageRecord>;
  return record.id === id && typeof record.lastTagTime === "string" &&
    typeof manifest?.digest === "string" && typeof config?.os === "string" &&
    Array.isArray(chain) && Array.isArray(layerSizes);
}

/** What to tell whoever needs an image of which there is no record, or only a part. */
export function lostRecord(store: Store, id: Digest, name: string): UserError {
  return new UserError(
    `Cannot use image "${name}": ${store.record(id)} is lost or damaged; pull or load the image ` +
      `again, or remove it: rmi ${name}`,
  );
}

/** Writes an image's record, unflushed: what a power cut took of it is derived again. */
export function writeRecord(store: Store, record: ImageRecord): void {
  markUnsynced(store, `record-${hexOf(record.id)}`);
  writeAtomic(store.record(record.id), JSON.stringify(record));
}

/** The record of an unpacked layer; undefined: the layer is not there. */
export function readLayer(store: Store, chainId: Digest): LayerRecord | undefined {
  const directory = store.layer(chainId);
  const remedy = `restore the file, or remove ${directory} and pull or load the image again`;
  return readDocumentFile(`${directory}/layer.json`, `layer ${chainId}`, remedy);
}
