/** `rmi`: names first, then the image, then what only it needed. The rules are docker's. */
import { UserError } from "../base/errors.ts";
import { type Digest, shortId } from "./digest.ts";
import { collectGarbage } from "./gc.ts";
import { heldImages } from "./held_images.ts";
import { type IndexEntry, readEntries, updateEntries } from "./index_file.ts";
import { resolveId } from "./lookup.ts";
import { noSuchImage } from "./no_such_image.ts";
import { readRecord } from "./records.ts";
import {
  BadNameError,
  familiarName,
  familiarRepository,
  parseReference,
  repositoryOf,
  storedName,
} from "./reference.ts";
import type { Store } from "./store.ts";

/** A container that was made from an image. */
export interface ImageUser {
  id: string;
  running: boolean;
}

/** Tells which containers use an image; the containers' records are not this module's. */
export type ContainersUsing = (imageId: Digest) => readonly ImageUser[];

/** How to remove. */
export interface RemoveOptions {
  force: boolean;
  /** Remove parents that have no name and no other child. */
  prune: boolean;
  using: ContainersUsing;
}

/** One line of rmi's output. */
export interface Removal {
  kind: "Untagged" | "Deleted";
  what: string;
}

/** What became of the image that was named. */
export interface RemovedImage {
  id: Digest;
  /** Those it had. */
  labels: Readonly<Record<string, string>>;
  removals: Removal[];
}

/** Removes what `text` names. Throws NoSuchImageError, BadNameError, and UserError with docker's conflicts. */
export function removeImage(store: Store, text: string, options: RemoveOptions): RemovedImage {
  const before = readEntries(store);
  const id = resolveId(before, text);
  if (id === undefined) throw noSuchImage(text);
  const own = before.filter((entry) => entry.id === id);
  const name = nameAmong(own, text);
  const chains = chainsOf(store, before.map((entry) => entry.id));
  const labels = readRecord(store, id)?.config.config?.Labels ?? {};
  const removals = name === undefined
    ? removeById(store, id, own, options)
    : removeByName(store, id, own, name, text, options);
  return { id, labels, removals: [...removals, ...layersGone(store, chains)] };
}

/** The entry's name if `text` is a name and not an id. */
function nameAmong(own: readonly IndexEntry[], text: string): string | undefined {
  try {
    const name = storedName(parseReference(text));
    return own.some((entry) => entry.name === name) ? name : undefined;
  } catch (error) {
    if (error instanceof BadNameError) return undefined;
    throw error;
  }
}

function isDigestName(name: string): boolean {
  return name.includes("@sha256:");
}

function removeByName(
  store: Store,
  id: Digest,
  own: readonly IndexEntry[],
  name: string,
  text: string,
  options: RemoveOptions,
): Removal[] {
  const names = own.flatMap((entry) => entry.name === undefined ? [] : [entry.name]);
  const repository = repositoryOf(parseReference(name));
  const otherTags = names.filter((other) => other !== name && !isDigestName(other));
  // The digests of a repository mean nothing once its last tag is gone.
  const sameRepository = (other: string) => repositoryOf(parseReference(other)) === repository;
  const withIt = otherTags.some(sameRepository) || isDigestName(name)
    ? []
    : names.filter((other) => other !== name && isDigestName(other) && sameRepository(other));
  const gone = [name, ...withIt];
  const isLast = names.every((other) => gone.includes(other));
  const users = options.using(id);
  if (isLast && users.length > 0 && !options.force) {
    throw new UserError(
      `conflict: unable to remove repository reference "${text}" (must force) - container ` +
        `${users[0].id.slice(0, 12)} is using its referenced image ${shortId(id)}`,
    );
  }
  // A running container keeps the image itself, though not its name.
  const keepsImage = !isLast || users.some((user) => user.running) || hasChildren(store, id);
  untag(store, id, gone, keepsImage);
  const untagged = gone.map(untaggedLine);
  return keepsImage ? untagged : [...untagged, ...deleted(store, id, options)];
}

function removeById(
  store: Store,
  id: Digest,
  own: readonly IndexEntry[],
  options: RemoveOptions,
): Removal[] {
  const names = own.flatMap((entry) => entry.name === undefined ? [] : [entry.name]);
  const repositories = new Set(names.map((name) => familiarRepository(parseReference(name))));
  const conflict = (how: string, why: string) =>
    new UserError(`conflict: unable to delete ${shortId(id)} (${how}) - ${why}`);
  if (hasChildren(store, id)) {
    throw conflict("cannot be forced", "image has dependent child images");
  }
  const users = options.using(id);
  const running = users.find((user) => user.running);
  if (running !== undefined) {
    const who = running.id.slice(0, 12);
    throw conflict("cannot be forced", `image is being used by running container ${who}`);
  }
  if (!options.force && repositories.size > 1) {
    throw conflict("must be forced", "image is referenced in multiple repositories");
  }
  if (!options.force && users.length > 0) {
    const who = users[0].id.slice(0, 12);
    throw conflict("must be forced", `image is being used by stopped container ${who}`);
  }
  untag(store, id, names, false);
  return [...names.map(untaggedLine), ...deleted(store, id, options)];
}

function untaggedLine(name: string): Removal {
  return { kind: "Untagged", what: familiarName(parseReference(name)) };
}

function untag(store: Store, id: Digest, names: readonly string[], keep: boolean): void {
  updateEntries(store, (entries, forget) => {
    if (!keep) forget(id);
    return {
      entries: entries.filter((entry) =>
        entry.id !== id || (keep && !(entry.name !== undefined && names.includes(entry.name)))
      ),
      result: undefined,
    };
  });
}

function childrenOf(store: Store, id: Digest): Digest[] {
  const ids = new Set(readEntries(store).map((entry) => entry.id));
  return [...ids].filter((other) => readRecord(store, other)?.parent === id);
}

function hasChildren(store: Store, id: Digest): boolean {
  return childrenOf(store, id).length > 0;
}

/** The line for the image, and those of nameless parents that lost their last child. */
function deleted(store: Store, id: Digest, options: RemoveOptions): Removal[] {
  const lines: Removal[] = [{ kind: "Deleted", what: id }];
  const parent = readRecord(store, id)?.parent;
  if (!options.prune || parent === undefined) return lines;
  const entries = readEntries(store).filter((entry) => entry.id === parent);
  const isFree = entries.length > 0 && entries.every((entry) => entry.name === undefined) &&
    options.using(parent).length === 0 && !hasChildren(store, parent);
  if (!isFree) return lines;
  untag(store, parent, [], false);
  return [...lines, ...deleted(store, parent, options)];
}

function chainsOf(store: Store, ids: readonly Digest[]): Digest[][] {
  return [...new Set(ids)].map((id) => readRecord(store, id)?.chain ?? []);
}

/** Collects garbage; lines for the layers that nothing needs any more, topmost first. */
function layersGone(store: Store, before: readonly Digest[][]): Removal[] {
  const needed = [...readEntries(store).map((entry) => entry.id), ...heldImages(store)];
  const left = new Set(chainsOf(store, needed).flat());
  const gone = new Set(before.flatMap((chain) => chain.toReversed()).filter((id) => !left.has(id)));
  collectGarbage(store);
  return [...gone].map((what) => ({ kind: "Deleted", what }));
}
