/** What a registry has under a name, looked at and not pulled: `manifest inspect`. */
import { UserError } from "../base/errors.ts";
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
