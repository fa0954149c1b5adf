/** Where the manifest of a cache and its blobs lie: a registry, a layout on disk, the own store. */
import { UserError } from "../base/errors.ts";
import { lstatIfThere } from "../base/files.ts";
import { hasBlob, keepBlob, MAX_DOCUMENT, readDocument } from "../image/blobs.ts";
import type { GivenCredentials } from "../image/credentials.ts";
import { type Digest, hexOf } from "../image/digest.ts";
import { parseIndex, parseManifest } from "../image/documents.ts";
import { downloadBlob } from "../image/download.ts";
import { digestOf } from "../image/hash.ts";
import { copyRange } from "../image/incoming.ts";
import { readEntries } from "../image/index_file.ts";
import { choose, type LayoutPlace } from "../image/layout.ts";
import { resolveId } from "../image/lookup.ts";
import { remoteImage } from "../image/pull.ts";
import { readRecord } from "../image/records.ts";
import { familiarName, type Reference } from "../image/reference.ts";
import type { Session } from "../image/session.ts";
import type { Store } from "../image/store.ts";
import type { Descriptor, Manifest } from "../image/types.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A manifest whose blobs can be had. */
export interface CachePlace {
  readonly manifest: Manifest;
  /** Verified. */
  config(): Promise<Bytes>;
  /** Brings a layer into the store, verified. */
  bring(layer: Descriptor): Promise<void>;
}

/** What a registry has. Throws UserError, RegistryError. */
export async function inRegistry(
  session: Session,
  reference: Reference,
  signal: AbortSignal,
  credentials?: GivenCredentials,
): Promise<CachePlace> {
  const { repository, manifest } = await remoteImage(reference, credentials);
  return {
    manifest,
    config: async () => {
      const { digest } = manifest.config;
      return verified(await repository.document(digest), digest);
    },
    bring: (layer) => downloadBlob(session, repository, layer, () => {}, signal),
  };
}

/** An image of the store; undefined: there is none of this name. Throws UserError. */
export function inStore(store: Store, reference: Reference): CachePlace | undefined {
  const id = resolveId(readEntries(store), familiarName(reference));
  const record = id && readRecord(store, id);
  if (record === undefined) return undefined;
  const { digest } = record.manifest;
  const manifest = parseManifest(readDocument(store, digest), digest);
  return {
    manifest,
    config: () => Promise.resolve(readDocument(store, manifest.config.digest)),
    bring: ({ digest, size }) => {
      if (hasBlob(store, digest, size)) return Promise.resolve();
      throw new UserError(`Cannot use layer ${digest}: it is lost`);
    },
  };
}

/** What a layout on disk has. Throws UserError. */
export function inLayout(session: Session, place: LayoutPlace): CachePlace {
  const { path } = place;
  const entries = parseIndex(readFile(`${path}/index.json`), `${path}/index.json`).manifests;
  const { digest } = choose(entries, place);
  const blob = (digest: Digest) => `${path}/blobs/sha256/${hexOf(digest)}`;
  const manifest = parseManifest(verified(readFile(blob(digest)), digest), digest);
  return {
    manifest,
    config: () => {
      const { digest } = manifest.config;
      return Promise.resolve(verified(readFile(blob(digest)), digest));
    },
    bring: ({ digest, size }) => copyIn(session, blob(digest), { digest, size }),
  };
}

async function copyIn(
  session: Session,
  path: string,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
): Promise<void> {
  if (hasBlob(session.store, digest, size)) return;
  checkFile(path, (found) => found === size);
  const copy = await copyRange(session, { path, offset: 0, size });
  if (copy.digest !== digest) throw new UserError(`Cannot use ${path}: it is damaged`);
  keepBlob(session.store, digest, copy.path);
}

function readFile(path: string): Bytes {
  checkFile(path, (size) => size <= MAX_DOCUMENT);
  return Deno.readFileSync(path);
}

/** Throws UserError if there is no file of that size. A link may lead anywhere, and is none. */
function checkFile(path: string, fits: (size: number) => boolean): void {
  const found = lstatIfThere(path);
  if (found?.isFile && fits(found.size)) return;
  const why = found === undefined
    ? "there is none"
    : found.isFile
    ? `it has ${found.size} bytes`
    : "it is no file";
  throw new UserError(`Cannot use ${path}: ${why}`);
}

function verified(bytes: Bytes, digest: Digest): Bytes {
  if (digestOf(bytes) === digest) return bytes;
  throw new UserError(`Cannot use ${digest}: its content is ${digestOf(bytes)}`);
}
