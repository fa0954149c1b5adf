/**
 * Who we are to a registry: docker's config.json and its credential helpers.
 * Source: docker/cli, cli/config; docker-credential-helpers, README.
 */
import { UserError } from "../base/errors.ts";
import { makeDirectories, readIfThere, writeAtomic } from "../base/files.ts";

/** What a registry is shown. */
export type Credentials =
  | { kind: "password"; username: string; password: string }
  /** A token that the registry itself gave out for a password. */
  | { kind: "identity"; username: string; token: string };

/** Those that a client of the API sent with its request: `null` when it sent none. */
export type GivenCredentials = Credentials | null;

interface AuthEntry {
  auth?: string;
  username?: string;
  password?: string;
  identitytoken?: string;
}

interface ConfigFile {
  auths?: Record<string, AuthEntry>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  [key: string]: unknown;
}

/** The key of Docker Hub in config.json. */
const HUB_KEY = "https://index.docker.io/v1/";
/** What a helper says when it has nothing. */
const NOT_FOUND = "credentials not found";

/** The directory of docker's client config. */
export function configDirectory(): string {
  return Deno.env.get("DOCKER_CONFIG") || `${Deno.env.get("HOME") ?? "/root"}/.docker`;
}

/** The host of what a user typed: "https://host/v1/" is taken too. */
export function serverOf(text: string | undefined): string {
  if (text === undefined || text === HUB_KEY) return "docker.io";
  return text.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

/** The key under which a registry's credentials are kept. */
export function registryKey(domain: string): string {
  return domain === "docker.io" || domain === "index.docker.io" || domain === "registry-1.docker.io"
    ? HUB_KEY
    : domain;
}

function configPath(): string {
  return `${configDirectory()}/config.json`;
}

function readConfig(): ConfigFile {
  const text = readIfThere(configPath());
  if (text === undefined || text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`Cannot read "${configPath()}": ${(error as Error).message}`);
  }
}

/** A link to the file (as dotfile managers make) stays a link. */
function writeConfig(config: ConfigFile): void {
  makeDirectories(configDirectory());
  let path = configPath();
  try {
    path = Deno.realPathSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  writeAtomic(path, JSON.stringify(config, undefined, "\t"), true);
}

/** The helper that keeps a registry's credentials, if one is configured. */
function helperFor(config: ConfigFile, key: string): string | undefined {
  return config.credHelpers?.[hostOf(key)] ?? config.credHelpers?.[key] ??
    (config.credsStore || undefined);
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

async function runHelper(helper: string, verb: string, input: string): Promise<string> {
  const name = `docker-credential-${helper}`;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(name, {
      args: [verb],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new NoHelperError(
      `error getting credentials - err: exec: "${name}": executable file not found in $PATH`,
    );
  }
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch (error) {
    // A helper may answer without reading all of its input.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  const { success, stdout } = await child.output();
  const text = new TextDecoder().decode(stdout).trim();
  if (!success) throw new HelperError(text);
  return text;
}

/** The program that keeps the credentials is not on this machine. */
export class NoHelperError extends UserError {
  override name = "NoHelperError";
}

class HelperError extends UserError {
  override name = "HelperError";
  constructor(readonly output: string) {
    super(`error getting credentials - err: exit status 1, out: \`${output}\``);
  }
}

async function fromHelper(helper: string, key: string): Promise<Credentials | undefined> {
  let text: string;
  try {
    text = await runHelper(helper, "get", key);
  } catch (error) {
    if (error instanceof HelperError && error.output.includes(NOT_FOUND)) return undefined;
    throw error;
  }
  const { Username: username, Secret: secret } = JSON.parse(text);
  return username === "<token>"
    ? { kind: "identity", username: "", token: secret }
    : { kind: "password", username, password: secret };
}

function fromEntry(entry: AuthEntry | undefined): Credentials | undefined {
  if (entry === undefined) return undefined;
  let { username = "", password = "" } = entry;
  if (entry.auth) {
    const text = new TextDecoder().decode(
      Uint8Array.from(atob(entry.auth), (char) => char.charCodeAt(0)),
    );
    const colon = text.indexOf(":");
    if (colon < 0) throw new UserError("Invalid auth configuration file");
    username = text.slice(0, colon);
    password = text.slice(colon + 1).replace(/\0+$/, "");
  }
  if (entry.identitytoken) return { kind: "identity", username, token: entry.identitytoken };
  return username === "" ? undefined : { kind: "password", username, password };
}

/** The credentials for a registry ("docker.io", "localhost:5000"), if there are any. */
export async function findCredentials(domain: string): Promise<Credentials | undefined> {
  const config = readConfig();
  const key = registryKey(domain);
  const helper = helperFor(config, key);
  if (helper !== undefined) return await fromHelper(helper, key);
  const auths = config.auths ?? {};
  // Old files have the key as a URL.
  const match = Object.keys(auths).find((name) => name === key) ??
    Object.keys(auths).find((name) => hostOf(name) === hostOf(key));
  return match === undefined ? undefined : fromEntry(auths[match]);
}

/** Keeps credentials; whether they lie unencrypted in config.json now. */
export async function storeCredentials(domain: string, credentials: Credentials): Promise<boolean> {
  const config = readConfig();
  const key = registryKey(domain);
  const helper = helperFor(config, key);
  const secret = credentials.kind === "identity" ? credentials.token : credentials.password;
  if (helper !== undefined) {
    const Username = credentials.kind === "identity" ? "<token>" : credentials.username;
    await runHelper(helper, "store", JSON.stringify({ ServerURL: key, Username, Secret: secret }));
    writeConfig({ ...config, auths: { ...config.auths, [key]: {} } });
    return false;
  }
  const password = credentials.kind === "identity" ? "" : secret;
  const bytes = new TextEncoder().encode(`${credentials.username}:${password}`);
  const entry: AuthEntry = {
    auth: btoa(String.fromCharCode(...bytes)),
    ...(credentials.kind === "identity" && { identitytoken: secret }),
  };
  writeConfig({ ...config, auths: { ...config.auths, [key]: entry } });
  return true;
}

/** Forgets credentials; whether there were any. */
export async function eraseCredentials(domain: string): Promise<boolean> {
  const config = readConfig();
  const key = registryKey(domain);
  const helper = helperFor(config, key);
  const had = Object.hasOwn(config.auths ?? {}, key);
  if (helper !== undefined) {
    const known = await fromHelper(helper, key);
    if (known !== undefined) await runHelper(helper, "erase", key);
    if (!had) return known !== undefined;
  }
  if (had) {
    delete config.auths![key];
    writeConfig(config);
  }
  return had;
}
