/**
 * Finds a local image by what the user typed. On the hot path of `run`: no `node:` imports, two
 * files read (index.json and the image's record).
 */
import { type Digest, isDigest } from "./digest.ts";
import { suspects } from "./durability.ts";
import { type IndexEntry, readEntries } from "./index_file.ts";
import { type ImageRecord, lostRecord, readRecord } from "./records.ts";
import {
  BadNameError,
  familiarName,
  familiarRepository,
  parseReference,
  type Reference,
  repositoryOf,
  storedName,
} from "./reference.ts";
import { Store } from "./store.ts";
import type { ImageRunConfig } from "./types.ts";
import { hostPlatform } from "../base/platform.ts";

/** The image that is always there: this machine's own root. */
export const HOST_IMAGE = "host";

/** Does `name` mean that one? */
export const isHostImage = (name: string): boolean =>
  name === HOST_IMAGE || name === `${HOST_IMAGE}:latest`;

/** An image ready to run. */
export interface LocalImage {
  /** "sha256:…"; empty for the host image. */
  id: Digest | "";
  config: ImageRunConfig;
  os: string;
  architecture: string;
  variant?: string;
  /** RFC 3339. */
  created?: string;
  /** Lower directories of overlayfs, topmost first, as absolute paths. */
  layers: string[];
  /** The same relative to `layersRoot`, 18 characters each; none for the host image. */
  shortLayers: string[];
  layersRoot: string;
  /** Short forms: "busybox:latest". */
  repoTags: string[];
  /** Short forms: "busybox@sha256:…". */
  repoDigests: string[];
  /** The machine went down since it was stored: opening a Session repairs it first. */
  suspect: boolean;
}

/** More than one image's id starts with what the user typed. */
export class AmbiguousIdError extends Error {
  override name = "AmbiguousIdError";
}

const HOST: ImageRunConfig = {
  Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  Cmd: ["/bin/sh"],
};

function hostImage(root: string): LocalImage {
  return {
    id: "",
    config: HOST,
    ...hostPlatform(),
    layers: ["/"],
    shortLayers: [],
    layersRoot: root,
    repoTags: [`${HOST_IMAGE}:latest`],
    repoDigests: [],
    suspect: false,
  };
}

function byName(entries: readonly IndexEntry[], text: string): Digest | undefined {
  let reference: Reference;
  try {
    reference = parseReference(text);
  } catch (error) {
    if (error instanceof BadNameError) return undefined;
    throw error;
  }
  const name = storedName(reference);
  const exact = entries.find((entry) => entry.name === name);
  if (exact !== undefined || reference.digest === undefined) return exact?.id;
  const prefix = `${repositoryOf(reference)}:`;
  return entries.find((entry) =>
    entry.manifest.digest === reference.digest && entry.name?.startsWith(prefix)
  )?.id;
}

/**
 * The id of the image that `text` names: a whole id, a name, the unambiguous start of an id, in
 * this order. Throws AmbiguousIdError if several ids start with it.
 */
export function resolveId(entries: readonly IndexEntry[], text: string): Digest | undefined {
  const whole = /^[0-9a-f]{64}$/.test(text) ? `sha256:${text}` : text;
  if (isDigest(whole) && entries.some((entry) => entry.id === whole)) return whole;
  const named = byName(entries, text);
  if (named !== undefined) return named;
  const start = /^(?:sha256:)?([0-9a-f]{1,63})$/.exec(text)?.[1];
  if (start === undefined) return undefined;
  const ids = new Set(entries.map((entry) => entry.id));
  const found = [...ids].filter((id) => id.startsWith(`sha256:${start}`));
  if (found.length > 1) throw new AmbiguousIdError(`ambiguous image ID prefix "${text}"`);
  return found[0];
}

/** The names of one image in short form. */
export function namesOf(
  entries: readonly IndexEntry[],
  id: Digest,
): { repoTags: string[]; repoDigests: string[] } {
  const repoTags: string[] = [];
  const repoDigests: string[] = [];
  for (const entry of entries) {
    if (entry.id !== id || entry.name === undefined) continue;
    const reference = parseReference(entry.name);
    if (reference.digest === undefined) repoTags.push(familiarName(reference));
    else repoDigests.push(`${familiarRepository(reference)}@${reference.digest}`);
  }
  return { repoTags: repoTags.sort(), repoDigests: repoDigests.sort() };
}

/**
 * The image that `name` means, ready to run; undefined if it is not here. `root` is the data
 * directory. Throws AmbiguousIdError.
 */
export function lookupImage(root: string, name: string): LocalImage | undefined {
  const store = new Store(root);
  if (isHostImage(name)) return hostImage(store.layers);
  const entries = readEntries(store);
  const id = resolveId(entries, name);
  if (id === undefined) return undefined;
  const record = readRecord(store, id);
  if (record === undefined) return undefined;
  return localImage(store, record, entries);
}

/** Why an image that has a name here cannot be used; undefined if there is none of that name. */
export function whyLost(root: string, name: string): string | undefined {
  const store = new Store(root);
  const id = resolveId(readEntries(store), name);
  return id && lostRecord(store, id, name).message;
}

function localImage(
  store: Store,
  record: ImageRecord,
  entries: readonly IndexEntry[],
): LocalImage {
  const { config } = record;
  const topmostFirst = record.chain.toReversed();
  return {
    id: record.id,
    config: config.config ?? {},
    os: config.os,
    architecture: config.architecture,
    ...(config.variant && { variant: config.variant }),
    ...(config.created && { created: config.created }),
    layers: topmostFirst.map((chainId) => store.layerRoot(chainId)),
    shortLayers: topmostFirst.map((chainId) => store.shortLayer(chainId)),
    layersRoot: store.layers,
    ...namesOf(entries, record.id),
    suspect: suspects(store).length > 0,
  };
}
