/** `pull`: manifest, config, layers in parallel, unpacked in order while others still come. */
import { UserError } from "../base/errors.ts";
import { hasBlob, putDocument } from "./blobs.ts";
import { findCredentials, type GivenCredentials, NoHelperError } from "./credentials.ts";
import { type Digest, shortId } from "./digest.ts";
import {
  isIndexType,
  isLayerType,
  manifestType,
  parseIndex,
  parseManifest,
  parseObject,
} from "./documents.ts";
import { downloadBlob, type DownloadEvent } from "./download.ts";
import { digestOf, expectMuch } from "./hash.ts";
import { readEntries } from "./index_file.ts";
import { Arrivals } from "./arrivals.ts";
import { hostPlatform } from "../base/platform.ts";
import { formatPlatform, mismatch, platformFits, selectPlatform } from "./platform.ts";
import { type ImageRecord, readLayer, readRecord } from "./records.ts";
import {
  familiarName,
  familiarRepository,
  type Reference,
  repositoryOf,
  storedName,
  withDefaultTag,
} from "./reference.ts";
import { register } from "./register.ts";
import { Repository } from "./registry.ts";
import { NoCredentialsError, problemText, RegistryError } from "./registry_error.ts";
import { Session } from "./session.ts";
import type { Store } from "./store.ts";
import type { Descriptor, ImageConfig, ImagePlatform, Manifest } from "./types.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What happens to a layer. */
export type LayerEvent =
  | DownloadEvent
  | { phase: "pending" }
  | { phase: "unpacking"; bytes: number }
  | { phase: "done"; already: boolean };

/** How to pull. */
export interface PullOptions {
  /** In place of those the user logged in with. */
  credentials?: GivenCredentials;
  platform?: ImagePlatform;
  /** Told of each layer, first with "pending" or that it is here, in the manifest's order. */
  onLayer?: (digest: Digest, size: number, event: LayerEvent) => void;
  /** Told when the registry has the image, before any layer. */
  onManifest?: () => void;
  /** At most so many layers at the same time; docker's default is 3. */
  parallel?: number;
}

/** What a pull brought. */
export interface Pulled {
  record: ImageRecord;
  /** Digest of what the tag names: of the index, if it is one. */
  digest: Digest;
  /** It was all here before. */
  upToDate: boolean;
  /** Docker's words if the image is for another platform than the one asked for. */
  warning?: string;
}

/** What Dockerfiles call an image without files. */
const NO_IMAGE = "docker.io/library/scratch";

/** The repository of a reference, with the user's credentials unless others are given. */
export async function openRepository(
  reference: Reference,
  access: "pull" | "pull,push",
  given?: GivenCredentials,
): Promise<Repository> {
  const { domain, path } = reference;
  if (given !== undefined) return new Repository(domain, path, access, given ?? undefined);
  try {
    return new Repository(domain, path, access, await findCredentials(domain));
  } catch (error) {
    if (!(error instanceof NoHelperError)) throw error;
    // As docker: what anybody may have needs no credentials. A refusal tells why there are none.
    return new Repository(domain, path, access, undefined, error.message);
  }
}

/** Docker's texts for the refusals that users meet. */
function explain(error: unknown, reference: Reference): unknown {
  if (!(error instanceof RegistryError) || error instanceof NoCredentialsError) return error;
  const words = error.problems.map(({ code, message }) =>
    `${code.toLowerCase().replaceAll("_", " ")}: ${message}`
  ).join("; ");
  if (error.has("TOOMANYREQUESTS") || error.status === 429) {
    return new UserError(`toomanyrequests: ${error.problems[0]?.message ?? "try again later"}`);
  }
  if (error.has("MANIFEST_UNKNOWN")) {
    return new UserError(`manifest for ${familiarName(reference)} not found: ${words}`);
  }
  if (error.has("DENIED", "UNAUTHORIZED", "NAME_UNKNOWN") || [401, 403].includes(error.status)) {
    return new UserError(
      `pull access denied for ${familiarRepository(reference)}, repository does not exist or may ` +
        `require 'docker login'${words === "" ? "" : `: ${words}`}`,
    );
  }
  if (error.status === 404) {
    return new UserError(`manifest for ${familiarName(reference)} not found: manifest unknown`);
  }
  return error;
}

/** All tags that a repository has. Throws UserError with docker's text if there is no such one. */
export async function remoteTags(repository: Repository, reference: Reference): Promise<string[]> {
  try {
    return await repository.tags();
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status !== 404) throw error;
    const words = error.problems.map(problemText).join("; ");
    throw new UserError(`repository ${familiarRepository(reference)} not found: ${words}`);
  }
}

/** The manifest for the platform, the digest that the name has, and whether there was a choice. */
interface Resolved {
  bytes: Bytes;
  mediaType: string;
  digest: Digest;
  named: Digest;
  chosen: boolean;
}

async function resolveManifest(
  repository: Repository,
  reference: Reference,
  platform: ImagePlatform,
): Promise<Resolved> {
  const wanted = reference.digest ?? reference.tag!;
  const { bytes, mediaType: given } = await repository.manifest(wanted);
  const named = digestOf(bytes);
  if (reference.digest !== undefined && named !== reference.digest) {
    throw new UserError(`manifest verification failed for digest ${reference.digest}`);
  }
  const mediaType = manifestType(parseObject(bytes, `manifest ${wanted}`), given);
  if (!isIndexType(mediaType)) return { bytes, mediaType, digest: named, named, chosen: false };
  const entry = selectPlatform(parseIndex(bytes, `index ${named}`).manifests, platform);
  if (entry === undefined) {
    throw new UserError(
      `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`,
    );
  }
  const fetched = await repository.manifest(entry.digest);
  if (digestOf(fetched.bytes) !== entry.digest) {
    throw new UserError(`manifest verification failed for digest ${entry.digest}`);
  }
  return {
    bytes: fetched.bytes,
    mediaType: manifestType(parseObject(fetched.bytes, entry.digest), entry.mediaType),
    digest: entry.digest,
    named,
    chosen: true,
  };
}

/** The image if the store has it under this name with this digest, whole. */
function known(store: Store, reference: Reference, names: string[], id: Digest) {
  const entries = readEntries(store);
  const has = names.every((name) => entries.some((e) => e.name === name && e.id === id));
  const record = has ? readRecord(store, id) : undefined;
  const whole = record?.chain.every((chainId) => readLayer(store, chainId) !== undefined);
  return whole && reference ? record : undefined;
}

/** Pulls one tag or digest. Throws UserError with docker's texts, RegistryError for the rest. */
export async function pullImage(
  store: Store,
  wanted: Reference,
  options: PullOptions = {},
): Promise<Pulled> {
  return await asking(
    wanted,
    options.credentials,
    (repository, reference) => pullFrom(store, repository, reference, options),
  );
}

/**
 * What a name means for this machine, looked at and not pulled. Throws UserError with docker's texts,
 * RegistryError for the rest.
 */
export async function remoteImage(
  wanted: Reference,
  credentials?: GivenCredentials,
): Promise<{ repository: Repository; manifest: Manifest }> {
  return await asking(wanted, credentials, async (repository, reference) => {
    const { bytes, digest } = await resolveManifest(repository, reference, hostPlatform());
    return { repository, manifest: parseManifest(bytes, `manifest ${digest}`) };
  });
}

/** Opens the repository for `work`, whose refusals get docker's texts. */
async function asking<T>(
  wanted: Reference,
  credentials: GivenCredentials | undefined,
  work: (repository: Repository, reference: Reference) => Promise<T>,
): Promise<T> {
  const reference = withDefaultTag(wanted);
  if (repositoryOf(reference) === NO_IMAGE) {
    throw new UserError("'scratch' is a reserved name");
  }
  try {
    return await work(await openRepository(reference, "pull", credentials), reference);
  } catch (error) {
    throw explain(error, reference);
  }
}

/** The same from an opened repository. */
async function pullFrom(
  store: Store,
  repository: Repository,
  reference: Reference,
  options: PullOptions,
): Promise<Pulled> {
  const platform = options.platform ?? hostPlatform();
  const resolved = await resolveManifest(repository, reference, platform);
  const what = `manifest ${resolved.digest}`;
  const manifest = parseManifest(resolved.bytes, what);
  for (const layer of manifest.layers) {
    if (!isLayerType(layer.mediaType)) {
      throw new UserError(`Cannot pull ${what}: layers of type ${layer.mediaType} are not images'`);
    }
  }
  options.onManifest?.();
  const names = [storedName(reference), `${repositoryOf(reference)}@${resolved.named}`];
  const here = known(store, reference, names, manifest.config.digest);
  if (here !== undefined) {
    const warning = platformWarning(here.config, options.platform, reference);
    return { record: here, digest: resolved.named, upToDate: true, ...warning };
  }
  await expectMuch();
  using session = await Session.open(store);
  const { digest, size } = putDocument(session, resolved.bytes);
  const record = await fetchAll(session, repository, manifest, options, {
    manifest: { mediaType: resolved.mediaType, digest, size },
    names: [...new Set(names)],
  });
  const warning = platformWarning(record.config, options.platform, reference);
  return { record, digest: resolved.named, upToDate: false, ...warning };
}

/** An image alone behind its name may be for another machine: it is pulled all the same. */
function platformWarning(
  config: ImageConfig,
  platform: ImagePlatform | undefined,
  reference: Reference,
): { warning?: string } {
  if (platform === undefined || platformFits(platform, config)) return {};
  return { warning: mismatch(familiarName(reference), config, platform) };
}

/** The config, and the layers while it comes. */
async function fetchAll(
  session: Session,
  repository: Repository,
  manifest: Manifest,
  options: PullOptions,
  wish: { manifest: Descriptor; names: string[] },
): Promise<ImageRecord> {
  const tell = (layer: Descriptor, event: LayerEvent) =>
    options.onLayer?.(layer.digest, layer.size, event);
  const abort = new AbortController();
  // What is here already is told at once.
  const here = new Set<Digest>();
  for (const layer of manifest.layers) {
    const isHere = hasBlob(session.store, layer.digest, layer.size);
    if (isHere) here.add(layer.digest);
    tell(layer, isHere ? { phase: "done", already: true } : { phase: "pending" });
  }
  const arrivals = new Arrivals(session.store);
  const fetchOne = (layer: Descriptor) =>
    arrivals.follow(layer, (arrived) =>
      downloadBlob(session, repository, layer, (event) => {
        if (event.phase === "downloading") arrived(event.bytes);
        tell(layer, event);
      }, abort.signal));
  const config = downloadBlob(session, repository, manifest.config, () => {}, abort.signal);
  const downloads = inParallel(unique(manifest.layers), options.parallel ?? 3, fetchOne);
  arrivals.expect(downloads);
  try {
    await config;
    return await register(session, {
      ...wish,
      incoming: arrivals,
      whenReady: (i) => arrivals.begun(manifest.layers[i].digest),
      onLayer: (i, event) => {
        const layer = manifest.layers[i];
        tell(
          layer,
          event === "done"
            ? { phase: "done", already: here.has(layer.digest) }
            : { phase: "unpacking", bytes: event.bytes },
        );
      },
    });
  } catch (error) {
    // One broken layer ends the others, but what they have stays for the next try.
    abort.abort();
    await Promise.allSettled([config, ...downloads.values()]);
    throw error;
  }
}

function unique(layers: readonly Descriptor[]): Descriptor[] {
  return [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
}

/** Starts the work for all parts, at most `limit` at a time, in order; a promise for each. */
function inParallel(
  parts: readonly Descriptor[],
  limit: number,
  work: (part: Descriptor) => Promise<void>,
): Map<Digest, Promise<void>> {
  const promises = new Map<Digest, Promise<void>>();
  const running: Promise<unknown>[] = [];
  let failed = false;
  for (const [i, part] of parts.entries()) {
    const before = i < limit ? Promise.resolve() : running[i - limit];
    const promise = before.then(() => {
      if (failed) throw new Error(`Cannot pull layer ${shortId(part.digest)}: another one failed`);
      return work(part);
    });
    // Counts as over also when it failed; whoever needs the layer sees the error itself.
    running.push(promise.catch(() => failed = true));
    promises.set(part.digest, promise);
  }
  return promises;
}
