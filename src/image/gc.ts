/** Removes what no image needs any more: blobs, unpacked layers, records. */
import { UserError } from "../base/errors.ts";
import { readDocument } from "./blobs.ts";
import { cachedSteps } from "./build_cache.ts";
import { type Digest, hexOf, parseDigest } from "./digest.ts";
import { isIndexType, manifestType, parseIndex, parseManifest, parseObject } from "./documents.ts";
import { heldImages } from "./held_images.ts";
import { foreignManifests, readEntries } from "./index_file.ts";
import { tryLock } from "./locks.ts";
import { readRecord } from "./records.ts";
import { removePath } from "./remove_path.ts";
import { isThere, type Store } from "./store.ts";

/** What went. */
export interface Collected {
  /** Bytes of the blobs and, counted as files, of the layers. */
  bytes: number;
  layers: Digest[];
}

/** Everything that some entry of the index leads to, or a container stands on. */
function reachable(
  store: Store,
): { blobs: Set<string>; layers: Set<string>; records: Set<string>; isSure: boolean } {
  let isSure = true;
  const blobs = new Set<string>();
  const layers = new Set<string>();
  const records = new Set<string>();
  const follow = (digest: Digest): void => {
    if (blobs.has(hexOf(digest))) return;
    blobs.add(hexOf(digest));
    if (!isThere(store.blob(digest))) return;
    const bytes = readIfWhole(store, digest);
    if (bytes === undefined) {
      isSure = false;
      return;
    }
    const mediaType = manifestType(parseObject(bytes, digest), "");
    if (isIndexType(mediaType)) {
      return parseIndex(bytes, digest).manifests.forEach((entry) => follow(entry.digest));
    }
    const manifest = parseManifest(bytes, digest);
    for (const part of [manifest.config, ...manifest.layers]) blobs.add(hexOf(part.digest));
  };
  for (const entry of readEntries(store)) {
    follow(entry.manifest.digest);
    records.add(`${hexOf(entry.id)}.json`);
    const record = readRecord(store, entry.id);
    isSure &&= record !== undefined;
    if (record?.original !== undefined) follow(record.original.digest);
    for (const chainId of record?.chain ?? []) layers.add(hexOf(chainId));
  }
  for (const id of heldImages(store)) {
    const record = readRecord(store, id);
    if (record === undefined) continue; // its entry says so, if it has one
    follow(record.manifest.digest);
    records.add(`${hexOf(id)}.json`);
    for (const chainId of record.chain) layers.add(hexOf(chainId));
  }
  for (const digest of foreignManifests(store)) follow(digest);
  for (const { layer, chainId } of cachedSteps(store)) {
    if (layer !== undefined) blobs.add(hexOf(layer.descriptor.digest));
    if (chainId !== undefined) layers.add(hexOf(chainId));
  }
  return { blobs, layers, records, isSure };
}

/** A document; undefined if it is damaged: nobody knows any more what it kept. */
function readIfWhole(store: Store, digest: Digest): Uint8Array<ArrayBuffer> | undefined {
  try {
    return readDocument(store, digest);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/**
 * Collects garbage if no writer is at work; undefined if one is: then the next collection does
 * it. Layers are renamed away first, so that a killed collection leaves no half layer.
 */
export function collectGarbage(store: Store): Collected | undefined {
  store.create();
  using alone = tryLock(store.lock("gc"), "exclusive");
  if (alone === undefined) return undefined;
  const needed = reachable(store);
  const result: Collected = { bytes: 0, layers: [] };
  // What a damaged image stands on is unknown, and containers may stand on it: it is kept until
  // that image is mended or removed.
  if (!needed.isSure) return result;
  for (const { name } of Deno.readDirSync(store.blobs)) {
    if (needed.blobs.has(name)) continue;
    const path = `${store.blobs}/${name}`;
    result.bytes += Deno.lstatSync(path).size;
    removePath(path);
  }
  for (const { name } of Deno.readDirSync(store.layers)) {
    if (name === "l" || needed.layers.has(name) || !/^[0-9a-f]{64}$/.test(name)) continue;
    const chainId = parseDigest(`sha256:${name}`);
    result.layers.push(chainId);
    removeLayer(store, chainId);
  }
  for (const { name } of Deno.readDirSync(store.records)) {
    if (!needed.records.has(name)) removePath(`${store.records}/${name}`);
  }
  for (const { name } of Deno.readDirSync(`${store.root}/locks`)) {
    if (name.startsWith("layer-") || name.startsWith("blob-")) removePath(store.lock(name));
  }
  return result;
}

function removeLayer(store: Store, chainId: Digest): void {
  const away = `${store.tmp}/removed-${Deno.pid}-${hexOf(chainId)}`;
  // The lock file tells sweepers that this one is being removed; a killed one is swept.
  using _lock = tryLock(`${away}.lock`, "exclusive");
  Deno.renameSync(store.layer(chainId), away);
  removePath(`${store.layers}/${store.shortLayer(chainId)}`);
  removePath(away);
  removePath(`${away}.lock`);
}

/** Does `work`; if it fails, removes what it had stored already. */
export async function orCollect<T>(store: Store, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    collectGarbage(store);
    throw error;
  }
}
