import { formatSize } from "../base/units.ts";
import { listRecords } from "../engine/containers.ts";
import { treeSize } from "../engine/disk_usage.ts";
import { look } from "../engine/listing.ts";
import { containerSizes } from "../engine/sizes.ts";
import type { Listed } from "../engine/summary.ts";
import { listVolumes, volumeData, type VolumeRecord, volumeUsers } from "../engine/volumes.ts";
import { cacheEntries, type CacheEntry } from "../build/prune.ts";
import { isStep, type ListedImage, listImages, sizeOf } from "../image/list.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { type ListSpec, printList, writeOut } from "./output.ts";

export const spec = {
  name: "system df",
  usage: "[OPTIONS]",
  summary: "Show disk usage",
  args: [0, 0],
  flags: {
    format: {
      type: "string",
      help: "Format output using a custom template:\n" +
        "'table':            Print output in table format with column headers (default)\n" +
        "'table TEMPLATE':   Print output in table format using the given Go template\n" +
        "'json':             Print in JSON format\n" +
        "'TEMPLATE':         Print output using the given Go template.",
    },
    verbose: { type: "bool", short: "v", help: "Show detailed information on space usage" },
  },
  examples: ["diplodock system df -v"],
} as const satisfies CommandSpec;

const LIST: ListSpec = {
  headers: {
    Type: "TYPE",
    TotalCount: "TOTAL",
    Active: "ACTIVE",
    Size: "SIZE",
    Reclaimable: "RECLAIMABLE",
  },
  columns: ["Type", "TotalCount", "Active", "Size", "Reclaimable"],
  quietField: "Type",
  typeName: "*formatter.diskUsageImagesContext",
};

/** What takes room, measured. */
export interface Usage {
  images: ListedImage[];
  containers: { listed: Listed; size: number; active: boolean }[];
  volumes: { record: VolumeRecord; size: number; users: number }[];
  cache: CacheEntry[];
}

/** Says which record cannot be read; the others are counted. */
const tellBroken = (error: Error) => console.error(error.message);

async function measure(): Promise<Usage> {
  const containers: Usage["containers"] = [];
  for (const record of listRecords(() => {})) {
    const listed = look(record);
    const { kind } = listed.state;
    const { own } = await containerSizes(record);
    const active = kind === "running" || kind === "restarting";
    containers.push({ listed, size: own, active });
  }
  const users = volumeUsers();
  const volumes = listVolumes(tellBroken).map((record) => ({
    record,
    size: treeSize(volumeData(record.Name)),
    users: users.get(record.Name)?.length ?? 0,
  }));
  const store = imageStore();
  const cache = cacheEntries(store);
  const usage = { images: listImages(store), containers, volumes, cache };
  return {
    ...usage,
    images: usage.images.filter((one) => !isStep(one) || usersOf(usage, one) > 0),
  };
}

/** Bytes of the layers that the images have, each counted once. */
function layerBytes(images: readonly ListedImage[]): number {
  const sizes = new Map<string, number>();
  for (const { record } of images) {
    for (const [i, chainId] of record.chain.entries()) sizes.set(chainId, record.layerSizes[i]);
  }
  return sum(sizes.values());
}

/** Counts the images that have a layer; of the bytes of each, those in layers that others have. */
export function sharedBytes(images: readonly ListedImage[]): (image: ListedImage) => number {
  const owners = new Map<string, number>();
  for (const { record } of images) {
    for (const chainId of record.chain) owners.set(chainId, (owners.get(chainId) ?? 0) + 1);
  }
  return ({ record: { chain, layerSizes } }) =>
    sum(chain.map((chainId, i) => owners.get(chainId)! > 1 ? layerSizes[i] : 0));
}

/** Their sum. */
export function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

/** How many containers were made from an image. */
export function usersOf(usage: Usage, image: ListedImage): number {
  return usage.containers.filter(({ listed }) => listed.record.Image === image.record.id).length;
}

function row(type: string, total: number, active: number, bytes: number, used: number) {
  const free = bytes - used;
  const share = bytes > 0 ? ` (${Math.trunc((free / bytes) * 100)}%)` : "";
  return {
    Type: type,
    TotalCount: String(total),
    Active: String(active),
    Size: formatSize(bytes, 4),
    Reclaimable: formatSize(free, 4) + share,
  };
}

function rows(usage: Usage) {
  const { images, containers, volumes, cache } = usage;
  const usedImages = images.filter((image) => usersOf(usage, image) > 0);
  const active = containers.filter((container) => container.active);
  const usedVolumes = volumes.filter((volume) => volume.users > 0);
  const size = (list: readonly { size: number }[]) => sum(list.map((one) => one.size));
  // Docker's: as if a layer that several images have were needed by none of them.
  const shared = sharedBytes(images);
  const needed = sum(usedImages.map((image) => sizeOf(image.record) - shared(image)));
  return [
    row("Images", images.length, usedImages.length, layerBytes(images), needed),
    row("Containers", containers.length, active.length, size(containers), size(active)),
    row("Local Volumes", volumes.length, usedVolumes.length, size(volumes), size(usedVolumes)),
    {
      ...row("Build Cache", cache.length, 0, size(cache), 0),
      Reclaimable: formatSize(size(cache), 4),
    },
  ];
}

/** `diplodock system df`. */
export async function command(args: string[]): Promise<number> {
  const { options } = parseArgs(spec, args);
  const usage = await daemon(measure);
  const { format } = options;
  if (options.verbose) {
    const { verboseText } = await import("./system_df_verbose.ts");
    await writeOut(verboseText(usage, format ?? ""));
  } else await printList(rows(usage), LIST, { ...(format !== undefined && { format }) });
  return 0;
}
