/**
 * What builds remember: of each instruction, by what it was given, when it was carried out and the
 * layer it made. The layers are kept from the collection of garbage as those of images are.
 */
import {
  makeDirectories,
  namesIn,
  readIfThere,
  removeIfThere,
  writeAtomic,
} from "../base/files.ts";
import { hasBlob } from "./blobs.ts";
import { type Digest, hexOf, isDigest } from "./digest.ts";
import { readLayer } from "./records.ts";
import { isThere, type Store } from "./store.ts";
import type { Descriptor } from "./types.ts";

/** One instruction that was carried out. */
export interface CachedStep {
  readonly key: Digest;
  /** RFC 3339. */
  readonly created: string;
  /** The instruction, for who lists them. */
  readonly text: string;
  /** Absent: it made none. */
  readonly layer?: { readonly descriptor: Descriptor; readonly diffId: Digest };
  /** The unpacked layer. */
  readonly chainId?: Digest;
}

function directory(store: Store): string {
  return `${store.root}/build/cache`;
}

function pathOf(store: Store, key: Digest): string {
  return `${directory(store)}/${hexOf(key)}.json`;
}

/** The step of a key, if it was carried out and what it made is there. */
export function findStep(store: Store, key: Digest): CachedStep | undefined {
  const step = readStep(store, `${hexOf(key)}.json`);
  if (step === undefined) return undefined;
  const { layer } = step;
  if (layer && !hasBlob(store, layer.descriptor.digest, layer.descriptor.size)) return undefined;
  const now = new Date();
  Deno.utimeSync(pathOf(store, key), now, now);
  return step;
}

/** A record; undefined: damaged, which is as good as none. */
function readStep(store: Store, name: string): CachedStep | undefined {
  try {
    const step = JSON.parse(readIfThere(`${directory(store)}/${name}`) ?? "null");
    const isWhole = isDigest(step?.key) && name === `${hexOf(step.key)}.json` &&
      typeof step.created === "string" && typeof step.text === "string" &&
      (step.layer === undefined ||
        isDigest(step.layer.diffId) && isDigest(step.layer.descriptor?.digest));
    return isWhole ? step : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Remembers a step; one of the same key is forgotten. */
export function keepStep(store: Store, step: CachedStep): void {
  makeDirectories(directory(store));
  writeAtomic(pathOf(store, step.key), JSON.stringify(step));
}

/** All steps that are remembered. */
export function cachedSteps(store: Store): CachedStep[] {
  return namesIn(directory(store)).filter((name) => /^[0-9a-f]{64}\.json$/.test(name))
    .flatMap((name) => readStep(store, name) ?? []);
}

/** Forgets a step. */
export function forgetStep(store: Store, key: Digest): void {
  removeIfThere(pathOf(store, key));
}

/** When a step was used last, in ms since 1970. */
export function lastUsedMs(store: Store, key: Digest): number {
  const path = pathOf(store, key);
  return isThere(path) ? Deno.statSync(path).mtime?.getTime() ?? 0 : 0;
}

/** Bytes of the files of a step's layer. */
export function stepSize(store: Store, { chainId, layer }: CachedStep): number {
  if (layer === undefined) return 0;
  const unpacked = chainId === undefined ? undefined : readLayer(store, chainId);
  return unpacked?.size ?? layer.descriptor.size;
}
