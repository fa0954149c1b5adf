/** `push`: the blobs a registry lacks, then the manifest. Stored blobs go out byte for byte. */
import type { GivenCredentials } from "./credentials.ts";
import { UserError } from "../base/errors.ts";
import { readDocument } from "./blobs.ts";
import { CHUNK } from "./compression.ts";
import { collectGarbage } from "./gc.ts";
import type { Digest } from "./digest.ts";
import { parseManifest } from "./documents.ts";
import { putNames, readEntries } from "./index_file.ts";
import { openRepository } from "./pull.ts";
import { readRecord } from "./records.ts";
import {
  familiarName,
  familiarRepository,
  parseReference,
  type Reference,
  repositoryOf,
  storedName,
} from "./reference.ts";
import { compressLayers } from "./recompress.ts";
import type { Repository } from "./registry.ts";
import { NoCredentialsError, RegistryError } from "./registry_error.ts";
import { Session } from "./session.ts";
import type { Store } from "./store.ts";
import type { Descriptor } from "./types.ts";

/** What happens to a layer. */
export type PushEvent =
  | { phase: "preparing" }
  | { phase: "pushing"; bytes: number }
  | { phase: "pushed"; already: boolean }
  /** The registry had it in that repository. */
  | { phase: "mounted"; from: string };

/** How to push. */
export interface PushOptions {
  /** In place of those the user logged in with. */
  credentials?: GivenCredentials;
  /** `diffId` is the layer's name for people; `size` its compressed size. */
  onLayer?: (diffId: Digest, size: number, event: PushEvent) => void;
}

/** What was pushed. */
export interface Pushed {
  digest: Digest;
  /** Bytes of the manifest, as docker prints it. */
  size: number;
}

/** All local tags of a repository, for `push -a`. Throws UserError if there are none. */
export function localTags(store: Store, reference: Reference): Reference[] {
  const tags = readEntries(store).flatMap(({ name }) =>
    name === undefined || name.includes("@") ? [] : [parseReference(name)]
  ).filter((one) => repositoryOf(one) === repositoryOf(reference));
  if (tags.length > 0) return tags;
  const name = familiarRepository(reference);
  throw new UserError(`An image does not exist locally with the tag: ${name}`);
}

function explain(error: unknown): unknown {
  if (!(error instanceof RegistryError)) return error;
  if (error instanceof NoCredentialsError) return new UserError(NoCredentialsError.words);
  const problem = error.problems[0];
  if (problem === undefined || ![401, 403].includes(error.status)) return error;
  return new UserError(`${problem.code.toLowerCase()}: ${problem.message}`);
}

/** Pushes one tag; what, and the image that has it. Throws UserError with docker's texts, RegistryError for the rest. */
export async function pushImage(
  store: Store,
  reference: Reference,
  options: PushOptions = {},
): Promise<Pushed & { id: Digest }> {
  const name = storedName(reference);
  const entry = readEntries(store).find((one) => one.name === name);
  const record = entry && readRecord(store, entry.id);
  if (record === undefined) {
    localTags(store, reference); // throws if it has none at all
    throw new UserError(`tag does not exist: ${familiarName(reference)}`);
  }
  const repository = await openRepository(reference, "pull,push", options.credentials);
  let pushed: Pushed;
  {
    using session = await Session.open(store);
    const diffIds = record.config.rootfs.diff_ids;
    for (const diffId of diffIds) options.onLayer?.(diffId, 0, { phase: "preparing" });
    // What came from a registry goes back as it was; its own manifest keeps its digest.
    const manifest = record.original ?? (await compressLayers(session, record)).manifest;
    try {
      pushed = await pushManifest(store, repository, reference, manifest, diffIds, options);
    } catch (error) {
      throw explain(error);
    }
    const digestName = `${repositoryOf(reference)}@${pushed.digest}`;
    const current = readRecord(store, record.id) ?? record;
    putNames(store, record.id, current.manifest, [digestName]);
  }
  // The uncompressed blobs are no longer needed.
  collectGarbage(store);
  return { ...pushed, id: record.id };
}

/** Pushes what a stored manifest lists, and then itself. Throws RegistryError. */
export async function pushManifest(
  store: Store,
  repository: Repository,
  reference: Reference,
  descriptor: Descriptor,
  diffIds: readonly Digest[],
  options: PushOptions = {},
): Promise<Pushed> {
  const bytes = readDocument(store, descriptor.digest);
  const manifest = parseManifest(bytes, `manifest of ${familiarName(reference)}`);
  const sources = repositoriesWith(store, reference);
  const sent = new Map<Digest, Promise<void>>();
  const limit = 5; // docker's max-concurrent-uploads
  const running: Promise<void>[] = [];
  for (const [i, layer] of manifest.layers.entries()) {
    const tell = (event: PushEvent) => options.onLayer?.(diffIds[i], layer.size, event);
    const before = i < limit ? Promise.resolve() : running[i - limit];
    const known = sent.get(layer.digest);
    const one = known === undefined
      ? before.then(() => pushLayer(store, repository, layer, sources.get(layer.digest), tell))
      : known.then(() => tell({ phase: "pushed", already: true }));
    sent.set(layer.digest, known ?? one);
    running.push(one);
  }
  const outcomes = await Promise.allSettled(running);
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  await pushBlob(store, repository, manifest.config, () => {});
  await repository.putManifest(reference.tag ?? "latest", bytes, descriptor.mediaType);
  return { digest: descriptor.digest, size: bytes.length };
}

/** The other repositories of the registry that images here came from or went to, by their layers. */
function repositoriesWith(store: Store, { domain, path }: Reference): Map<Digest, string> {
  const sources = new Map<Digest, string>();
  for (const { id, name } of readEntries(store)) {
    const other = name === undefined ? undefined : parseReference(name);
    if (other?.digest === undefined || other.domain !== domain || other.path === path) continue;
    const record = readRecord(store, id);
    if (record === undefined) continue;
    const { digest } = record.original ?? record.manifest;
    for (const layer of parseManifest(readDocument(store, digest), digest).layers) {
      sources.set(layer.digest, other.path);
    }
  }
  return sources;
}

/** A layer that another repository has is not sent again, if the registry takes it from there. */
async function pushLayer(
  store: Store,
  repository: Repository,
  layer: Descriptor,
  from: string | undefined,
  tell: (event: PushEvent) => void,
): Promise<void> {
  if (from !== undefined && !await repository.hasBlob(layer.digest)) {
    if (await repository.mountBlob(layer.digest, from)) return tell({ phase: "mounted", from });
  }
  await pushBlob(store, repository, layer, tell);
}

async function pushBlob(
  store: Store,
  repository: Repository,
  part: Descriptor,
  tell: (event: PushEvent) => void,
): Promise<void> {
  if (await repository.hasBlob(part.digest)) return tell({ phase: "pushed", already: true });
  await repository.upload(part.digest, () => blobStream(store, part, tell));
  tell({ phase: "pushed", already: false });
}

/** The file as a stream that fails if it is not as long as its descriptor says. */
function blobStream(
  store: Store,
  part: Descriptor,
  tell: (event: PushEvent) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const file = Deno.openSync(store.blob(part.digest));
  let bytes = 0;
  return new ReadableStream({
    async pull(controller) {
      const chunk = new Uint8Array(CHUNK);
      const count = await file.read(chunk);
      if (count !== null) {
        bytes += count;
        tell({ phase: "pushing", bytes });
        return controller.enqueue(chunk.subarray(0, count));
      }
      file.close();
      if (bytes === part.size) return controller.close();
      controller.error(new Error(`Cannot push ${part.digest}: it has ${bytes} bytes`));
    },
    cancel: () => file.close(),
  });
}
