/** `image prune`: images nobody needs, by docker's rules. */
import type { Digest } from "./digest.ts";
import { createdMs, hasLabels, type ListedImage, listImages } from "./list.ts";
import { readLayer } from "./records.ts";
import { type ContainersUsing, type RemovedImage, removeImage } from "./remove.ts";
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
  /** Bytes of the files of the layers that went. */
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

/** Removes images until none is left to remove: a parent may follow its last child. */
export function pruneImages(store: Store, options: PruneOptions): Pruned {
  const result: Pruned = { images: [], bytes: 0 };
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
