/** Paths of `cp`, by the rules of docker's client. Pure. */
import { UserError } from "../base/errors.ts";

/** What docker's client refuses by itself: reported without the daemon's prefix. */
export class CopyPathError extends UserError {
  override name = "CopyPathError";
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

/** The name that a source has at its destination: the last part; "." for the content of one. */
export function ownName(path: string): string {
  if (meansContent(path)) return ".";
  const clean = cleanPath(path);
  return clean === "/" ? "." : clean.slice(clean.lastIndexOf("/") + 1);
}

/**
 * The directory of an absolute path and the name in it; "." where the path itself says that it is
 * a directory. Not cleaned: ".." behind a link is not what it looks like.
 */
export function splitPath(path: string): { directory: string; name: string } {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  if (name === "" || name === "." || name === "..") return { directory: path, name: "." };
  return { directory: path.slice(0, slash) || "/", name };
}

/** What is copied. */
export interface Source {
  readonly isDirectory: boolean;
  /** By what name it was asked for, see ownName(). */
  readonly name: string;
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
 * directory that has to exist. Throws CopyPathError with docker's texts.
 */
export function planCopy(source: Source, { path, kind }: Destination): CopyPlan {
  if (kind === "directory") return { directory: path, name: source.name };
  if (kind === "other" && source.isDirectory) throw new CopyPathError("cannot copy directory");
  if (kind === undefined && !source.isDirectory && meansDirectory(path)) {
    throw new CopyPathError("no such directory");
  }
  return splitPath(path.replace(/(?<=.)(\/\.?)+$/, ""));
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
