/** Which handler answers a request: by method, path and version. Pure. */
import { API_VERSION, MIN_API_VERSION } from "../base/version.ts";
import type { Exchange } from "./exchange.ts";
import { ApiError, type RequestHead } from "./http_head.ts";

/** Answers one request; what it throws becomes an answer too. */
export type Handler = (exchange: Exchange) => Promise<void>;

/**
 * A row of the table. In a pattern "{id}" is one part of the path and "{name...}" one or more.
 * The handler is loaded when it is first asked for.
 */
export type Route = readonly [method: string, pattern: string, load: () => Promise<Handler>];

/** What answers a request. */
export interface Match {
  readonly load: () => Promise<Handler>;
  readonly parts: Readonly<Record<string, string>>;
  readonly minor: number;
}

interface Compiled {
  readonly method: string;
  readonly pattern: RegExp;
  readonly load: Route[2];
}

const minorOf = (version: string) => Number(version.slice(version.indexOf(".") + 1));

/** The table, ready to be searched. The first row that fits answers. */
export class Router {
  readonly #routes: readonly Compiled[];
  constructor(routes: readonly Route[]) {
    this.#routes = routes.map(([method, pattern, load]) => ({
      method,
      pattern: compile(pattern),
      load,
    }));
  }

  /** Throws ApiError: 400 for a version that is not spoken here, 404 for what is not there. */
  match({ method, path }: Pick<RequestHead, "method" | "path">): Match {
    const { rest, minor } = splitVersion(decode(path));
    for (const route of this.#routes) {
      if (route.method !== method) continue;
      const found = route.pattern.exec(rest);
      if (found !== null) return { load: route.load, parts: { ...found.groups }, minor };
    }
    throw new ApiError(404, "page not found");
  }
}

function compile(pattern: string): RegExp {
  const source = pattern.replace(
    /\{(\w+)(\.\.\.)?\}/g,
    (_, name, many) => `(?<${name}>${many ? ".+" : "[^/]+"})`,
  );
  return new RegExp(`^${source}$`, "s");
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new ApiError(400, "Cannot read the request: its path is not valid UTF-8");
  }
}

/** Takes "/v1.43" off a path. Without it the newest version is spoken. */
function splitVersion(path: string): { rest: string; minor: number } {
  const match = /^\/v(\d{1,3})\.(\d{1,3})(\/.*)$/.exec(path);
  const newest = minorOf(API_VERSION);
  if (match === null) return { rest: path, minor: newest };
  const [, major, minor, rest] = match;
  const version = `${Number(major)}.${Number(minor)}`;
  const order = (Number(major) - 1) * 1000 + Number(minor);
  if (order > newest) {
    throw new ApiError(
      400,
      `client version ${version} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  }
  if (order < minorOf(MIN_API_VERSION)) {
    throw new ApiError(
      400,
      `client version ${version} is too old. Minimum supported API version is ` +
        `${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
  return { rest, minor: Number(minor) };
}
