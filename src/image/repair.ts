/** Makes images whole again after layers or blobs turned out to be lost. */
import { hasBlob, readDocument } from "./blobs.ts";
import { parseManifest } from "./documents.ts";
import { readEntries, updateEntries } from "./index_file.ts";
import { type ImageRecord, readLayer, readRecord } from "./records.ts";
import type { Digest } from "./digest.ts";
import type { Descriptor } from "./types.ts";
import { register } from "./register.ts";
import type { Session } from "./session.ts";

/** What was done. */
export interface Repaired {
  /** Ids whose layers were unpacked again. */
  restored: string[];
  /** Ids that were dropped because a blob is gone. */
  dropped: string[];
}

function isWhole(session: Session, record: ImageRecord): boolean {
  return record.chain.every((chainId) => readLayer(session.store, chainId) !== undefined);
}

function hasAllBlobs({ store }: Session, { digest, size }: Descriptor, id: Digest): boolean {
  if (!hasBlob(store, digest, size) || !hasBlob(store, id)) return false;
  const manifest = parseManifest(readDocument(store, digest), id);
  return manifest.layers.every((layer) => hasBlob(store, layer.digest, layer.size));
}

/** Unpacks missing layers from their blobs; forgets images whose blobs are gone. */
export async function repairImages(session: Session): Promise<Repaired> {
  const { store } = session;
  const result: Repaired = { restored: [], dropped: [] };
  const manifests = new Map(readEntries(store).map(({ id, manifest }) => [id, manifest]));
  for (const [id, manifest] of manifests) {
    const record = readRecord(store, id);
    if (hasAllBlobs(session, manifest, id)) {
      if (record !== undefined && isWhole(session, record)) continue;
      await register(session, { manifest, names: [] });
      result.restored.push(id);
      continue;
    }
    updateEntries(store, (entries, forget) => {
      forget(id);
      return { entries: entries.filter((entry) => entry.id !== id), result: undefined };
    });
    result.dropped.push(id);
  }
  return result;
}
