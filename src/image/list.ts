/** `images`: what is here, filtered. */
import { UserError } from "../base/errors.ts";
import type { Digest } from "./digest.ts";
import { type IndexEntry, readEntries } from "./index_file.ts";
import { resolveId } from "./lookup.ts";
import { type ImageRecord, readRecord } from "./records.ts";
import { familiarName, familiarRepository, parseReference } from "./reference.ts";
import { noSuchImage } from "./no_such_image.ts";
import type { Store } from "./store.ts";

/** One name of one image; `tag` and `digest` are undefined where docker prints `<none>`. */
export interface ImageRow {
  record: ImageRecord;
  repository?: string;
  tag?: string;
  digest?: Digest;
}

/** An image with its names. */
export interface ListedImage {
  record: ImageRecord;
  /** Full names with tags. */
  tags: string[];
  /** Full names with digests. */
  digests: string[];
  /** Another image was made from it. */
  hasChildren: boolean;
}

/** All images, newest first; those of the same time by id, so that the order is stable. */
export function listImages(store: Store): ListedImage[] {
  const images = new Map<Digest, ListedImage>();
  for (const entry of readEntries(store)) {
    const image = images.get(entry.id) ?? newImage(store, entry);
    if (image === undefined) continue;
    images.set(entry.id, image);
    if (entry.name === undefined) continue;
    (entry.name.includes("@") ? image.digests : image.tags).push(entry.name);
  }
  for (const { record } of images.values()) {
    const parent = record.parent === undefined ? undefined : images.get(record.parent);
    if (parent !== undefined) parent.hasChildren = true;
  }
  return [...images.values()].sort((a, b) =>
    createdMs(b.record) - createdMs(a.record) || (a.record.id < b.record.id ? -1 : 1)
  );
}

/** Whether an image is a step on the way to others: it has no name, and they were made from it. */
export function isStep(image: ListedImage): boolean {
  return image.hasChildren && image.tags.length + image.digests.length === 0;
}

function newImage(store: Store, entry: IndexEntry): ListedImage | undefined {
  const record = readRecord(store, entry.id);
  return record && { record, tags: [], digests: [], hasChildren: false };
}

/** When an image was made, in ms since 1970; 0 if it does not say. */
export function createdMs(record: ImageRecord): number {
  const time = Date.parse(record.config.created ?? "");
  return Number.isNaN(time) ? 0 : time;
}

/** Bytes of all files of all layers, as docker counts. */
export function sizeOf(record: ImageRecord): number {
  return record.layerSizes.reduce((sum, size) => sum + size, 0);
}

/** The filters of `images`, checked. */
export interface ListFilters {
  dangling?: boolean;
  /** "key" or "key=value"; all must hold. */
  labels: readonly string[];
  /** Patterns like "busybox*" or "repo/*:tag"; one must hold. */
  references: readonly string[];
  /** Images made before all of these. */
  before: readonly string[];
  since: readonly string[];
  /** Milliseconds since 1970: made before that. */
  untilMs?: number;
}

/** Whether a config has all the labels. */
export function hasLabels(record: ImageRecord, labels: readonly string[]): boolean {
  const own = record.config.config?.Labels ?? {};
  return labels.every((label) => {
    const equals = label.indexOf("=");
    if (equals < 0) return Object.hasOwn(own, label);
    return own[label.slice(0, equals)] === label.slice(equals + 1);
  });
}

function timeOf(store: Store, name: string): number {
  const id = resolveId(readEntries(store), name);
  const record = id && readRecord(store, id);
  if (!record) throw noSuchImage(name);
  return createdMs(record);
}

/** A pattern of path.Match as a regular expression; "*" and "?" stop at slashes. */
function globPattern(pattern: string): RegExp {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const end = pattern.indexOf("]", i + 2);
      if (end < 0) throw new UserError("syntax error in pattern");
      source += pattern.slice(i, end + 1).replace(/^\[\^/, "[^/");
      i = end;
    } else {source += (char === "\\" ? pattern[++i] ?? "" : char).replace(
        /[\\^$.*+?()[\]{}|]/g,
        "\\$&",
      );}
  }
  return new RegExp(`^${source}$`);
}

/** Docker matches a pattern against "repo:tag", "repo" and the full forms. */
function matchesReference(name: string, pattern: string): boolean {
  const reference = parseReference(name);
  const expression = globPattern(pattern);
  return [
    familiarName(reference),
    familiarRepository(reference),
    name,
    name.replace(/[:@][^/]*$/, ""),
  ].some((form) => expression.test(form));
}

/** Applies filters; with `references` an image keeps only the names that match. */
export function filterImages(
  store: Store,
  images: readonly ListedImage[],
  filters: ListFilters,
): ListedImage[] {
  const before = filters.before.map((name) => timeOf(store, name));
  const since = filters.since.map((name) => timeOf(store, name));
  return images.flatMap((image) => {
    const time = createdMs(image.record);
    if (filters.dangling !== undefined && filters.dangling !== (image.tags.length === 0)) return [];
    if (!hasLabels(image.record, filters.labels)) return [];
    if (before.some((limit) => time >= limit) || since.some((limit) => time <= limit)) return [];
    if (filters.untilMs !== undefined && time > filters.untilMs) return [];
    if (filters.references.length === 0) return [image];
    const matches = (name: string) => filters.references.some((p) => matchesReference(name, p));
    const tags = image.tags.filter(matches);
    const digests = image.digests.filter(matches);
    return tags.length + digests.length === 0 ? [] : [{ ...image, tags, digests }];
  });
}

/** The lines of the table: one for each tag, and for each digest if those are shown. */
export function rowsOf(image: ListedImage, withDigests: boolean): ImageRow[] {
  const { record } = image;
  const tags = image.tags.map((name) => parseReference(name));
  const digests = image.digests.map((name) => parseReference(name));
  const rows: ImageRow[] = [];
  const seen = new Set<string>();
  for (const reference of tags) {
    const repository = familiarRepository(reference);
    const own = digests.filter((digest) => familiarRepository(digest) === repository);
    seen.add(repository);
    if (!withDigests || own.length === 0) rows.push({ record, repository, tag: reference.tag });
    else {for (const { digest } of own) {
        rows.push({ record, repository, tag: reference.tag, digest });
      }}
  }
  for (const reference of digests) {
    const repository = familiarRepository(reference);
    if (seen.has(repository)) continue;
    if (!withDigests) seen.add(repository);
    rows.push({ record, repository, digest: reference.digest });
  }
  return rows.length > 0 ? rows : [{ record }];
}
