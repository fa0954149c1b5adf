/** What is remembered of each image beside its blobs. Free of `node:` imports. */
import { writeAtomic } from "../base/files.ts";
import type { Digest } from "./digest.ts";
import { readDocumentFile } from "./document_file.ts";
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

/** The record of an image, if there is one. */
export function readRecord(store: Store, id: Digest): ImageRecord | undefined {
  const remedy = "restore the file, or remove it and pull or load the image again";
  return readDocumentFile(store.record(id), `image ${id}`, remedy);
}

/** Writes an image's record. */
export function writeRecord(store: Store, record: ImageRecord): void {
  writeAtomic(store.record(record.id), JSON.stringify(record), true);
}

/** The record of an unpacked layer; undefined: the layer is not there. */
export function readLayer(store: Store, chainId: Digest): LayerRecord | undefined {
  const directory = store.layer(chainId);
  const remedy = `restore the file, or remove ${directory} and pull or load the image again`;
  return readDocumentFile(`${directory}/layer.json`, `layer ${chainId}`, remedy);
}
