/** The last step of pull, load, import and commit: layers unpacked, record written, name given. */
import { UserError } from "../base/errors.ts";
import { putDocument, readDocument } from "./blobs.ts";
import type { Digest } from "./digest.ts";
import { ociLayer, parseConfig, parseManifest } from "./documents.ts";
import { chainIds } from "./hash.ts";
import { putNames } from "./index_file.ts";
import { RestartedError } from "./growing.ts";
import type { BlobsUnderWay, IncomingBlob } from "./incoming.ts";
import { ensureLayer } from "./layers.ts";
import { type ImageRecord, readRecord, writeRecord } from "./records.ts";
import type { Session } from "./session.ts";
import type { Store } from "./store.ts";
import {
  type Descriptor,
  DOCKER_MANIFEST,
  type ImageConfig,
  type Manifest,
  OCI_CONFIG,
  OCI_MANIFEST,
} from "./types.ts";

/** What to register. All its blobs are in the store. */
export interface Registration {
  manifest: Descriptor;
  /** Full names to give it. */
  names: readonly string[];
  /** The image it was made from. */
  parent?: Digest;
  /** What its documents say, by whoever has just written them. */
  made?: { manifest: Manifest; config: ImageConfig };
  /** Called when a layer begins to be unpacked, with the bytes done, and when it is there. */
  onLayer?: (index: number, event: { bytes: number } | "done") => void;
  /** Resolves when the blob of the layer is there, or the first bytes of it. */
  whenReady?: (index: number) => Promise<void>;
  /** Blobs that come in while they are unpacked. */
  incoming?: BlobsUnderWay;
}

/**
 * The manifest for the layout. Tools that read OCI layouts look past docker's media types, so a
 * manifest of docker's kind is stored in OCI's words too; only the types differ, the blobs do not.
 */
function storedManifest(session: Session, descriptor: Descriptor, manifest: Manifest): Descriptor {
  if (descriptor.mediaType !== DOCKER_MANIFEST) return descriptor;
  const content: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { ...manifest.config, mediaType: OCI_CONFIG },
    layers: manifest.layers.map(ociLayer),
  };
  return { mediaType: OCI_MANIFEST, ...putDocument(session, JSON.stringify(content)) };
}

/** An image whose layers are unpacked; nothing leads to it yet. */
export interface Prepared {
  wish: Registration;
  manifest: Manifest;
  config: ImageConfig;
  chain: Digest[];
  layerSizes: number[];
}

/** A manifest must not lie about sizes either: `save` and `push` announce them. */
function checkSize(store: Store, part: Descriptor, what: string): void {
  const { size } = Deno.statSync(store.blob(part.digest));
  if (size === part.size) return;
  throw new UserError(`Cannot use ${what}: ${part.digest} has ${size} bytes, not ${part.size}`);
}

/** Unpacks the layers in order, lowest first. */
export async function prepare(session: Session, wish: Registration): Promise<Prepared> {
  const { store } = session;
  const what = `manifest ${wish.manifest.digest}`;
  const manifest = wish.made?.manifest ??
    parseManifest(readDocument(store, wish.manifest.digest), what);
  const id = manifest.config.digest;
  const config = wish.made?.config ??
    parseConfig(readDocument(store, id), manifest.layers.length, `image ${id}`);
  checkSize(store, manifest.config, what);
  const chain = chainIds(config.rootfs.diff_ids);
  const layerSizes: number[] = [];
  for (const [i, layer] of manifest.layers.entries()) {
    await wish.whenReady?.(i);
    const coming = wish.incoming?.get(layer.digest);
    if (coming === undefined) checkSize(store, layer, what);
    let done = 0;
    const unpack = (from: Partial<IncomingBlob>) =>
      ensureLayer(session, {
        blob: layer.digest,
        range: { path: store.blob(layer.digest), offset: 0, size: layer.size },
        ...from,
        diffId: config.rootfs.diff_ids[i],
        chain: chain.slice(0, i + 1),
        onProgress: (count) => wish.onLayer?.(i, { bytes: done += count }),
      });
    const { size } = coming === undefined ? await unpack({}) : await unpackComing(coming, unpack);
    wish.onLayer?.(i, "done");
    layerSizes.push(size);
  }
  return { wish, manifest, config, chain, layerSizes };
}

/** What is wrong with the blob itself is told first; one that began anew is unpacked when whole. */
async function unpackComing<T>(
  coming: IncomingBlob,
  unpack: (from: Partial<IncomingBlob>) => Promise<T>,
): Promise<T> {
  try {
    return await unpack(coming);
  } catch (error) {
    await coming.whole;
    if (!(error instanceof RestartedError)) throw error;
    return await unpack({});
  } finally {
    await coming.whole;
  }
}

/** Makes a prepared image known under its names. Its record. */
export function publish(session: Session, prepared: Prepared): ImageRecord {
  const { store } = session;
  const { wish, manifest, config, chain, layerSizes } = prepared;
  const id = manifest.config.digest;
  const known = readRecord(store, id);
  const stored = storedManifest(session, wish.manifest, manifest);
  const record: ImageRecord = {
    id,
    manifest: stored,
    ...(stored.digest !== wish.manifest.digest && { original: wish.manifest }),
    config,
    chain,
    layerSizes,
    lastTagTime: new Date().toISOString(),
    ...((wish.parent ?? known?.parent) && { parent: wish.parent ?? known?.parent }),
  };
  writeRecord(store, record);
  putNames(store, id, stored, wish.names);
  return record;
}

/** Unpacks the layers and makes the image known. Its record. */
export async function register(session: Session, wish: Registration): Promise<ImageRecord> {
  return publish(session, await prepare(session, wish));
}
