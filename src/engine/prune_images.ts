/** Removes the images that nothing uses. */
import type { Filters } from "../base/filter.ts";
import { pruneImages } from "../image/prune.ts";
import type { Removal } from "../image/remove.ts";
import { emitEvent } from "./events.ts";
import { imageStore } from "./image_notes.ts";
import { containersUsing, tellRemoved } from "./image_users.ts";

/** The filters there are. */
export const PRUNE_FILTERS: readonly string[] = ["dangling", "label", "label!", "until"];

/** Whether images with a name are to go as well. */
export function wantsAll(filters: Filters): boolean {
  return filters.get("dangling")?.some((value) => /^(?:0|f|false)$/i.test(value)) === true;
}

/** Removes them and notes it; what went, and the bytes that are free again. */
export function pruneUnusedImages(
  filters: Filters,
  all: boolean,
  untilMs: readonly number[],
): { removals: Removal[]; bytes: number } {
  const { images, bytes } = pruneImages(imageStore(), {
    all,
    labels: filters.get("label") ?? [],
    withoutLabels: filters.get("label!") ?? [],
    ...(untilMs.length > 0 && { untilMs: Math.min(...untilMs) }),
    using: containersUsing(),
  });
  images.forEach(tellRemoved);
  emitEvent({ Type: "image", Action: "prune", id: "", attributes: { reclaimed: String(bytes) } });
  return { removals: images.flatMap((image) => image.removals), bytes };
}
