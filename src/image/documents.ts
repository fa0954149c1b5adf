/** Parses manifests, indexes and configs that came from outside: shape first, then trust. */
import { UserError } from "../base/errors.ts";
import { type Digest, isDigest } from "./digest.ts";
import {
  type Descriptor,
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  type ImageConfig,
  type Index,
  type Manifest,
  OCI_INDEX,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
  OCI_MANIFEST,
} from "./types.ts";

const MAX_LAYERS = 500;

function bad(what: string, why: string): UserError {
  return new UserError(`Cannot use ${what}: ${why}`);
}

/** JSON of a document as an object. Throws UserError naming `what` if it is none. */
export function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw bad(what, "it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad(what, "it is not a JSON object");
  }
  return value as Record<string, unknown>;
}

function checkDescriptor(value: unknown, what: string): Descriptor {
  const descriptor = value as Partial<Descriptor> | null;
  if (typeof descriptor !== "object" || descriptor === null) throw bad(what, "no descriptor");
  const { digest, size, mediaType } = descriptor;
  if (typeof digest !== "string" || !isDigest(digest)) throw bad(what, "bad digest of a part");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw bad(what, `bad size of part ${digest}`);
  }
  if (mediaType !== undefined && typeof mediaType !== "string") throw bad(what, "bad media type");
  return { ...descriptor, mediaType: mediaType ?? "", digest, size };
}

/** What a manifest is by its own words, by those of the registry, or by its parts. */
export function manifestType(document: Record<string, unknown>, given: string): string {
  if (typeof document.mediaType === "string") return document.mediaType;
  if ([OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].includes(given)) return given;
  return "manifests" in document ? OCI_INDEX : OCI_MANIFEST;
}

/** Whether a media type is that of a list of manifests. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_LIST;
}

/** Reads the manifest of one image. */
export function parseManifest(bytes: Uint8Array, what: string): Manifest {
  const document = parseObject(bytes, what);
  if (document.schemaVersion !== 2) {
    throw bad(what, `schema version ${document.schemaVersion} is not supported`);
  }
  if (!Array.isArray(document.layers)) throw bad(what, "it has no list of layers");
  if (document.layers.length > MAX_LAYERS) throw bad(what, `more than ${MAX_LAYERS} layers`);
  return {
    ...document,
    schemaVersion: 2,
    config: checkDescriptor(document.config, what),
    layers: document.layers.map((layer) => checkDescriptor(layer, what)),
  };
}

/** Reads a list of manifests. */
export function parseIndex(bytes: Uint8Array, what: string): Index {
  const document = parseObject(bytes, what);
  if (!Array.isArray(document.manifests)) throw bad(what, "it has no list of manifests");
  return {
    ...document,
    schemaVersion: 2,
    manifests: document.manifests.map((entry) => checkDescriptor(entry, what)),
  };
}

/** Reads a config; `layers` is how many diff ids there must be. */
export function parseConfig(bytes: Uint8Array, layers: number, what: string): ImageConfig {
  const document = parseObject(bytes, what) as Partial<ImageConfig>;
  const diffIds: unknown = document.rootfs?.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === "string" && isDigest(id))) {
    throw bad(what, "bad list of diff ids");
  }
  if (diffIds.length !== layers) {
    throw bad(what, `${layers} layers, but ${diffIds.length} diff ids`);
  }
  return {
    ...document,
    os: document.os || "linux",
    architecture: document.architecture || "amd64",
    rootfs: { type: "layers", diff_ids: diffIds as Digest[] },
  };
}

const LAYER_TYPES = [OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, DOCKER_LAYER, DOCKER_LAYER_GZIP];

/** Whether the media type is that of a layer this store can unpack. */
export function isLayerType(mediaType: string): boolean {
  return LAYER_TYPES.includes(mediaType) || /\.(?:foreign|nondistributable)\b/.test(mediaType) ||
    mediaType === "" || /tar(?:[.+](?:gzip|zstd))?$/.test(mediaType);
}

const OCI_TYPES: Record<string, string> = {
  [DOCKER_LAYER]: OCI_LAYER,
  [DOCKER_LAYER_GZIP]: OCI_LAYER_GZIP,
};

/** The layer under OCI's name: a manifest must not mix both vocabularies. */
export function ociLayer(layer: Descriptor): Descriptor {
  return { ...layer, mediaType: OCI_TYPES[layer.mediaType] ?? layer.mediaType };
}
