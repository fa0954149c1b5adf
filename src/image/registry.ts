/**
 * A client of one repository of one registry.
 * Source: OCI distribution-spec 1.1; docker's token authentication ("Token Authentication
 * Specification" of the distribution project).
 */
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import type { Digest } from "./digest.ts";
import { type Answer, ask, type Bytes, type Question } from "./http.ts";
import {
  boundedBody,
  errorFrom,
  NoCredentialsError,
  problemText,
  RegistryError,
  unreachable,
  verbOf,
} from "./registry_error.ts";
import { MANIFEST_TYPES } from "./types.ts";

/** What is asked for. */
export type Access = "pull" | "pull,push";

const MAX_MANIFEST = 4 << 20;
const MAX_TOKEN = 1 << 20;

/** Whether a registry is this machine: plain HTTP is fine there. */
function isLocal(domain: string): boolean {
  const host = domain.replace(/:\d+$/, "");
  return host === "localhost" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** Where the registry listens. */
function endpointOf(domain: string): string {
  if (domain === "docker.io") return "https://registry-1.docker.io";
  return `${isLocal(domain) ? "http" : "https"}://${domain}`;
}

/** A CA of docker's /etc/docker/certs.d/<host>/ca.crt, if there is one. */
function clientFor(domain: string): Deno.HttpClient | undefined {
  try {
    const ca = Deno.readTextFileSync(`/etc/docker/certs.d/${domain}/ca.crt`);
    return Deno.createHttpClient({ caCerts: [ca] });
  } catch {
    return undefined;
  }
}

/** A manifest as the registry has it. */
export interface FetchedManifest {
  bytes: Bytes;
  mediaType: string;
}

/** One repository. Tokens are kept for its lifetime. */
export class Repository {
  readonly #client: Deno.HttpClient | undefined;
  #endpoint: string;
  #authorization: string | undefined;

  constructor(
    readonly domain: string,
    readonly path: string,
    readonly access: Access,
    readonly credentials: Credentials | undefined,
    /** Why there are no credentials, if that is a fault. */
    readonly whyNone?: string,
  ) {
    this.#endpoint = endpointOf(domain);
    if (!URL.canParse(this.#endpoint)) {
      const port = domain.replace(/^.*:/, "");
      throw new RegistryError(
        `Get "${this.#endpoint}/v2/": dial tcp: address ${port}: invalid port`,
        0,
      );
    }
    this.#client = clientFor(domain);
  }

  /** Asks the registry whether it is one and takes us. Throws RegistryError. */
  async ping(): Promise<void> {
    try {
      const response = await this.#request("GET", "/v2/");
      await response.discard();
    } catch (error) {
      throw error instanceof RegistryError && error.status === 401 ? this.#refused(error) : error;
    }
  }

  /** A refused login in docker's words, which name the registry and not its token server. */
  #refused(error: RegistryError): RegistryError {
    const url = `${this.#endpoint}/v2/`;
    const message = this.#authorization?.startsWith("Basic ")
      ? `login attempt to ${url} failed with status: 401 Unauthorized`
      : error.problems.length > 0
      ? `Get "${url}": ${error.problems.map(problemText).join("; ")}`
      : error.message;
    return new RegistryError(message, 401, error.problems);
  }

  /** The manifest of a tag or digest. */
  async manifest(reference: string): Promise<FetchedManifest> {
    const response = await this.#request("GET", `/v2/${this.path}/manifests/${reference}`, {
      headers: { accept: MANIFEST_TYPES.join(", ") },
    });
    const mediaType = (response.headers.get("content-type") ?? "").split(";")[0].trim();
    return { bytes: await boundedBody(response, MAX_MANIFEST, `manifest ${reference}`), mediaType };
  }

  /** All tags; follows the registry's pages. */
  async tags(): Promise<string[]> {
    return await this.#pages(`/v2/${this.path}/tags/list`, "tags");
  }

  /** All repositories of the registry. */
  async catalog(): Promise<string[]> {
    return await this.#pages("/v2/_catalog", "repositories");
  }

  async #pages(first: string, key: string): Promise<string[]> {
    const all: string[] = [];
    for (let next: string | undefined = first, page = 0; next !== undefined; page++) {
      if (page > 1000) throw new RegistryError(`Cannot list ${key}: more than 1000 pages`, 0);
      const response = await this.#request("GET", next);
      const link = /<([^>]+)>;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
      const text = new TextDecoder().decode(await boundedBody(response, MAX_MANIFEST, key));
      const list: unknown = JSON.parse(text)[key];
      if (Array.isArray(list)) all.push(...list.map(String));
      // Only the path: a registry may not send us elsewhere with our token.
      next = link === undefined ? undefined : pathOf(new URL(link, this.#endpoint));
    }
    return all;
  }

  /**
   * The content of a blob from byte `from` on; `from` of the answer is 0 if it cannot resume. A
   * piece of it is valid until the next one is asked for.
   */
  async blob(
    digest: Digest,
    from: number,
    signal?: AbortSignal,
  ): Promise<{ from: number; body: AsyncIterable<Bytes> }> {
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    const response = await this.#request("GET", `/v2/${this.path}/blobs/${digest}`, {
      headers,
      ...(signal && { signal }),
    });
    const resumed = response.status === 206 &&
      response.headers.get("content-range")?.startsWith(`bytes ${from}-`);
    return { from: resumed ? from : 0, body: response.body };
  }

  /** A blob that is a document, whole; not checked against its digest. */
  async document(digest: Digest): Promise<Bytes> {
    const response = await this.#request("GET", `/v2/${this.path}/blobs/${digest}`);
    return await boundedBody(response, MAX_MANIFEST, `blob ${digest}`);
  }

  /** Whether the registry has a blob. */
  async hasBlob(digest: Digest): Promise<boolean> {
    try {
      const response = await this.#request("HEAD", `/v2/${this.path}/blobs/${digest}`);
      await response.discard();
      return true;
    } catch (error) {
      if (error instanceof RegistryError && error.status === 404) return false;
      throw error;
    }
  }

  /**
   * Lets the registry take a blob from another of its repositories; false: it does not, or we may
   * not read there. OCI distribution-spec, "Mounting a blob from another repository".
   */
  async mountBlob(digest: Digest, from: string): Promise<boolean> {
    const query = new URLSearchParams({ mount: digest, from });
    try {
      const response = await this.#request("POST", `/v2/${this.path}/blobs/uploads/?${query}`, {
        body: "",
      });
      await response.discard();
      return response.status === 201;
    } catch (error) {
      if (error instanceof RegistryError && error.status > 0) return false;
      throw error;
    }
  }

  /** Sends a blob; `open` gives its content, again if the registry asks for a login between. */
  async upload(digest: Digest, open: () => ReadableStream<Bytes>): Promise<void> {
    const start = await this.#request("POST", `/v2/${this.path}/blobs/uploads/`, { body: "" });
    await start.discard();
    const first = this.#location(start);
    const patch = await this.#request("PATCH", first, {
      headers: { "content-type": "application/octet-stream" },
      body: open(),
    });
    await patch.discard();
    const last = new URL(this.#location(patch));
    last.searchParams.set("digest", digest);
    const done = await this.#request("PUT", last.href, {
      headers: { "content-type": "application/octet-stream" },
      body: "",
    });
    await done.discard();
  }

  /** Puts a manifest under a tag or digest. */
  async putManifest(reference: string, bytes: Bytes, mediaType: string): Promise<void> {
    const path = `/v2/${this.path}/manifests/${reference}`;
    const response = await this.#request("PUT", path, {
      headers: { "content-type": mediaType },
      body: bytes,
    });
    await response.discard();
  }

  #location(response: Answer): string {
    const location = response.headers.get("location");
    if (location === null) {
      throw new RegistryError("Cannot upload: no Location header", response.status);
    }
    return new URL(location, response.url || this.#endpoint).href;
  }

  /** One request, with a login if the registry asks for it. Throws RegistryError unless 2xx. */
  async #request(method: string, path: string, init: Partial<Question> = {}): Promise<Answer> {
    const url = new URL(path, this.#endpoint);
    const isOurs = url.origin === new URL(this.#endpoint).origin;
    for (let attempt = 0;; attempt++) {
      const headers: Record<string, string> = { ...init.headers, "user-agent": "diplodock" };
      // Somebody else's server (an upload elsewhere) does not get our token.
      if (isOurs && this.#authorization) headers.authorization = this.#authorization;
      const response = await this.#fetch(method, url.href, { ...init, headers });
      if (response.ok) return response;
      const challenge = response.headers.get("www-authenticate");
      const mayRetry = attempt === 0 && isOurs && !(init.body instanceof ReadableStream);
      if (response.status === 401 && challenge !== null && mayRetry) {
        await response.discard();
        if (await this.#login(parseChallenges(challenge))) continue;
        if (this.whyNone !== undefined) throw new RegistryError(this.whyNone, 0);
        throw new NoCredentialsError(`${verbOf(method)} "${url.origin}${url.pathname}"`);
      }
      throw await errorFrom(response, method);
    }
  }

  async #fetch(method: string, url: string, question: Question): Promise<Answer> {
    const client = this.#client && { client: this.#client };
    try {
      return await ask(method, url, { ...question, ...client });
    } catch (error) {
      if (question.signal?.aborted) throw error;
      throw unreachable(error, method, url);
    }
  }

  /** Gets what the challenges ask for; false: they ask for credentials and there are none. */
  async #login(challenges: readonly Challenge[]): Promise<boolean> {
    const bearer = challenges.find((challenge) => challenge.scheme === "bearer");
    if (bearer !== undefined) {
      this.#authorization = `Bearer ${await this.#token(bearer.parameters)}`;
      return true;
    }
    const isBasic = challenges.some((challenge) => challenge.scheme === "basic");
    if (!isBasic || this.credentials?.kind !== "password") return false;
    this.#authorization = basic(this.credentials);
    return true;
  }

  async #token(parameters: Record<string, string>): Promise<string> {
    const { realm, service } = parameters;
    if (realm === undefined) {
      throw new RegistryError("Cannot log in: no realm in the challenge", 401);
    }
    const scope = parameters.scope ??
      (this.path === "" ? undefined : `repository:${this.path}:${this.access}`);
    const url = new URL(realm, this.#endpoint);
    // A password goes to an encrypted server or to this machine.
    const isSafe = url.protocol === "https:" || isLocal(url.host);
    if (!isSafe && this.credentials !== undefined) {
      throw new RegistryError(
        `Cannot log in: the token server ${url.origin} is not encrypted`,
        401,
      );
    }
    const response = this.credentials?.kind === "identity"
      ? await this.#oauth(url, service, scope, this.credentials.token)
      : await this.#basicToken(url, service, scope);
    if (!response.ok) throw await errorFrom(response, "GET");
    const text = new TextDecoder().decode(await boundedBody(response, MAX_TOKEN, "a token"));
    const { token, access_token } = JSON.parse(text);
    if (typeof (token ?? access_token) !== "string") {
      throw new RegistryError(`Cannot log in: ${url.origin} gave no token`, 401);
    }
    return token ?? access_token;
  }

  async #basicToken(url: URL, service?: string, scope?: string): Promise<Answer> {
    if (service !== undefined) url.searchParams.set("service", service);
    // A challenge may name several, as for a blob of another repository.
    for (const one of scope?.split(" ") ?? []) url.searchParams.append("scope", one);
    const headers: Record<string, string> = {};
    if (this.credentials?.kind === "password") {
      url.searchParams.set("account", this.credentials.username);
      headers.authorization = basic(this.credentials);
    }
    return await this.#fetch("GET", url.href, { headers });
  }

  async #oauth(url: URL, service?: string, scope?: string, token = ""): Promise<Answer> {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: token,
      client_id: "diplodock",
    });
    if (service !== undefined) form.set("service", service);
    if (scope !== undefined) form.set("scope", scope);
    return await this.#fetch("POST", url.href, { headers: {}, body: form });
  }
}

function basic(credentials: { username: string; password: string }): string {
  const bytes = new TextEncoder().encode(`${credentials.username}:${credentials.password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

function pathOf(url: URL): string {
  return url.pathname + url.search;
}
