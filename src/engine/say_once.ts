/** Notes for the user that matter once: how this machine differs from what he may expect. */
import { makeDirectories } from "../base/files.ts";
import { rootDirectory } from "../base/places.ts";

/** Prints `text` on stderr unless the note `key` was given before in this store. */
export function sayOnce(key: string, text: string): void {
  const directory = `${rootDirectory()}/said`;
  makeDirectories(directory);
  try {
    Deno.openSync(`${directory}/${key}`, { write: true, createNew: true }).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  console.error(`NOTE: ${text}`);
}
