/** What takes room: images, containers, volumes. What builds keep is known to the builder. */
import { isStep, type ListedImage, listImages, sizeOf } from "../image/list.ts";
import { listRecords } from "./containers.ts";
import { treeSize } from "./disk_usage.ts";
import { imageStore } from "./image_notes.ts";
import { look } from "./listing.ts";
import { containerSizes } from "./sizes.ts";
import type { Listed, Sizes } from "./summary.ts";
import { listVolumes, volumeData, type VolumeRecord, volumeUsers } from "./volumes.ts";

/** An image; its size and what of it other images have, too, in bytes. */
export interface ImageUsage {
  readonly image: ListedImage;
  readonly size: number;
  readonly shared: number;
  /** How many containers were made from it. */
  readonly users: number;
}

/** A container; `active`: it needs what it takes. */
export interface ContainerUsage {
  readonly listed: Listed & { readonly sizes: Sizes };
  readonly active: boolean;
}

/** A volume, and how many containers have it. */
export interface VolumeUsage {
  readonly record: VolumeRecord;
  readonly size: number;
  readonly users: number;
}

/** Their sum. */
export function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

/** The images that people have; `layerBytes`: the bytes of their layers, each counted once. */
export function measureImages(): { images: ImageUsage[]; layerBytes: number } {
  const users = new Map<string, number>();
  for (const { Image } of listRecords(() => {})) users.set(Image, (users.get(Image) ?? 0) + 1);
  const found = listImages(imageStore())
    .filter((image) => !isStep(image) || users.has(image.record.id));
  const owners = new Map<string, number>(), sizes = new Map<string, number>();
  for (const { record: { chain, layerSizes } } of found) {
    for (const [i, chainId] of chain.entries()) {
      owners.set(chainId, (owners.get(chainId) ?? 0) + 1);
      sizes.set(chainId, layerSizes[i]);
    }
  }
  const images = found.map((image): ImageUsage => {
    const { id, chain, layerSizes } = image.record;
    const common = chain.map((chainId, i) => owners.get(chainId)! > 1 ? layerSizes[i] : 0);
    const size = sizeOf(image.record);
    return { image, size, shared: sum(common), users: users.get(id) ?? 0 };
  });
  return { images, layerBytes: sum(sizes.values()) };
}

/** All containers whose records can be read. */
export async function measureContainers(): Promise<ContainerUsage[]> {
  const measured: ContainerUsage[] = [];
  for (const record of listRecords(() => {})) {
    const listed = look(record);
    const { kind } = listed.state;
    const sizes = await containerSizes(record);
    const active = kind === "running" || kind === "restarting";
    measured.push({ listed: { ...listed, sizes }, active });
  }
  return measured;
}

/**
 * The volumes that are here: one with options is somewhere else, and docker does not count it.
 * `onBroken` is told of those whose records cannot be read.
 */
export function measureVolumes(onBroken: (error: Error) => void): VolumeUsage[] {
  const users = volumeUsers();
  const isHere = ({ Options }: VolumeRecord) => Object.keys(Options ?? {}).length === 0;
  return listVolumes(onBroken).filter(isHere).map((record) => ({
    record,
    size: treeSize(volumeData(record.Name)),
    users: users.get(record.Name)?.length ?? 0,
  }));
}
