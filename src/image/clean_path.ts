/** Paths in archives, which may be anything. */
import { toText } from "./byte_string.ts";
import { TarError } from "./tar_header.ts";

const MAX_DEPTH = 1024;

/**
 * The names of a path, "." and empty ones dropped and ".." resolved. Throws TarError if it leads
 * out of the layer or is deeper than 1,024 directories.
 */
export function cleanPath(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.pop() === undefined) {
      throw new TarError(`Cannot unpack "${toText(path)}": the path leads outside of the layer`);
    }
  }
  if (names.length > MAX_DEPTH) {
    throw new TarError(
      `Cannot unpack "${toText(path.slice(0, 40))}…": more than ${MAX_DEPTH} directories deep`,
    );
  }
  return names;
}
