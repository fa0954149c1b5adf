/** Where `save` and `export` write. */
import { UserError, whyOf } from "../base/errors.ts";
import { statIfThere } from "../base/files.ts";

/** Throws UserError in docker's words for a path that no file can have. `goal`: "save image". */
export function checkOutputPath(path: string, goal: string): void {
  const clean = path.replace(/\/+$/, "");
  const directory = clean.includes("/") ? clean.slice(0, clean.lastIndexOf("/")) || "/" : ".";
  if (statIfThere(path)?.isDirectory) {
    throw new UserError(`failed to ${goal}: cannot write to a directory`);
  }
  if (statIfThere(directory) !== undefined) return;
  throw new UserError(
    `failed to ${goal}: invalid output path: stat ${directory}: no such file or directory`,
  );
}

/** Writes all of a chunk to stdout. Throws UserError that says so, as a full disk doesn't. */
export function writeToStdout(chunk: Uint8Array): void {
  try {
    for (let at = 0; at < chunk.length;) at += Deno.stdout.writeSync(chunk.subarray(at));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw error; // nobody reads: no word of it
    throw new UserError(`write /dev/stdout: ${whyOf(error as Error)}`);
  }
}
