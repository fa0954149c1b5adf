/** Parses manifests, indexes and configs that came from outside: shape first, then trust. */
import { UserError } from "../base/errors.ts";
import { type Digest, isDigest } from "./digest.ts";
import { fields, list, map, number, type Shape, text, time, truth } from "./shape.ts";
import {
  type Descriptor,
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  type ImageConfig,
  type ImagePlatform,
  type ImageRunConfig,
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

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw bad(what, "it is not JSON");
  }
}

/** JSON of a document as an object. Throws UserError naming `what` if it is none. */
export function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  const value = parseJson(bytes, what);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad(what, "it is not a JSON object");
  }
  return value as Record<string, unknown>;
}

const PLATFORM: Record<string, Shape> = { os: text, architecture: text, variant: text };
const DESCRIPTOR = fields({
  mediaType: text,
  annotations: map(text),
  platform: fields(PLATFORM),
  urls: list(text),
});

const DURATIONS = { Interval: number, Timeout: number, StartPeriod: number, StartInterval: number };
const CONFIG = fields({
  ...PLATFORM,
  created: time,
  author: text,
  comment: text,
  docker_version: text,
  config: fields({
    User: text,
    ExposedPorts: map(fields({})),
    Env: list(text),
    Entrypoint: list(text),
    Cmd: list(text),
    Volumes: map(fields({})),
    WorkingDir: text,
    Labels: map(text),
    StopSignal: text,
    Healthcheck: fields({ Test: list(text), Retries: number, ...DURATIONS }),
    Shell: list(text),
    OnBuild: list(text),
  }),
  rootfs: fields({ type: text, diff_ids: list(text) }),
  history: list(
    fields({ created: time, created_by: text, author: text, comment: text, empty_layer: truth }),
  ),
});

/** Throws UserError if a document has not the shape. */
function checkShape(shape: Shape, value: unknown, what: string): void {
  const wrong = shape(value);
  if (wrong === undefined) return;
  throw bad(what, wrong.startsWith(":") ? wrong.slice(2) : `bad field ${wrong.replace(/^\./, "")}`);
}

/** The object without the fields that are `null`: to Go they are absent. */
function withoutNulls(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

function checkDescriptor(value: unknown, what: string): Descriptor {
  if (typeof value !== "object" || value === null) throw bad(what, "no descriptor");
  checkShape(DESCRIPTOR, value, what);
  const { platform, ...descriptor } = withoutNulls(value as Record<string, unknown>);
  const { digest, size, mediaType } = descriptor as Partial<Descriptor>;
  if (typeof digest !== "string" || !isDigest(digest)) throw bad(what, "bad digest of a part");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw bad(what, `bad size of part ${digest}`);
  }
  const { os, architecture } = (platform ?? {}) as Partial<ImagePlatform>;
  // A platform without a name is none: such entries are chosen only where nothing else is.
  return {
    ...descriptor,
    ...(os && architecture && { platform: withoutNulls(platform as Record<string, unknown>) }),
    mediaType: mediaType ?? "",
    digest,
    size,
  } as Descriptor;
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
    const version = JSON.stringify(document.schemaVersion)?.slice(0, 20);
    throw bad(what, `schema version ${version} is not supported`);
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
  const document = parseObject(bytes, what);
  checkShape(CONFIG, document, what);
  const { os, architecture, config, rootfs, history, ...rest } = withoutNulls(document);
  const diffIds = (rootfs as Partial<ImageConfig["rootfs"]> | undefined)?.diff_ids ?? [];
  if (!diffIds.every(isDigest)) throw bad(what, "bad list of diff ids");
  if (diffIds.length !== layers) {
    throw bad(what, `${layers} layers, but ${diffIds.length} diff ids`);
  }
  return {
    ...rest,
    os: (os as string | undefined) || "linux",
    architecture: (architecture as string | undefined) || "amd64",
    ...(config !== undefined && {
      config: withoutNulls(config as Record<string, unknown>) as ImageRunConfig,
    }),
    rootfs: { type: "layers", diff_ids: diffIds as Digest[] },
    ...(history !== undefined && { history: history as ImageConfig["history"] }),
  };
}

/** One image of docker's manifest.json: names of files in the archive. */
export interface ArchivedImage {
  Config: string;
  RepoTags?: string[] | null;
  Layers: string[];
}

/** Reads docker's manifest.json. */
export function parseArchiveList(bytes: Uint8Array): ArchivedImage[] {
  const what = "manifest.json";
  const images = parseJson(bytes, what);
  const image = fields({ Config: text, RepoTags: list(text), Layers: list(text) });
  checkShape(list(image), images, what);
  for (const { Config, Layers } of images as Partial<ArchivedImage>[]) {
    if (!Config || !Layers) throw bad(what, "an image without Config or Layers");
    if (Layers.length > MAX_LAYERS) throw bad(what, `more than ${MAX_LAYERS} layers`);
  }
  return images as ArchivedImage[];
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
