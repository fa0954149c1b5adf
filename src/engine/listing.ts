/** The containers that `ps` shows. */
import type { Filters } from "../base/filter.ts";
import { rootDirectory } from "../base/places.ts";
import { readRootLayers } from "./container_documents.ts";
import { listRecords, readRecord, resolveContainer } from "./containers.ts";
import { readHealth } from "./health_state.ts";
import { containerTest } from "./list_filters.ts";
import { renamedTest } from "./renamed_images.ts";
import { shownState } from "./restart_policy.ts";
import type { Listed } from "./summary.ts";
import type { ContainerRecord } from "./types.ts";

/** Which containers are wanted. */
export interface ListWish {
  readonly all: boolean;
  /** The newest so many, running or not; 0 or less: no limit. */
  readonly last: number;
  readonly filters: Filters;
  /** Told of each record that cannot be read. */
  readonly onBroken: (id: string, error: Error) => void;
}

/** The containers that `wish` describes, newest first. Throws UserError with docker's texts. */
export async function listContainers(wish: ListWish): Promise<Listed[]> {
  const { filters } = wish;
  const records = listRecords(wish.onBroken);
  const standsOn = await ancestry(filters.get("ancestor") ?? []);
  const test = containerTest(filters, {
    find: (reference) => readRecord(resolveContainer(reference)),
    standsOn,
  });
  const isRenamed = renamedTest();
  const all = wish.all || wish.last > 0 || filters.has("status");
  const found: Listed[] = [];
  for (const record of records) {
    if (wish.last > 0 && found.length === wish.last) break;
    const listed = look(record);
    const isUp = listed.state.kind === "running" || listed.state.kind === "restarting";
    if (!(all || isUp) || !test(listed)) continue;
    found.push({ ...listed, isRenamed: isRenamed(record) });
  }
  return found;
}

/** A record with its state and health. */
export function look(record: ContainerRecord): Listed {
  const state = shownState(record);
  const health = readHealth(record, state.kind === "running")?.Status;
  return { record, state, health: health ?? "none" };
}

/** Whether a container stands on an image: on this one, or on one that was made from it. */
async function ancestry(
  images: readonly string[],
): Promise<(record: ContainerRecord, image: string) => boolean> {
  if (images.length === 0) return () => true;
  const { lookupImage } = await import("../image/lookup.ts");
  const known = new Map(images.map((name) => [name, lookupImage(rootDirectory(), name)]));
  return (record, name) => {
    const image = known.get(name);
    if (image === undefined) return false;
    if (image.id === "") return record.Image === "" && record.Config.Image.split(":")[0] === "host";
    if (record.Image === image.id) return true;
    const layers = readRootLayers(record.Id) ?? [];
    const lowest = layers.slice(layers.length - image.layers.length);
    return image.layers.length > 0 && layers.length >= image.layers.length &&
      lowest.every((layer, i) => layer === image.layers[i]);
  };
}
