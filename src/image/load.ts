/** Loads images from archives: docker's two layouts and OCI's, compressed or not. */
import { UserError } from "../base/errors.ts";
import { hasBlob, keepBlob, MAX_DOCUMENT, putDocument, readDocument } from "./blobs.ts";
import { BlobWriter } from "./blobs.ts";
import { decompress, fileChunks, sniff } from "./compression.ts";
import type { Digest } from "./digest.ts";
import {
  type ArchivedImage,
  isIndexType,
  manifestType,
  parseArchiveList,
  parseIndex,
  parseManifest,
  parseObject,
} from "./documents.ts";
import { hostPlatform, selectPlatform } from "./platform.ts";
import type { ImageRecord } from "./records.ts";
import { familiarName, fullName, parseReference, withDefaultTag } from "./reference.ts";
import { prepare, type Prepared, publish } from "./register.ts";
import { orCollect } from "./gc.ts";
import { expectMuch } from "./hash.ts";
import { Session } from "./session.ts";
import { Spool, type Spooled } from "./spool.ts";
import type { Store } from "./store.ts";
import { TarReader } from "./tar.ts";
import {
  type Descriptor,
  type ImagePlatform,
  type Manifest,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
  OCI_MANIFEST,
} from "./types.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** An image that was loaded, with the short names it was given. */
export interface Loaded {
  record: ImageRecord;
  names: string[];
}

/** What is to be told while loading. */
export interface LoadOptions {
  platform?: ImagePlatform;
  /** Layers of the image being loaded: unpacked bytes or "done". */
  onLayer?: (digest: Digest, size: number, event: { bytes: number } | "done") => void;
}

/** Reads a whole archive and makes all its images known. Nothing is kept if any part is broken. */
export async function loadArchive(
  store: Store,
  source: AsyncIterable<Bytes>,
  options: LoadOptions = {},
): Promise<Loaded[]> {
  return await orCollect(store, () => load(store, source, options));
}

async function load(
  store: Store,
  source: AsyncIterable<Bytes>,
  options: LoadOptions,
): Promise<Loaded[]> {
  using session = await Session.open(store);
  await expectMuch();
  using spool = new Spool(session);
  const reader = new TarReader(spool);
  const { chunks } = await decompress(source);
  for await (const chunk of chunks) reader.push(chunk);
  reader.finish();
  const wishes = spool.get("manifest.json") !== undefined
    ? await fromDocker(session, spool)
    : spool.get("index.json") !== undefined
    ? fromOci(session, spool, options.platform ?? hostPlatform())
    : undefined;
  if (wishes === undefined) {
    throw new UserError("Cannot load archive: it has neither manifest.json nor index.json");
  }
  // All names are read and all layers unpacked before the first image is made known.
  const named = wishes.map(({ descriptor, names }) => ({
    descriptor,
    references: names.map((name) => withDefaultTag(parseReference(name))),
  }));
  const prepared: Prepared[] = [];
  for (const { descriptor, references } of named) {
    const { layers } = parseManifest(readDocument(store, descriptor.digest), "manifest");
    prepared.push(
      await prepare(session, {
        manifest: descriptor,
        names: references.map(fullName),
        onLayer: (i, event) => options.onLayer?.(layers[i].digest, layers[i].size, event),
      }),
    );
  }
  return prepared.map((image, i) => ({
    record: publish(session, image),
    names: named[i].references.map(familiarName),
  }));
}

interface Wish {
  descriptor: Descriptor;
  names: string[];
}

function documentOf(file: Spooled, what: string): Bytes {
  if (file.size > MAX_DOCUMENT) throw new UserError(`Cannot load ${what}: ${file.size} bytes`);
  return Deno.readFileSync(file.path);
}

/** Moves a file into the layout; it may be asked for again, by another image of the archive. */
function keep({ store }: Session, file: Spooled): void {
  if (!hasBlob(store, file.digest)) keepBlob(store, file.digest, file.path);
  file.path = store.blob(file.digest);
}

async function fromDocker(session: Session, spool: Spool): Promise<Wish[]> {
  const bytes = documentOf(spool.need("manifest.json"), "manifest.json");
  const wishes: Wish[] = [];
  for (const item of parseArchiveList(bytes)) {
    const config = spool.need(item.Config);
    const original = originalManifest(spool, config.digest);
    const descriptor = original ?? await makeManifest(session, spool, item, config);
    keepParts(session, spool, original, config);
    wishes.push({ descriptor, names: item.RepoTags ?? [] });
  }
  return wishes;
}

/** Archives of docker 25 and later have the image's own manifest too; then its digest is kept. */
function originalManifest(spool: Spool, config: Digest): Descriptor | undefined {
  const index = spool.get("index.json");
  if (index === undefined) return undefined;
  for (const entry of parseIndex(documentOf(index, "index.json"), "index.json").manifests) {
    const file = spool.get(blobName(entry.digest));
    if (file === undefined || isIndexType(entry.mediaType)) continue;
    const manifest = parseManifest(documentOf(file, entry.digest), entry.digest);
    const whole = manifest.layers.every((layer) => spool.get(blobName(layer.digest)));
    if (manifest.config.digest === config && whole) {
      return { mediaType: entry.mediaType || OCI_MANIFEST, digest: file.digest, size: file.size };
    }
  }
  return undefined;
}

function blobName(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function keepParts(
  session: Session,
  spool: Spool,
  descriptor: Descriptor | undefined,
  config: Spooled,
): void {
  keep(session, config);
  if (descriptor === undefined) return;
  const file = spool.need(blobName(descriptor.digest));
  const manifest = parseManifest(documentOf(file, descriptor.digest), descriptor.digest);
  for (const part of [manifest.config, ...manifest.layers]) {
    keepVerified(session, spool, part);
  }
  keep(session, file);
}

function keepVerified(session: Session, spool: Spool, part: Descriptor): void {
  if (hasBlob(session.store, part.digest)) return;
  const file = spool.need(blobName(part.digest));
  if (file.digest !== part.digest || file.size !== part.size) {
    throw new UserError(
      `Cannot load blob ${part.digest}: the archive has ${file.digest} of ${file.size} bytes`,
    );
  }
  keep(session, file);
}

async function makeManifest(
  session: Session,
  spool: Spool,
  item: ArchivedImage,
  config: Spooled,
): Promise<Descriptor> {
  const layers: Descriptor[] = [];
  for (const name of item.Layers) layers.push(await keepLayer(session, spool.need(name)));
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.size },
    layers,
  };
  return { mediaType: OCI_MANIFEST, ...putDocument(session, JSON.stringify(manifest)) };
}

const LAYER_TYPES = { none: OCI_LAYER, gzip: OCI_LAYER_GZIP, zstd: OCI_LAYER_ZSTD } as const;

/** Keeps a layer as it is if its compression is one that manifests can name, else as plain tar. */
export async function keepLayer(session: Session, file: Spooled): Promise<Descriptor> {
  const compression = sniffFile(file.path);
  if (compression !== "bzip2" && compression !== "xz") {
    keep(session, file);
    return { mediaType: LAYER_TYPES[compression], digest: file.digest, size: file.size };
  }
  using writer = new BlobWriter(session);
  const { chunks } = await decompress(fileChunks(Deno.openSync(file.path)));
  for await (const chunk of chunks) writer.write(chunk);
  return { mediaType: OCI_LAYER, ...writer.keep() };
}

function sniffFile(path: string): ReturnType<typeof sniff> {
  using file = Deno.openSync(path);
  const head = new Uint8Array(6);
  return sniff(head.subarray(0, file.readSync(head) ?? 0));
}

function fromOci(session: Session, spool: Spool, platform: ImagePlatform): Wish[] {
  const index = parseIndex(documentOf(spool.need("index.json"), "index.json"), "index.json");
  return index.manifests.map((entry) => {
    const descriptor = imageManifest(spool, entry, platform);
    const file = spool.need(blobName(descriptor.digest));
    if (file.digest !== descriptor.digest) {
      throw new UserError(
        `Cannot load manifest ${descriptor.digest}: the archive has ${file.digest}`,
      );
    }
    const manifest = parseManifest(documentOf(file, descriptor.digest), descriptor.digest);
    for (const part of [manifest.config, ...manifest.layers]) keepVerified(session, spool, part);
    keep(session, file);
    return { descriptor, names: nameOf(entry) };
  });
}

/** The manifest an entry means on this machine: itself, or the fitting one of a nested index. */
function imageManifest(spool: Spool, entry: Descriptor, platform: ImagePlatform): Descriptor {
  const bytes = documentOf(spool.need(blobName(entry.digest)), entry.digest);
  const mediaType = manifestType(parseObject(bytes, entry.digest), entry.mediaType);
  if (!isIndexType(mediaType)) {
    return { mediaType, digest: entry.digest, size: bytes.length };
  }
  const chosen = selectPlatform(parseIndex(bytes, entry.digest).manifests, platform);
  if (chosen === undefined || isIndexType(chosen.mediaType)) {
    throw new UserError(
      `no matching manifest for ${platform.os}/${platform.architecture} in the manifest list entries`,
    );
  }
  return { mediaType: chosen.mediaType, digest: chosen.digest, size: chosen.size };
}

/** A bare tag without a repository names nothing here. */
function nameOf(entry: Descriptor): string[] {
  const name = entry.annotations?.["io.containerd.image.name"] ??
    entry.annotations?.["org.opencontainers.image.ref.name"] ?? "";
  return /[:/]/.test(name) ? [name] : [];
}
