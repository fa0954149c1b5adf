/** Which images a list is to have, as docker's filters say. */
import { booleanFilter, type Filters, untilMillis } from "../base/filter.ts";
import { filterImages, isStep, type ListedImage, listImages } from "../image/list.ts";
import type { Store } from "../image/store.ts";
import { containersUsing } from "./image_users.ts";

/** The filters there are. */
export const IMAGE_FILTERS: readonly string[] = [
  "before",
  "dangling",
  "label",
  "reference",
  "since",
  "until",
];

/** The images that pass; steps of builds that nothing runs only with `all`. Throws UserError. */
export function imagesWanted(
  store: Store,
  filters: Filters,
  pattern: string | undefined,
  all: boolean,
): ListedImage[] {
  const dangling = booleanFilter(filters, "dangling");
  const until = untilMillis(filters);
  const found = filterImages(store, listImages(store), {
    ...(dangling !== undefined && { dangling }),
    labels: filters.get("label") ?? [],
    references: [...(filters.get("reference") ?? []), ...(pattern === undefined ? [] : [pattern])],
    before: filters.get("before") ?? [],
    since: filters.get("since") ?? [],
    ...(until.length > 0 && { untilMs: Math.min(...until) }),
  });
  if (all) return found;
  const using = containersUsing();
  return found.filter((image) => !isStep(image) || using(image.record.id).length > 0);
}
