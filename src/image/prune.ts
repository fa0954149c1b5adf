/** `image prune`: images nobody needs, by docker's rules. */
import { lstatIfThere, namesIn } from "../base/files.ts";
import type { Digest } from "./digest.ts";
import { createdMs, hasLabels, type ListedImage, listImages } from "./list.ts";
import { tryLock } from "./locks.ts";
import { readLayer } from "./records.ts";
import { type ContainersUsing, type RemovedImage, removeImage } from "./remove.ts";
import { removePath } from "./remove_path.ts";
import type { Store } from "./store.ts";

/** What to remove. */
export interface PruneOptions {
  /** Every image without a container, not only those without a name. */
  all: boolean;
  labels: readonly string[];
  /** None of these may hold. */
  withoutLabels: readonly string[];
  /** Only images made before that, in ms since 1970. */
  untilMs?: number;
  using: ContainersUsing;
}

/** What went. */
export interface Pruned {
  images: RemovedImage[];
  /** Bytes of the files of the layers that went, and of interrupted downloads. */
  bytes: number;
}

function isCandidate(image: ListedImage, options: PruneOptions): boolean {
  const { record } = image;
  const isDangling = image.tags.length === 0 && image.digests.length === 0;
  if (!(options.all || isDangling) || image.hasChildren) return false;
  if (options.untilMs !== undefined && createdMs(record) > options.untilMs) return false;
  if (!hasLabels(record, options.labels)) return false;
  if (options.withoutLabels.some((label) => hasLabels(record, [label]))) return false;
  return options.using(record.id).length === 0;
}

/** Removes what was received of blobs that nobody is receiving; its bytes. */
function removeParts(store: Store): number {
  let bytes = 0;
  for (const name of namesIn(store.parts)) {
    using free = tryLock(store.lock(`blob-${name}`), "exclusive");
    if (free === undefined) continue;
    const path = `${store.parts}/${name}`;
    bytes += lstatIfThere(path)?.size ?? 0;
    removePath(path);
  }
  return bytes;
}

/** Removes images until none is left to remove: a parent may follow its last child. */
export function pruneImages(store: Store, options: PruneOptions): Pruned {
  const result: Pruned = { images: [], bytes: removeParts(store) };
  for (;;) {
    const candidates = listImages(store).filter((image) => isCandidate(image, options));
    if (candidates.length === 0) return result;
    for (const { record } of candidates) {
      const sizes = new Map<Digest, number>(
        record.chain.map((id) => [id, readLayer(store, id)?.size ?? 0]),
      );
      const { using } = options;
      const image = removeImage(store, record.id, { force: true, prune: false, using });
      for (const { what } of image.removals) result.bytes += sizes.get(what as Digest) ?? 0;
      result.images.push(image);
    }
  }
}
