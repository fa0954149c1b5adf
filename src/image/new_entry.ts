/** What holds for each file of a layer, whether it is made by itself or with others. */
import { O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } from "../../ffi/constants.ts";
import type { TarEntry } from "./tar.ts";

/** A new file, and nothing that is there already. */
export const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

/** What an entry adds to docker's size of a layer: the target of a link counts as its content. */
export function sizeOf(entry: TarEntry): number {
  return entry.type === "symlink" ? entry.link.length : entry.size;
}
