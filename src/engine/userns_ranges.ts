/** Ranges of ids that containers have taken: a link each, made atomically, gone after a reboot. */
import { makeDirectories, namesIn, removeIfThere } from "../base/files.ts";
import { runDirectory } from "../base/places.ts";

const rangesDirectory = () => `${runDirectory()}/userns`;

/** Takes the range that begins at `first` for container `id`; false when another has it. */
export function claimRange(first: number, id: string): boolean {
  makeDirectories(rangesDirectory());
  const path = `${rangesDirectory()}/${first}`;
  try {
    Deno.symlinkSync(id, path);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  return false;
}

/** Gives all ranges of container `id` back. */
export function releaseRanges(id: string): void {
  for (const name of namesIn(rangesDirectory())) {
    const path = `${rangesDirectory()}/${name}`;
    let owner: string;
    try {
      owner = Deno.readLinkSync(path);
    } catch {
      continue; // released meanwhile
    }
    if (owner === id) removeIfThere(path);
  }
}
