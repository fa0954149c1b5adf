/**
 * How an image is made: from its name to the documents and layers, each by the SHA-256 of what is
 * in it, and to the directories that containers stand on. OCI image-spec 1.1, config.md ("Layer
 * DiffID", "Layer ChainID").
 */
import { readDocument } from "./blobs.ts";
import type { Digest } from "./digest.ts";
import { parseManifest } from "./documents.ts";
import { readEntries } from "./index_file.ts";
import { findRecord } from "./inspect.ts";
import { listImages } from "./list.ts";
import { namesOf } from "./lookup.ts";
import type { ImageRecord } from "./records.ts";
import { isThere, type Store } from "./store.ts";
import type { ImageRunConfig } from "./types.ts";

/** A document of the image, by its digest. */
export interface ExplainedDocument {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  readonly path: string;
}

/** A layer, in the three forms that it has. */
export interface ExplainedLayer {
  /** As it travels: the digest of the blob. */
  readonly blob: ExplainedDocument;
  /** The digest of the same, unpacked. */
  readonly diffId: Digest;
  /** The digest of it together with all layers below: what its directory is named by. */
  readonly chainId: Digest;
  /** Bytes of its files. */
  readonly fileBytes: number;
  readonly directory: string;
  /** Whether the directory is there: it is made again when it is missing. */
  readonly isUnpacked: boolean;
  /** Other images that stand on it, by a name or by their id. */
  readonly sharedWith: readonly string[];
}

/** A step of the history; `layer` counts from 1, absent where it changed the config only. */
export interface ExplainedStep {
  readonly layer?: number;
  readonly createdBy: string;
}

/** All that can be told of an image. */
export interface ImageExplanation {
  readonly kind: "image";
  readonly id: Digest;
  readonly names: readonly string[];
  readonly platform: string;
  readonly index: string;
  readonly manifest: ExplainedDocument;
  readonly config: ExplainedDocument;
  /** Lowest first. */
  readonly layers: readonly ExplainedLayer[];
  /** Oldest first. */
  readonly history: readonly ExplainedStep[];
  readonly settings: ImageRunConfig;
  /** How a container's root is mounted; the three directories are the container's own. */
  readonly overlay: {
    /** Topmost first. */
    readonly lower: readonly string[];
    readonly upper: string;
    readonly work: string;
    readonly root: string;
  };
}

/** Explains the image that `name` means. Throws NoSuchImageError. */
export function explainImage(store: Store, name: string): ImageExplanation {
  const record = findRecord(store, name);
  const entries = readEntries(store);
  const { repoTags, repoDigests } = namesOf(entries, record.id);
  const { digest, mediaType, size } = record.manifest;
  const manifest = parseManifest(readDocument(store, digest), digest);
  const document = (of: { digest: Digest; mediaType: string; size: number }) => ({
    digest: of.digest,
    mediaType: of.mediaType,
    size: of.size,
    path: store.blob(of.digest),
  });
  const others = listImages(store).filter((image) => image.record.id !== record.id);
  const { os, architecture, variant, rootfs, config = {} } = record.config;
  const container = `${store.root}/containers/$ID`;
  return {
    kind: "image",
    id: record.id,
    names: [...repoTags, ...repoDigests],
    platform: [os, architecture, variant].filter(Boolean).join("/"),
    index: store.index,
    manifest: document({ digest, mediaType, size }),
    config: document(manifest.config),
    layers: record.chain.map((chainId, i) => ({
      blob: document(manifest.layers[i]),
      diffId: rootfs.diff_ids[i],
      chainId,
      fileBytes: record.layerSizes[i],
      directory: store.layerRoot(chainId),
      isUnpacked: isThere(store.layerRoot(chainId)),
      sharedWith: others.filter((other) => other.record.chain.includes(chainId))
        .map((other) => namesOf(entries, other.record.id).repoTags[0] ?? other.record.id),
    })),
    history: stepsOf(record),
    settings: config,
    overlay: {
      lower: record.chain.toReversed().map((chainId) => store.layerRoot(chainId)),
      upper: `${container}/upper`,
      work: `${container}/work`,
      root: `${container}/root`,
    },
  };
}

function stepsOf({ config, chain }: ImageRecord): ExplainedStep[] {
  let layer = 0;
  const steps: ExplainedStep[] = (config.history ?? []).map((step) => ({
    ...(!step.empty_layer && layer < chain.length && { layer: ++layer }),
    createdBy: step.created_by ?? "",
  }));
  // An image without a history still has layers.
  while (layer < chain.length) steps.push({ layer: ++layer, createdBy: "" });
  return steps;
}
