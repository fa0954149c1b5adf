/** What a registry has under a name, looked at and not pulled. */
import { UserError } from "../base/errors.ts";
import type { GivenCredentials } from "./credentials.ts";
import type { Digest } from "./digest.ts";
import { isIndexType, manifestType, parseIndex, parseManifest, parseObject } from "./documents.ts";
import { digestOf } from "./hash.ts";
import { openRepository } from "./pull.ts";
import { fullName, type Reference, withDefaultTag } from "./reference.ts";
import type { Repository } from "./registry.ts";
import { RegistryError } from "./registry_error.ts";
import { DOCKER_MANIFEST, type ImagePlatform } from "./types.ts";

/** A document of a registry. */
export interface RemoteManifest {
  mediaType: string;
  isIndex: boolean;
  digest: Digest;
  size: number;
  document: Record<string, unknown>;
}

/** One image behind a name, as `--verbose` shows it. */
export interface VerboseManifest {
  Ref: string;
  Descriptor: { mediaType: string; digest: Digest; size: number; platform?: ImagePlatform };
  /** docker's kind, or OCI's; one of the two. */
  SchemaV2Manifest?: Record<string, unknown>;
  OCIManifest?: Record<string, unknown>;
}

async function fetchManifest(repository: Repository, what: string): Promise<RemoteManifest> {
  const { bytes, mediaType: given } = await repository.manifest(what);
  const document = parseObject(bytes, `manifest ${what}`);
  const mediaType = manifestType(document, given);
  const isIndex = isIndexType(mediaType);
  if (isIndex) parseIndex(bytes, `index ${what}`);
  else parseManifest(bytes, `manifest ${what}`);
  return { mediaType, isIndex, digest: digestOf(bytes), size: bytes.length, document };
}

/** Throws UserError "no such manifest" for a name the registry does not know. */
async function orAbsent<T>(reference: Reference, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isAbsent = error instanceof RegistryError && error.status === 404;
    throw isAbsent ? new UserError(`no such manifest: ${fullName(reference)}`) : error;
  }
}

function checkDigest(reference: Reference, found: RemoteManifest): RemoteManifest {
  if (reference.digest === undefined || reference.digest === found.digest) return found;
  throw new UserError(`manifest verification failed for digest ${reference.digest}`);
}

/** The document a name means. Throws UserError, RegistryError. */
export async function remoteManifest(wanted: Reference): Promise<RemoteManifest> {
  const reference = withDefaultTag(wanted);
  return await orAbsent(reference, async () => {
    const repository = await openRepository(reference, "pull");
    const found = await fetchManifest(repository, reference.digest ?? reference.tag!);
    return checkDigest(reference, found);
  });
}

/** Every image that a name means. Throws UserError, RegistryError. */
export async function verboseManifests(wanted: Reference): Promise<VerboseManifest[]> {
  const reference = withDefaultTag(wanted);
  return await orAbsent(reference, async () => {
    const repository = await openRepository(reference, "pull");
    const top = await fetchManifest(repository, reference.digest ?? reference.tag!);
    checkDigest(reference, top);
    if (!top.isIndex) return [verbose(reference, top)];
    const bytes = new TextEncoder().encode(JSON.stringify(top.document));
    const all: VerboseManifest[] = [];
    for (const { digest, platform } of parseIndex(bytes, "index").manifests) {
      const one = { ...reference, digest };
      all.push(verbose(one, checkDigest(one, await fetchManifest(repository, digest)), platform));
    }
    return all;
  });
}

/** What a name means, and for which systems there are images behind it. */
export interface Distribution {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platforms: readonly ImagePlatform[];
}

/** Asks with these credentials, or with none. Throws UserError, RegistryError. */
export async function inspectDistribution(
  wanted: Reference,
  credentials: GivenCredentials,
): Promise<Distribution> {
  const reference = withDefaultTag(wanted);
  const repository = await openRepository(reference, "pull", credentials);
  const found = await fetchManifest(repository, reference.digest ?? reference.tag!);
  const { mediaType, digest, size } = checkDigest(reference, found);
  return { mediaType, digest, size, platforms: await platformsOf(repository, found) };
}

async function platformsOf(
  repository: Repository,
  { isIndex, document }: RemoteManifest,
): Promise<ImagePlatform[]> {
  const bytes = new TextEncoder().encode(JSON.stringify(document));
  if (isIndex) {
    return parseIndex(bytes, "index").manifests.flatMap(({ platform }) => platform ?? []);
  }
  const { digest } = parseManifest(bytes, "manifest").config;
  const config = await repository.document(digest);
  if (digestOf(config) !== digest) {
    throw new UserError(`Cannot read config ${digest}: the registry sent other bytes`);
  }
  const { os = "", architecture = "", variant } = parseObject(
    config,
    `config ${digest}`,
  ) as Partial<ImagePlatform>;
  if (os === "" && architecture === "") return []; // of an artifact
  return [{ architecture, os, ...(variant !== undefined && { variant }) }];
}

function verbose(
  reference: Reference,
  { mediaType, digest, size, document }: RemoteManifest,
  platform?: ImagePlatform,
): VerboseManifest {
  return {
    Ref: fullName(reference),
    Descriptor: { mediaType, digest, size, ...(platform && { platform }) },
    [mediaType === DOCKER_MANIFEST ? "SchemaV2Manifest" : "OCIManifest"]: document,
  };
}
