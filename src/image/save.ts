/**
 * Writes images as one archive. docker-archive is the layout of docker 25 and later (an OCI
 * layout with manifest.json beside it), which older dockers, podman and skopeo read as well;
 * blobs go in as they are stored, so nothing is compressed or hashed again.
 */
import { UserError } from "../base/errors.ts";
import { readDocument } from "./blobs.ts";
import { CHUNK } from "./compression.ts";
import { type Digest, hexOf } from "./digest.ts";
import { parseManifest } from "./documents.ts";
import { type IndexEntry, readEntries } from "./index_file.ts";
import { resolveId } from "./lookup.ts";
import { noSuchImage } from "./no_such_image.ts";
import { type ImageRecord, lostRecord, readRecord } from "./records.ts";
import {
  BadNameError,
  familiarName,
  familiarRepository,
  fullName,
  parseReference,
  type Reference,
  repositoryOf,
  storedName,
} from "./reference.ts";
import type { Store } from "./store.ts";
import { endMark, entryHeader, padding, plainEntry } from "./tar_writer.ts";
import {
  type Descriptor,
  type Index,
  LAYOUT,
  type Manifest,
  OCI_INDEX,
  REF_NAME,
} from "./types.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What kind of archive. */
export type ArchiveFormat = "docker-archive" | "oci-archive";

/** An image to write, with the names it gets in the archive. */
export interface Saved {
  record: Pick<ImageRecord, "id" | "manifest" | "config">;
  references: Reference[];
}

/** The tag that `text` gives in the archive; none if it is an id or a digest. */
function referencesFor(entries: readonly IndexEntry[], text: string): Reference[] {
  let reference: Reference;
  try {
    reference = parseReference(text);
  } catch {
    return [];
  }
  const name = storedName(reference);
  const isTag = reference.digest === undefined && entries.some((entry) => entry.name === name);
  return isTag ? [{ ...reference, tag: reference.tag ?? "latest" }] : [];
}

/** What each argument of `save` means. Throws UserError "No such image" for the first unknown. */
function select(store: Store, names: readonly string[]): Saved[] {
  const entries = readEntries(store);
  const chosen = new Map<Digest, Saved>();
  const add = (id: Digest, references: readonly Reference[]) => {
    const record = readRecord(store, id);
    if (record === undefined) throw lostRecord(store, id, id);
    const saved = chosen.get(id) ?? { record, references: [] };
    for (const reference of references) {
      if (!saved.references.some((known) => fullName(known) === fullName(reference))) {
        saved.references.push(reference);
      }
    }
    chosen.set(id, saved);
  };
  for (const name of names) {
    const all = repositoryTags(entries, name);
    if (all.length > 0) {
      for (const [id, reference] of all) add(id, [reference]);
      continue;
    }
    const id = resolveId(entries, name);
    if (id === undefined) {
      const refusal = noSuchImage(name);
      if (refusal instanceof BadNameError) throw refusal;
      throw new UserError(`No such image: ${name}`); // without the tag, unlike all others
    }
    add(id, referencesFor(entries, name));
  }
  return [...chosen.values()];
}

/** All tags of a repository that is named without a tag. */
function repositoryTags(entries: readonly IndexEntry[], name: string): [Digest, Reference][] {
  let wanted: Reference;
  try {
    wanted = parseReference(name);
  } catch {
    return [];
  }
  if (wanted.tag !== undefined || wanted.digest !== undefined) return [];
  const found: [Digest, Reference][] = [];
  for (const entry of entries) {
    const reference = entry.name === undefined ? undefined : parseReference(entry.name);
    if (reference?.tag === undefined || reference.digest !== undefined) continue;
    if (repositoryOf(reference) === repositoryOf(wanted)) found.push([entry.id, reference]);
  }
  return found;
}

/**
 * Writes an archive of the named images, and returns their ids. `write` gets chunks that are valid
 * during the call.
 */
export async function saveArchive(
  store: Store,
  names: readonly string[],
  format: ArchiveFormat,
  write: (chunk: Bytes) => void | Promise<void>,
): Promise<Digest[]> {
  const images = select(store, names);
  await saveImages(store, images, format, write);
  return images.map(({ record }) => record.id);
}

/** Writes an archive of images, which need not be known under any name. */
export async function saveImages(
  store: Store,
  images: readonly Saved[],
  format: ArchiveFormat,
  write: (chunk: Bytes) => void | Promise<void>,
): Promise<void> {
  const manifests = images.map(({ record }) => {
    const { digest } = record.manifest;
    return parseManifest(readDocument(store, digest), digest);
  });
  for (const path of ["blobs/", "blobs/sha256/"]) {
    await write(entryHeader(plainEntry(path, "directory", 0, 0o755), 0));
  }
  const written = new Set<Digest>();
  for (const [i, { record }] of images.entries()) {
    const { config, layers } = manifests[i];
    for (const part of [...layers, config, record.manifest]) {
      if (written.has(part.digest)) continue;
      written.add(part.digest);
      await writeBlob(store, part, write);
    }
  }
  const documents = documentsOf(images, manifests, format);
  for (const [path, value] of documents) {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    await write(entryHeader(plainEntry(path, "file", bytes.length, 0o644), bytes.length));
    await write(bytes);
    await write(padding(bytes.length));
  }
  await write(endMark());
}

async function writeBlob(
  store: Store,
  part: Descriptor,
  write: (chunk: Bytes) => void | Promise<void>,
): Promise<void> {
  using file = Deno.openSync(store.blob(part.digest));
  const { size } = file.statSync();
  if (size !== part.size) {
    throw new UserError(`Cannot save blob ${part.digest}: it has ${size} bytes, not ${part.size}`);
  }
  const path = `blobs/sha256/${hexOf(part.digest)}`;
  await write(entryHeader(plainEntry(path, "file", size, 0o644), size));
  const buffer = new Uint8Array(CHUNK);
  let left = size;
  while (left > 0) {
    const count = file.readSync(buffer.subarray(0, Math.min(left, CHUNK)));
    if (count === null) throw new UserError(`Cannot save blob ${part.digest}: it got shorter`);
    await write(buffer.subarray(0, count));
    left -= count;
  }
  await write(padding(size));
}

function documentsOf(
  images: readonly Saved[],
  manifests: readonly Manifest[],
  format: ArchiveFormat,
): [path: string, value: unknown][] {
  const index: Index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };
  const repositories: Record<string, Record<string, string>> = {};
  for (const [i, { record, references }] of images.entries()) {
    const { mediaType, digest, size } = record.manifest;
    const { os, architecture, variant } = record.config;
    const platform = { os, architecture, ...(variant && { variant }) };
    if (references.length === 0) index.manifests.push({ mediaType, digest, size, platform });
    for (const reference of references) {
      const annotations = {
        "io.containerd.image.name": fullName(reference),
        // docker puts the bare tag here; podman and skopeo want the name in an oci-archive.
        [REF_NAME]: format === "docker-archive" ? reference.tag! : storedName(reference),
      };
      index.manifests.push({ mediaType, digest, size, platform, annotations });
      const top = manifests[i].layers.at(-1);
      const tags = repositories[familiarRepository(reference)] ??= {};
      if (top !== undefined) tags[reference.tag!] = hexOf(top.digest);
    }
  }
  const layout: [string, unknown][] = [
    ["index.json", index],
    ["oci-layout", LAYOUT],
  ];
  if (format === "oci-archive") return layout;
  const blob = (part: Descriptor) => `blobs/sha256/${hexOf(part.digest)}`;
  const list = images.map(({ references }, i) => ({
    Config: blob(manifests[i].config),
    RepoTags: references.length === 0 ? null : references.map(familiarName),
    Layers: manifests[i].layers.map(blob),
  }));
  return [...layout, ["manifest.json", list], ["repositories", repositories]];
}
