/** The layout's index.json: which names there are and what they mean. Free of `node:` imports. */
import { type Digest, isDigest } from "./digest.ts";
import { parseDocument } from "./document_file.ts";
import { readIndexText, replaceIndex } from "./index_replacement.ts";
import { lockBriefly } from "./locks.ts";
import type { Store } from "./store.ts";
import { type Descriptor, type Index, OCI_INDEX, REF_NAME } from "./types.ts";

/** The id of the image behind an entry. Entries without it were put there by other programs. */
const IMAGE_ID = "dev.diplodock.image.id";

/** One entry: a name, or an image without one. */
export interface IndexEntry {
  /** undefined: keeps an image that lost its names. */
  name?: string;
  id: Digest;
  manifest: Descriptor;
}

function entryOf(descriptor: Descriptor): IndexEntry | undefined {
  const id = descriptor.annotations?.[IMAGE_ID];
  if (id === undefined || !isDigest(id)) return undefined;
  const name = descriptor.annotations?.[REF_NAME];
  const { mediaType, digest, size } = descriptor;
  return { ...(name !== undefined && { name }), id, manifest: { mediaType, digest, size } };
}

function readIndex(store: Store): Index {
  const remedy = "restore the file, or remove it and pull or load the images again";
  const index =
    parseDocument<Index>(readIndexText(store), store.index, "the list of images", remedy) ??
      { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };
  // An entry that tells of no document is nobody's.
  const manifests = Array.from(index.manifests ?? [])
    .filter((entry) => typeof entry?.digest === "string" && isDigest(entry.digest));
  return { ...index, manifests };
}

/** All entries that are this program's own. */
export function readEntries(store: Store): IndexEntry[] {
  return readIndex(store).manifests.map(entryOf).filter((entry) => entry !== undefined);
}

/** Digests of manifests that other programs put into the layout: they are not garbage. */
export function foreignManifests(store: Store): Digest[] {
  return readIndex(store).manifests.filter((m) => entryOf(m) === undefined).map((m) => m.digest);
}

/**
 * Changes the entries under the index's lock. An image that loses its last entry through
 * `change` stays as one without a name unless `change` says otherwise by `forget`.
 */
export function updateEntries<T>(
  store: Store,
  change: (
    entries: IndexEntry[],
    forget: (id: Digest) => void,
  ) => { entries: IndexEntry[]; result: T },
): T {
  store.create();
  using _lock = lockBriefly(store.lock("index"));
  const index = readIndex(store);
  const before = index.manifests.map(entryOf).filter((entry) => entry !== undefined);
  const forgotten = new Set<Digest>();
  const { entries, result } = change(before, (id) => forgotten.add(id));
  const kept = new Set(entries.map((entry) => entry.id));
  for (const entry of before) {
    if (kept.has(entry.id) || forgotten.has(entry.id)) continue;
    kept.add(entry.id);
    entries.push({ id: entry.id, manifest: entry.manifest });
  }
  const foreign = index.manifests.filter((manifest) => entryOf(manifest) === undefined);
  index.manifests = [...foreign, ...entries.map(descriptorOf)];
  replaceIndex(store, JSON.stringify(index));
  return result;
}

function descriptorOf(entry: IndexEntry): Descriptor {
  const annotations: Record<string, string> = { [IMAGE_ID]: entry.id };
  if (entry.name !== undefined) annotations[REF_NAME] = entry.name;
  return { ...entry.manifest, annotations };
}

/** Gives names to an image; a name another image has moves to this one. */
export function putNames(
  store: Store,
  id: Digest,
  manifest: Descriptor,
  names: readonly string[],
): void {
  updateEntries(store, (entries) => {
    const taken = new Set(names);
    const rest = entries.filter((entry) =>
      !(entry.name !== undefined && taken.has(entry.name)) &&
      !(entry.id === id && entry.name === undefined)
    );
    const added: IndexEntry[] = names.map((name) => ({ name, id, manifest }));
    const named = added.length > 0 || rest.some((entry) => entry.id === id);
    return { entries: [...rest, ...(named ? added : [{ id, manifest }])], result: undefined };
  });
}
