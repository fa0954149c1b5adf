/** Paths of `cp`, by the rules of docker's archive package. Pure. */
import { UserError } from "../base/errors.ts";

/** What docker's client refuses itself: its text has no prefix of the daemon. */
export class CopyError extends UserError {
  override name = "CopyError";
}

/** Go's filepath.Clean. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith("/");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (!rooted) parts.push("..");
  }
  const joined = parts.join("/");
  return rooted ? `/${joined}` : joined || ".";
}

/** Whether the last part of a path is ".": the content of a directory is meant. */
export function meansContent(path: string): boolean {
  return path === "." || path.endsWith("/.");
}

/** Whether a path can only be a directory. */
export function meansDirectory(path: string): boolean {
  return path.endsWith("/") || meansContent(path);
}

/** `path` made absolute and clean, except that its last "/" or "/." stays: it has a meaning. */
export function absolutePath(path: string, directory: string): string {
  const clean = cleanPath(path.startsWith("/") ? path : `${directory}/${path}`);
  const slash = clean.endsWith("/") ? "" : "/";
  if (meansContent(path)) return `${clean}${slash}.`;
  return path.endsWith("/") ? `${clean}${slash}` : clean;
}

/** The directory and the last name of a path; the name of "x/." is ".". */
export function splitPath(path: string): { directory: string; name: string } {
  const clean = meansContent(path) ? `${cleanPath(path)}/.` : cleanPath(path);
  const slash = clean.lastIndexOf("/");
  const directory = cleanPath(clean.slice(0, slash + 1) || ".");
  return { directory, name: clean.slice(slash + 1) || "/" };
}

/** What is copied. */
export interface Source {
  readonly path: string;
  readonly isDirectory: boolean;
  /** The name it was asked by, where a link led to another. */
  readonly askedName?: string;
}

/** Where it is to go. */
export interface Destination {
  readonly path: string;
  /** undefined: there is nothing yet. */
  readonly kind: "directory" | "other" | undefined;
}

/** The directory to write into, and the name that the source gets there. */
export interface CopyPlan {
  readonly directory: string;
  readonly name: string;
}

/**
 * docker's rules: into a directory that exists; over a file that exists; else as a new name in a
 * directory that has to exist. Throws CopyError with docker's texts.
 */
export function planCopy(source: Source, destination: Destination): CopyPlan {
  const own = source.askedName ?? splitPath(source.path).name;
  if (destination.kind === "directory") return { directory: destination.path, name: own };
  const { directory, name } = splitPath(destination.path);
  if (destination.kind === "other" && source.isDirectory) {
    throw new CopyError("cannot copy directory");
  }
  if (destination.kind === undefined && !source.isDirectory && meansDirectory(destination.path)) {
    throw new CopyError("no such directory");
  }
  return { directory, name };
}

/** One side of `cp`: `CONTAINER:PATH`, or a path of this machine. */
export interface Place {
  readonly container?: string;
  readonly path: string;
}

/** Parses one side; "./a:b" and "/a:b" are paths of this machine. */
export function parsePlace(text: string): Place {
  const colon = text.indexOf(":");
  if (text.startsWith("/") || text.startsWith(".") || colon < 0) return { path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}
