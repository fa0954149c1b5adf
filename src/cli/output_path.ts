/** Where `save -o` and `export -o` write. */
import { UserError } from "../base/errors.ts";
import { statIfThere } from "../base/files.ts";

/** Throws UserError in docker's words unless the directory of `path` is there. `goal`: "save image". */
export function checkOutputPath(path: string, goal: string): void {
  const clean = path.replace(/\/+$/, "");
  const directory = clean.includes("/") ? clean.slice(0, clean.lastIndexOf("/")) || "/" : ".";
  if (statIfThere(directory) !== undefined) return;
  throw new UserError(
    `failed to ${goal}: invalid output path: stat ${directory}: no such file or directory`,
  );
}
