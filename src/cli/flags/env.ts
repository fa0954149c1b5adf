/** `-e`, `--env-file`, `-l`, `--label-file`: lists of KEY=VALUE, from words and files. */
import { badFlag, cut } from "./units.ts";
import type { ClientHost } from "./host.ts";

/** Checks one `-e`: there has to be a name. */
export function parseEnv(text: string): string {
  if (cut(text, "=")[0] === "") badFlag(`invalid environment variable: ${text}`);
  return text;
}

/**
 * Gives the names without a value the client's. Where the client has none the bare name stays,
 * and means "drop it from the image's environment".
 */
export function inheritEnv(words: readonly string[], host: ClientHost): string[] {
  return words.map((word) => {
    const inherited = word.includes("=") ? undefined : host.env(word);
    return inherited === undefined ? word : `${word}=${inherited}`;
  });
}

/** Checks one `-l`: a name without blanks, with or without a value. */
export function parseLabel(text: string): string {
  const name = cut(text, "=")[0].replace(/^[ \t]+/, "");
  if (name === "") badFlag(`invalid label '${text}': empty name`);
  if (/[ \t]/.test(name)) badFlag(`label '${name}' contains whitespaces`);
  return text;
}

/** KEY=VALUE words as a map; the last one of a key wins, no "=" is an empty value. */
export function toMap(words: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (const word of words) {
    const [key, value] = cut(word, "=");
    map[key] = value ?? "";
  }
  return map;
}

function readFile(path: string, host: ClientHost): Uint8Array {
  try {
    return host.readFile(path);
  } catch (error) {
    const goal = `open ${path}`;
    if (error instanceof Deno.errors.NotFound) badFlag(`${goal}: no such file or directory`);
    if (error instanceof Deno.errors.PermissionDenied) badFlag(`${goal}: permission denied`);
    if (error instanceof Deno.errors.IsADirectory) {
      badFlag(`invalid env file (${path}): read ${path}: is a directory`);
    }
    throw error;
  }
}

/** Splits at line feeds, dropping one carriage return before each, as Go's scanner does. */
function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const feed = bytes.indexOf(10, start);
    const end = feed < 0 ? bytes.length : feed;
    const trimmed = end > start && bytes[end - 1] === 13 ? end - 1 : end;
    lines.push(bytes.subarray(start, trimmed));
    start = end + 1;
  }
  return lines;
}

/**
 * Reads one file of KEY=VALUE lines. Leading blanks are dropped, then `#` starts a comment;
 * nothing is quoted or expanded. A name alone takes the value `lookup` gives, or is dropped.
 */
export function parseKeyValueFile(
  path: string,
  host: ClientHost,
  lookup: (name: string) => string | undefined,
): string[] {
  const fail = (why: string) => badFlag(`invalid env file (${path}): ${why}`);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const words: string[] = [];
  for (const [index, bytes] of splitLines(readFile(path, host)).entries()) {
    let line = "";
    try {
      line = decoder.decode(bytes);
    } catch {
      fail(`invalid utf8 bytes at line ${index + 1}: [${bytes.join(" ")}]`);
    }
    if (index === 0) line = line.replace(/^\ufeff/, "");
    line = line.replace(/^[\s\u0085]+/, "");
    if (line === "" || line.startsWith("#")) continue;
    const [name, value] = cut(line, "=");
    if (name === "") fail(`no variable name on line '${line}'`);
    if (/[ \t]/.test(name)) fail(`variable '${name}' contains whitespaces`);
    const found = value ?? lookup(name);
    if (found !== undefined) words.push(`${name}=${found}`);
  }
  return words;
}

/** The proxy settings of the client's config.json (`proxies.default`). */
export interface ProxyConfig {
  httpProxy?: string;
  httpsProxy?: string;
  noProxy?: string;
  ftpProxy?: string;
  allProxy?: string;
}

/** Adds the configured proxies, in both spellings, to the words of `-e` that don't set them. */
export function withProxies(words: readonly string[], proxies: ProxyConfig): string[] {
  const all = [...words];
  const given = new Set(words.map((word) => cut(word, "=")[0]));
  const known = {
    HTTP_PROXY: proxies.httpProxy,
    HTTPS_PROXY: proxies.httpsProxy,
    NO_PROXY: proxies.noProxy,
    FTP_PROXY: proxies.ftpProxy,
    ALL_PROXY: proxies.allProxy,
  };
  for (const [name, value] of Object.entries(known)) {
    if (!value) continue;
    for (const spelling of [name, name.toLowerCase()]) {
      if (!given.has(spelling)) all.push(`${spelling}=${value}`);
    }
  }
  return all;
}
