/** `--cache-to`: what a build remembers, for builds of other machines. */
import { isFileError, messageOf, UserError } from "../base/errors.ts";
import { lstatIfThere, readBytesIfThere, writeAtomic } from "../base/files.ts";
import { isImageRefusal } from "../engine/refusal.ts";
import { type CachedStep, keepStep } from "../image/build_cache.ts";
import { putDocument } from "../image/blobs.ts";
import { type Digest, hexOf } from "../image/digest.ts";
import { parseIndex } from "../image/documents.ts";
import { readRange } from "../image/incoming.ts";
import { openRepository } from "../image/pull.ts";
import { pushManifest } from "../image/push.ts";
import { compressLayer } from "../image/recompress.ts";
import { familiarName } from "../image/reference.ts";
import type { Session } from "../image/session.ts";
import { type Descriptor, LAYOUT, type Manifest, OCI_MANIFEST, REF_NAME } from "../image/types.ts";
import { writeWhole } from "../image/whole_file.ts";
import { CACHE_CONFIG, cacheDocument, layersOf } from "./cache_document.ts";
import type { CacheTarget } from "./cache_wish.ts";
import type { BuildEvents } from "./events.ts";
import { orAborted } from "./or_aborted.ts";
import type { BuiltLayer } from "./stage_state.ts";

type LocalPlace = Extract<CacheTarget["place"], { type: "local" }>;
type RegistryPlace = Extract<CacheTarget["place"], { type: "registry" }>;

/**
 * Steps with compressed layers. They go out so and are remembered so: the next export, and a push
 * of the image, have nothing left to compress.
 */
export async function compressSteps(
  session: Session,
  steps: readonly CachedStep[],
  { events, signal }: { readonly events: BuildEvents; readonly signal: AbortSignal },
): Promise<CachedStep[]> {
  const work = events.begin({ kind: "internal", name: "preparing build cache for export" });
  const packed = new Map<Digest, BuiltLayer>();
  for (const layer of layersOf(steps)) {
    const descriptor = await orAborted(signal, compressLayer(session, layer.descriptor));
    if (descriptor !== layer.descriptor) packed.set(layer.diffId, { ...layer, descriptor });
  }
  const compressed = steps.map((step) => {
    const layer = step.layer && packed.get(step.layer.diffId);
    if (layer === undefined) return step;
    const one = { ...step, layer };
    keepStep(session.store, one);
    return one;
  });
  work.done();
  return compressed;
}

/** Writes `steps` where `target` says. Throws UserError. */
export async function exportCache(
  session: Session,
  steps: readonly CachedStep[],
  { place, isOptional }: CacheTarget,
  { events, signal }: { readonly events: BuildEvents; readonly signal: AbortSignal },
): Promise<void> {
  const name = place.type === "registry" ? familiarName(place.reference) : place.path;
  const work = events.begin({ kind: "internal", name: `exporting cache to ${name}` });
  try {
    const manifest = cacheManifest(session, steps);
    if (place.type === "local") await writeLayout(session, manifest, place);
    else await orAborted(signal, push(session, manifest, place));
    work.note(`writing cache manifest ${manifest.descriptor.digest} done`);
    work.done();
  } catch (error) {
    if (signal.aborted || !(isImageRefusal(error) || isFileError(error))) throw error;
    const why = `Cannot export the cache to ${name}: ${messageOf(error)}`;
    if (!isOptional) {
      work.failed(messageOf(error));
      throw new UserError(why);
    }
    work.done();
    events.warn(why);
  }
}

/** A stored manifest and what it lists. */
interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly diffIds: readonly Digest[];
}

function cacheManifest(session: Session, steps: readonly CachedStep[]): StoredManifest {
  const layers = layersOf(steps);
  const diffIds = layers.map(({ diffId }) => diffId);
  const document = JSON.stringify({ ...cacheDocument(steps, layers), diff_ids: diffIds });
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: CACHE_CONFIG, ...putDocument(session, document) },
    layers: layers.map(({ descriptor }) => descriptor),
  };
  const stored = putDocument(session, JSON.stringify(manifest));
  return { descriptor: { mediaType: OCI_MANIFEST, ...stored }, manifest, diffIds };
}

async function push(
  { store }: Session,
  { descriptor, diffIds }: StoredManifest,
  { reference }: RegistryPlace,
): Promise<void> {
  const repository = await openRepository(reference, "pull,push");
  await pushManifest(store, repository, reference, descriptor, diffIds);
}

/** Writes an OCI image layout; what is in it already stays. The index comes last. */
async function writeLayout(
  { store }: Session,
  { descriptor, manifest: { config, layers } }: StoredManifest,
  { path, tag }: LocalPlace,
): Promise<void> {
  const blobs = `${path}/blobs/sha256`;
  Deno.mkdirSync(blobs, { recursive: true });
  for (const { digest, size } of [...layers, config, descriptor]) {
    const target = `${blobs}/${hexOf(digest)}`;
    if (lstatIfThere(target)?.size === size) continue;
    const range = { path: store.blob(digest), offset: 0, size };
    // deno-lint-ignore require-await -- writeWhole() takes work that may wait
    await writeWhole(target, async (write) => {
      for (const chunk of readRange(range)) write(chunk);
    });
    Deno.chmodSync(target, 0o644); // a cache is no secret: who saves it may be another user
  }
  writeAtomic(`${path}/oci-layout`, JSON.stringify(LAYOUT), false, 0o644);
  const index = `${path}/index.json`;
  const found = readBytesIfThere(index);
  const before = found === undefined ? [] : parseIndex(found, index).manifests;
  const others = before.filter(({ annotations }) => annotations?.[REF_NAME] !== tag);
  const entry = { ...descriptor, annotations: { [REF_NAME]: tag } };
  writeAtomic(
    index,
    JSON.stringify({ schemaVersion: 2, manifests: [...others, entry] }),
    false,
    0o644,
  );
}
