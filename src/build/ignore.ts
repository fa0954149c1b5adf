/**
 * The patterns of .dockerignore and of COPY --exclude. Source: Dockerfile reference,
 * ".dockerignore file"; Go's filepath.Match with "**" for any number of directories.
 */
import { UserError } from "../base/errors.ts";
import { cleanPath } from "../base/paths.ts";
import { Glob } from "./glob.ts";

interface Pattern {
  readonly keeps: boolean;
  readonly glob: Glob;
  /** Its parts, for who asks whether it may match below a directory; undefined: any directories. */
  readonly parts: readonly (Glob | undefined)[];
}

/** A list of patterns, of which the last that matches counts. */
export class IgnoreList {
  readonly #patterns: readonly Pattern[];

  constructor(lines: readonly string[]) {
    this.#patterns = lines.flatMap((line) => parsePattern(line) ?? []);
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  /** Whether a path (without leading slash) is left out: by itself, or with a directory above. */
  ignores(path: string): boolean {
    const above: string[] = [path];
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      above.push(path.slice(0, at));
    }
    let ignored = false;
    for (const { keeps, glob } of this.#patterns) {
      if (keeps === ignored && above.some((one) => glob.test(one))) ignored = !keeps;
    }
    return ignored;
  }

  /** Whether something below an ignored directory may be kept. */
  mayKeepBelow(path: string): boolean {
    const parts = path.split("/");
    return this.#patterns.some((pattern) => pattern.keeps && mayMatchBelow(pattern.parts, parts));
  }
}

/** Whether a pattern's first parts can be the directory's. */
function mayMatchBelow(
  pattern: readonly (Glob | undefined)[],
  directory: readonly string[],
): boolean {
  for (const [at, part] of directory.entries()) {
    const own = pattern[at];
    if (own === undefined) return true;
    if (!own.test(part)) return false;
  }
  return true;
}

/** The patterns of a .dockerignore file. */
export function ignoreLines(text: string): string[] {
  return text.replace(/^\uFEFF/, "").split(/\r?\n/)
    .filter((line) => !line.startsWith("#")).map((line) => line.trim()).filter(Boolean);
}

function parsePattern(line: string): Pattern | undefined {
  const keeps = line.startsWith("!");
  const text = (keeps ? line.slice(1) : line).trim();
  if (text === "") {
    if (keeps) throw new UserError(`illegal exclusion pattern: "!"`);
    return undefined;
  }
  const clean = cleanPath(text).replace(/^\/+/, "");
  if (clean === "" || clean === ".") return undefined;
  const parts = clean.split("/").map((part) => part.includes("**") ? undefined : new Glob(part));
  return { keeps, glob: new Glob(clean), parts };
}
