/** `tag`, and what a name may look like where it is given to an image. */
import { UserError } from "../base/errors.ts";
import type { Digest } from "./digest.ts";
import { type IndexEntry, readEntries, updateEntries } from "./index_file.ts";
import { resolveId } from "./lookup.ts";
import { readRecord, writeRecord } from "./records.ts";
import { BadNameError, fullName, parseReference, withDefaultTag } from "./reference.ts";
import { noSuchImage } from "./no_such_image.ts";
import type { Store } from "./store.ts";

/** The full name for a new tag. Throws UserError with docker's text; a digest is no tag. */
export function newTagName(text: string, describe: (reason: string) => string): string {
  try {
    const reference = parseReference(text);
    if (reference.digest !== undefined) {
      throw new UserError("refusing to create a tag with a digest reference");
    }
    return fullName(withDefaultTag(reference));
  } catch (error) {
    if (error instanceof BadNameError) throw new UserError(describe(error.message));
    throw error;
  }
}

/** The full name that `tag` gives to what `source` names. Throws UserError with docker's text. */
export function checkTagNames(source: string, target: string): string {
  const describe = (name: string) => (reason: string) =>
    `Error parsing reference: ${JSON.stringify(name)} is not a valid repository/tag: ${reason}`;
  if (!/^[0-9a-f]{64}$/.test(source)) {
    try {
      parseReference(source);
    } catch (error) {
      if (error instanceof BadNameError) throw new UserError(describe(source)(error.message));
      throw error;
    }
  }
  return newTagName(target, describe(target));
}

/** Gives `source` one more name; another image that had it loses it. The id, and the full name. */
export function tagImage(
  store: Store,
  source: string,
  target: string,
): { id: Digest; name: string } {
  const name = checkTagNames(source, target);
  const id = resolveId(readEntries(store), source);
  if (id === undefined) throw noSuchImage(source);
  updateEntries(store, (entries) => ({ entries: withName(entries, id, name), result: undefined }));
  const record = readRecord(store, id);
  if (record !== undefined) {
    writeRecord(store, { ...record, lastTagTime: new Date().toISOString() });
  }
  return { id, name };
}

function withName(entries: readonly IndexEntry[], id: Digest, name: string): IndexEntry[] {
  const own = entries.find((entry) => entry.id === id);
  if (own === undefined) throw noSuchImage(id);
  const rest = entries.filter((entry) =>
    entry.name !== name && !(entry.id === id && entry.name === undefined)
  );
  return [...rest, { name, id, manifest: own.manifest }];
}
