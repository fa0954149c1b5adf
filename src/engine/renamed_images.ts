/** Whether the name by which a container was made still means its image. On the way of `ps`. */
import { UserError } from "../base/errors.ts";
import { rootDirectory } from "../base/places.ts";
import { type IndexEntry, readEntries } from "../image/index_file.ts";
import { AmbiguousIdError, resolveId } from "../image/lookup.ts";
import { Store } from "../image/store.ts";
import type { ContainerRecord } from "./types.ts";

/** Makes the test of containers whose image has lost its name, or another image has it now. */
export function renamedTest(): (record: ContainerRecord) => boolean {
  let entries: readonly IndexEntry[] | undefined;
  const meant = new Map<string, string | undefined>();
  return ({ Image, Config: { Image: name } }) => {
    if (Image === "" || name === Image) return false;
    entries ??= readList();
    if (entries === undefined) return false;
    if (!meant.has(name)) meant.set(name, idOf(entries, name));
    return meant.get(name) !== Image;
  };
}

/** undefined: it is damaged, which is no reason to show no containers. */
function readList(): readonly IndexEntry[] | undefined {
  try {
    return readEntries(new Store(rootDirectory()));
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** A start of an id that several images have by now means none of them. */
function idOf(entries: readonly IndexEntry[], name: string): string | undefined {
  try {
    return resolveId(entries, name);
  } catch (error) {
    if (error instanceof AmbiguousIdError) return undefined;
    throw error;
  }
}
