/**
 * Names of images: "busybox" -> docker.io/library/busybox:latest. The grammar, the defaults and
 * the wording of the errors are docker's (github.com/distribution/reference).
 */
import { type Digest, isDigest } from "./digest.ts";

/** A parsed name. `domain` and `path` are always there; tag and digest as given. */
export interface Reference {
  /** "docker.io", "localhost:5000". */
  readonly domain: string;
  /** "library/busybox". */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** A name that does not follow the grammar. The message is docker's. */
export class BadNameError extends Error {
  override name = "BadNameError";
}

const HUB = "docker.io";
const HUB_LEGACY = "index.docker.io";
const DOMAIN_PART = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(
  `^(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?$`,
);
const PATH_PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const PATH = new RegExp(`^${PATH_PART}(?:/${PATH_PART})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const ANY_DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const HEX64 = /^[a-f0-9]{64}$/;
const MAX_NAME = 255;

/** Docker's rule of what before the first slash is a host: a dot, a colon, "localhost", capitals. */
function startsWithHost(name: string): boolean {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  return /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
}

/** Host and the rest, with docker's defaults. */
function splitDomain(name: string): [domain: string, rest: string] {
  const slash = startsWithHost(name) ? name.indexOf("/") : -1;
  let domain = slash >= 0 ? name.slice(0, slash) : HUB;
  let rest = name.slice(slash + 1);
  if (domain === HUB_LEGACY) domain = HUB;
  if (domain === HUB && !rest.includes("/")) rest = `library/${rest}`;
  return [domain, rest];
}

function splitDigest(text: string): { name: string; digest?: Digest } {
  const at = text.indexOf("@");
  if (at < 0) return { name: text };
  const digest = text.slice(at + 1);
  if (!ANY_DIGEST.test(digest)) throw new BadNameError("invalid reference format");
  if (!digest.startsWith("sha256:")) throw new BadNameError("unsupported digest algorithm");
  if (!isDigest(digest)) throw new BadNameError("invalid checksum digest length");
  return { name: text.slice(0, at), digest };
}

/** Reads a name as users type it. Throws BadNameError with docker's text. */
export function parseReference(text: string): Reference {
  if (HEX64.test(text)) {
    throw new BadNameError(
      `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`,
    );
  }
  const { name, digest } = splitDigest(text);
  const [domain, rest] = splitDomain(name);
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (path !== path.toLowerCase()) {
    throw new BadNameError(
      `invalid reference format: repository name (${path}) must be lowercase`,
    );
  }
  if (!DOMAIN.test(domain) || !PATH.test(path) || (tag !== undefined && !TAG.test(tag))) {
    throw new BadNameError("invalid reference format");
  }
  if (domain.length + 1 + path.length > MAX_NAME) {
    throw new BadNameError("repository name must not be more than 255 characters");
  }
  return { domain, path, ...(tag !== undefined && { tag }), ...(digest && { digest }) };
}

/** The same name with ":latest" if it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: "latest" }
    : reference;
}

/** Domain and path in full: "docker.io/library/busybox". */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** As docker shows a repository: without "docker.io/" and "library/". */
export function familiarRepository(reference: Reference): string {
  if (reference.domain !== HUB) return repositoryOf(reference);
  // "docker.io/a.b/c" without its host would name the host a.b.
  if (startsWithHost(reference.path)) return repositoryOf(reference);
  const official = /^library\/([^/]+)$/.exec(reference.path);
  return official ? official[1] : reference.path;
}

function suffix(reference: Reference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  return reference.digest === undefined ? tag : `${tag}@${reference.digest}`;
}

/** The short form with tag and digest: "busybox:latest". */
export function familiarName(reference: Reference): string {
  return familiarRepository(reference) + suffix(reference);
}

/** The full form with tag and digest: "docker.io/library/busybox:latest". */
export function fullName(reference: Reference): string {
  return repositoryOf(reference) + suffix(reference);
}

/** The key an image is stored under: by digest without the tag, else by tag. */
export function storedName(reference: Reference): string {
  const { digest } = reference;
  if (digest !== undefined) return `${repositoryOf(reference)}@${digest}`;
  return `${repositoryOf(reference)}:${reference.tag ?? "latest"}`;
}
