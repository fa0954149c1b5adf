/** Files that a user names and that get an archive: whole, or not at all. */
import { statIfThere } from "../base/files.ts";
import { writeAll } from "./blobs.ts";

/**
 * Writes a file under a temporary name: a failure must not leave half an archive, nor take a whole
 * one that was there. What is no file, a pipe or a device, is written to.
 */
export async function writeWhole<T>(
  path: string,
  make: (write: (chunk: Uint8Array) => void) => Promise<T>,
): Promise<T> {
  const isSpecial = isThereAndNoFile(path);
  const target = isSpecial ? path : `${path}.tmp-${Deno.pid}`;
  const file = Deno.openSync(target, { write: true, create: true, truncate: true, mode: 0o600 });
  try {
    const made = await make((chunk) => writeAll(file, chunk, path));
    if (!isSpecial) Deno.renameSync(target, path);
    return made;
  } catch (error) {
    if (!isSpecial) Deno.removeSync(target);
    throw error;
  } finally {
    file.close();
  }
}

function isThereAndNoFile(path: string): boolean {
  return statIfThere(path)?.isFile === false;
}
