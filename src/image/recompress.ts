/**
 * Layers made here are stored as plain tars: commit and load do not wait for gzip. A push
 * compresses them once, in place: the image keeps its id, its manifest names the gzip files.
 */
import { createGzip } from "node:zlib";
import { BlobWriter, putDocument, readDocument } from "./blobs.ts";
import { CHUNK, fileChunks, through } from "./compression.ts";
import { parseManifest } from "./documents.ts";
import { expectMuch } from "./hash.ts";
import { updateEntries } from "./index_file.ts";
import { type ImageRecord, writeRecord } from "./records.ts";
import type { Session } from "./session.ts";
import { type Descriptor, OCI_LAYER, OCI_LAYER_GZIP, OCI_MANIFEST } from "./types.ts";

/** Whether any layer of the image is an uncompressed tar. */
function hasPlainLayers(layers: readonly Descriptor[]): boolean {
  return layers.some((layer) => layer.mediaType === OCI_LAYER);
}

/** A stored layer as a gzip file, stored too; itself if it is compressed already. */
export async function compressLayer(session: Session, layer: Descriptor): Promise<Descriptor> {
  if (layer.mediaType !== OCI_LAYER) return layer;
  await expectMuch();
  using writer = new BlobWriter(session);
  const source = fileChunks(Deno.openSync(session.store.blob(layer.digest)));
  for await (const chunk of through(source, createGzip({ chunkSize: CHUNK }))) {
    writer.write(chunk);
  }
  return { ...layer, mediaType: OCI_LAYER_GZIP, ...writer.keep() };
}

/** The image with all layers compressed; all its names point to the new manifest. */
export async function compressLayers(session: Session, record: ImageRecord): Promise<ImageRecord> {
  const { store } = session;
  const { digest } = record.manifest;
  const manifest = parseManifest(readDocument(store, digest), digest);
  if (!hasPlainLayers(manifest.layers)) return record;
  const layers: Descriptor[] = [];
  for (const layer of manifest.layers) layers.push(await compressLayer(session, layer));
  const document = putDocument(session, JSON.stringify({ ...manifest, layers }));
  const changed = { ...record, manifest: { mediaType: OCI_MANIFEST, ...document } };
  delete changed.original;
  writeRecord(store, changed);
  updateEntries(store, (entries) => ({
    entries: entries.map((entry) =>
      entry.id === record.id ? { ...entry, manifest: changed.manifest } : entry
    ),
    result: undefined,
  }));
  return changed;
}
