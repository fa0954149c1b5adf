/** Which containers were made from an image, and the end of an image that was for one of them. */
import { UserError } from "../base/errors.ts";
import { rootDirectory } from "../base/places.ts";
import { type ContainersUsing, type RemovedImage, removeImage } from "../image/remove.ts";
import { Store } from "../image/store.ts";
import { listRecords } from "./containers.ts";
import { emitEvents } from "./events.ts";
import { shownState } from "./restart_policy.ts";
import type { ContainerRecord } from "./types.ts";

/** Looks through the containers' records once; a broken record counts for no image. */
export function containersUsing(): ContainersUsing {
  const records = listRecords(() => {});
  return (imageId) =>
    records.filter((record) => record.Image === imageId).map((record) => {
      const { kind } = shownState(record);
      return { id: record.Id, running: kind === "running" || kind === "restarting" };
    });
}

/**
 * The events of a removal: one for each name, and one if the image itself is gone: nobody can ask
 * for the labels then, so it has none.
 */
export function tellRemoved({ id, labels, removals }: RemovedImage): void {
  const told = removals.filter(({ kind, what }) => kind === "Untagged" || what === id);
  emitEvents(told.map(({ kind }) => ({
    Type: "image",
    Action: kind === "Untagged" ? "untag" : "delete",
    id,
    attributes: { ...(kind === "Untagged" && labels), name: id },
  })));
}

/** `--rmi`: removes the image of a container that is gone, unless another container has it. */
export function removeImageOf(record: ContainerRecord): void {
  try {
    const store = new Store(rootDirectory());
    const options = { force: false, prune: true, using: containersUsing() };
    tellRemoved(removeImage(store, record.Config.Image, options));
  } catch (error) {
    if (!(error instanceof UserError)) throw error; // another container has it, or it is gone
  }
}
