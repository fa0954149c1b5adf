import { formatSize } from "../base/units.ts";
import { cacheEntries, type CacheEntry } from "../build/prune.ts";
import {
  type ContainerUsage,
  type ImageUsage,
  measureContainers,
  measureImages,
  measureVolumes,
  sum,
  type VolumeUsage,
} from "../engine/usage.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { FORMAT } from "./list_flags.ts";
import { type ListSpec, printList, writeOut } from "./output.ts";

export const spec = {
  name: "system df",
  usage: "[OPTIONS]",
  summary: "Show disk usage",
  args: [0, 0],
  flags: {
    format: FORMAT,
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
  readonly images: readonly ImageUsage[];
  /** Bytes of all layers of images. */
  readonly layerBytes: number;
  readonly containers: readonly ContainerUsage[];
  readonly volumes: readonly VolumeUsage[];
  readonly cache: readonly CacheEntry[];
}

async function measure(): Promise<Usage> {
  const containers = await measureContainers();
  // Says which record cannot be read; the others are counted.
  const volumes = measureVolumes((error) => console.error(error.message));
  return { ...measureImages(), containers, volumes, cache: cacheEntries(imageStore()) };
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

function rows({ images, layerBytes, containers, volumes, cache }: Usage) {
  const usedImages = images.filter((image) => image.users > 0);
  const active = containers.filter((container) => container.active);
  const usedVolumes = volumes.filter((volume) => volume.users > 0);
  const size = (list: readonly { size: number }[]) => sum(list.map((one) => one.size));
  const own = (list: readonly ContainerUsage[]) => sum(list.map((one) => one.listed.sizes.own));
  // Docker's: as if a layer that several images have were needed by none of them.
  const needed = sum(usedImages.map((image) => image.size - image.shared));
  return [
    row("Images", images.length, usedImages.length, layerBytes, needed),
    row("Containers", containers.length, active.length, own(containers), own(active)),
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
