/** Loads images from archives: docker's two layouts and OCI's, compressed or not. */
import { UserError } from "../base/errors.ts";
import type { ArchivedFile, ArchiveFiles, ArchiveSource } from "./archive_files.ts";
import { BlobWriter, hasBlob, putDocument, readDocument } from "./blobs.ts";
import { archiveChunks, decompress, fileChunks } from "./compression.ts";
import type { Digest } from "./digest.ts";
import {
  type ArchivedImage,
  isIndexType,
  manifestType,
  parseArchiveList,
  parseConfig,
  parseIndex,
  parseManifest,
  parseObject,
} from "./documents.ts";
import { hostPlatform } from "../base/platform.ts";
import { selectPlatform } from "./platform.ts";
import type { ImageRecord } from "./records.ts";
import { familiarName, fullName, parseReference, withDefaultTag } from "./reference.ts";
import { prepare, type Prepared, publish } from "./register.ts";
import { orCollect } from "./gc.ts";
import { expectMuch } from "./hash.ts";
import { readEntries } from "./index_file.ts";
import { Incoming, type Spooled } from "./incoming.ts";
import { Session } from "./session.ts";
import { lookThrough, Spool } from "./spool.ts";
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
  REF_NAME,
} from "./types.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** An image that was loaded, with the short names it was given. */
export interface Loaded {
  record: ImageRecord;
  names: string[];
  /** Names that other images had until now. */
  taken: { name: string; from: Digest }[];
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
  source: ArchiveSource,
  options: LoadOptions = {},
): Promise<Loaded[]> {
  return await orCollect(store, () => load(store, source, options));
}

async function load(
  store: Store,
  source: ArchiveSource,
  options: LoadOptions,
): Promise<Loaded[]> {
  using session = await Session.open(store);
  await expectMuch();
  const incoming = new Incoming(session);
  try {
    return await loadInto({ session, incoming, files: await filesOf(session, source) }, options);
  } finally {
    await incoming.end();
  }
}

/** The archive's files; those of a stream are all in temporary blobs then. */
async function filesOf(session: Session, source: ArchiveSource): Promise<ArchiveFiles> {
  if ("path" in source) {
    const files = lookThrough(session, source.path);
    if (files !== undefined) return files;
    source = archiveChunks(Deno.openSync(source.path));
  }
  using spool = new Spool(session);
  const reader = new TarReader(spool);
  const { chunks } = await decompress(source);
  for await (const chunk of chunks) reader.push(chunk);
  reader.finish();
  return spool.files;
}

/** A load under way. */
export interface Loading {
  session: Session;
  files: ArchiveFiles;
  incoming: Incoming;
}

async function loadInto(loading: Loading, options: LoadOptions): Promise<Loaded[]> {
  const { session, files, incoming } = loading;
  const { store } = session;
  const wishes = files.get("manifest.json") !== undefined
    ? await fromDocker(loading)
    : files.get("index.json") !== undefined
    ? await fromOci(loading, options.platform ?? hostPlatform())
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
        incoming,
        onLayer: (i, event) => options.onLayer?.(layers[i].digest, layers[i].size, event),
      }),
    );
  }
  return prepared.map((image, i) => {
    const { references } = named[i];
    const id = image.manifest.config.digest;
    const taken = references.flatMap((reference) => {
      const owner = readEntries(store).find(({ name }) => name === fullName(reference));
      return owner === undefined || owner.id === id
        ? []
        : [{ name: familiarName(reference), from: owner.id }];
    });
    return { record: publish(session, image), names: references.map(familiarName), taken };
  });
}

interface Wish {
  descriptor: Descriptor;
  names: string[];
}

async function fromDocker(loading: Loading): Promise<Wish[]> {
  const { files } = loading;
  const bytes = files.need("manifest.json").document("manifest.json");
  const wishes: Wish[] = [];
  for (const item of parseArchiveList(bytes)) {
    const config = await files.need(item.Config).keep();
    const original = originalManifest(files, config.digest);
    if (original === undefined) {
      wishes.push({ descriptor: await makeManifest(loading, item, config), names: namesOf(item) });
      continue;
    }
    await keepManifest(loading, original);
    wishes.push({ descriptor: original, names: namesOf(item) });
  }
  return wishes;
}

function namesOf(item: ArchivedImage): string[] {
  return item.RepoTags ?? [];
}

/** Archives of docker 25 and later have the image's own manifest too; then its digest is kept. */
function originalManifest(files: ArchiveFiles, config: Digest): Descriptor | undefined {
  const index = files.get("index.json");
  if (index === undefined) return undefined;
  for (const entry of parseIndex(index.document("index.json"), "index.json").manifests) {
    const file = files.get(blobName(entry.digest));
    if (file === undefined || isIndexType(entry.mediaType)) continue;
    const manifest = parseManifest(file.document(entry.digest), entry.digest);
    const whole = manifest.layers.every((layer) => files.get(blobName(layer.digest)));
    if (manifest.config.digest === config && whole) {
      return {
        mediaType: entry.mediaType || OCI_MANIFEST,
        digest: entry.digest,
        size: file.size,
      };
    }
  }
  return undefined;
}

function blobName(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** Keeps a manifest of the archive and all that it names. */
export async function keepManifest(loading: Loading, descriptor: Descriptor): Promise<void> {
  const file = loading.files.need(blobName(descriptor.digest));
  const { digest } = await file.spooled();
  if (digest !== descriptor.digest) {
    throw new UserError(`Cannot load manifest ${descriptor.digest}: the archive has ${digest}`);
  }
  const manifest = parseManifest(file.document(descriptor.digest), descriptor.digest);
  await keepVerified(loading, manifest.config);
  for (const layer of manifest.layers) await bringLayer(loading, layer);
  await file.keep();
}

function checkSize(part: Descriptor, file: ArchivedFile, digest: Digest): void {
  if (digest === part.digest && file.size === part.size) return;
  throw new UserError(
    `Cannot load blob ${part.digest}: the archive has ${digest} of ${file.size} bytes`,
  );
}

async function keepVerified({ session, files }: Loading, part: Descriptor): Promise<void> {
  if (hasBlob(session.store, part.digest, part.size)) return;
  const file = files.need(blobName(part.digest));
  checkSize(part, file, (await file.spooled()).digest);
  await file.keep();
}

/** Lets a layer come in while it is unpacked. */
async function bringLayer(loading: Loading, part: Descriptor): Promise<void> {
  const { session, files, incoming } = loading;
  if (hasBlob(session.store, part.digest, part.size)) return;
  const file = files.need(blobName(part.digest));
  if (file.isSpooled) return await keepVerified(loading, part);
  checkSize(part, file, part.digest);
  incoming.start(part.digest, file.range);
}

async function makeManifest(
  loading: Loading,
  item: ArchivedImage,
  config: Spooled,
): Promise<Descriptor> {
  const { session, files } = loading;
  const bytes = readDocument(session.store, config.digest);
  const { rootfs } = parseConfig(bytes, item.Layers.length, `image ${config.digest}`);
  const layers: Descriptor[] = [];
  for (const [i, name] of item.Layers.entries()) {
    layers.push(await keepLayer(loading, files.need(name), rootfs.diff_ids[i]));
  }
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
async function keepLayer(
  { session, incoming }: Loading,
  file: ArchivedFile,
  diffId: Digest,
): Promise<Descriptor> {
  const compression = file.compression();
  if (compression === "none" && !file.isSpooled) {
    // Its digest must be that of the config, so it can be unpacked while it comes in.
    incoming.start(diffId, file.range);
    return { mediaType: OCI_LAYER, digest: diffId, size: file.size };
  }
  if (compression !== "bzip2" && compression !== "xz") {
    const { digest, size } = await file.keep();
    return { mediaType: LAYER_TYPES[compression], digest, size };
  }
  using writer = new BlobWriter(session);
  const { path } = await file.spooled();
  const { chunks } = await decompress(fileChunks(Deno.openSync(path)));
  for await (const chunk of chunks) writer.write(chunk);
  return { mediaType: OCI_LAYER, ...writer.keep() };
}

async function fromOci(loading: Loading, platform: ImagePlatform): Promise<Wish[]> {
  const { files } = loading;
  const index = parseIndex(files.need("index.json").document("index.json"), "index.json");
  const wishes: Wish[] = [];
  for (const entry of index.manifests) {
    const descriptor = imageManifest(files, entry, platform);
    await keepManifest(loading, descriptor);
    wishes.push({ descriptor, names: nameOf(entry) });
  }
  return wishes;
}

/** The manifest an entry means on this machine: itself, or the fitting one of a nested index. */
export function imageManifest(
  files: ArchiveFiles,
  entry: Descriptor,
  platform: ImagePlatform,
): Descriptor {
  const bytes = files.need(blobName(entry.digest)).document(entry.digest);
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
    entry.annotations?.[REF_NAME] ?? "";
  return /[:/]/.test(name) ? [name] : [];
}
