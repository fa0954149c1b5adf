import { UserError } from "../base/errors.ts";
import { humanAgo, nowNanoseconds, parseTime } from "../base/time.ts";
import { formatSize } from "../base/units.ts";
import { listRecords } from "../engine/containers.ts";
import { treeSize } from "../engine/disk_usage.ts";
import { containerSizes } from "../engine/sizes.ts";
import { look } from "../engine/listing.ts";
import { statusText } from "../engine/summary.ts";
import type { ContainerRecord } from "../engine/types.ts";
import { listVolumes, volumeData, volumeUsers } from "../engine/volumes.ts";
import { type ListedImage, listImages, rowsOf, sizeOf } from "../image/list.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { alignColumns, ellipsis, type ListSpec, printList, shortId, writeOut } from "./output.ts";

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

interface Container {
  record: ContainerRecord;
  size: number;
  active: boolean;
  /** As `ps` has it: Up 2 minutes. */
  status: string;
}

interface Volume {
  name: string;
  size: number;
  users: number;
}

interface Usage {
  images: ListedImage[];
  containers: Container[];
  volumes: Volume[];
}

async function measure(): Promise<Usage> {
  const containers: Container[] = [];
  for (const record of listRecords(() => {})) {
    const listed = look(record);
    const { kind } = listed.state;
    const { own } = await containerSizes(record);
    const active = kind === "running" || kind === "restarting";
    const status = statusText(listed, nowNanoseconds());
    containers.push({ record, size: own, active, status });
  }
  const users = volumeUsers();
  const volumes = listVolumes().map(({ Name: name }) => ({
    name,
    size: treeSize(volumeData(name)),
    users: users.get(name)?.length ?? 0,
  }));
  return { images: listImages(imageStore()), containers, volumes };
}

/** Bytes of the layers that the images have, each counted once. */
function layerBytes(images: readonly ListedImage[]): number {
  const sizes = new Map<string, number>();
  for (const { record } of images) {
    for (const [i, chainId] of record.chain.entries()) sizes.set(chainId, record.layerSizes[i]);
  }
  return sum(sizes.values());
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

function usersOf(usage: Usage, image: ListedImage): number {
  return usage.containers.filter(({ record }) => record.Image === image.record.id).length;
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
  const { images, containers, volumes } = usage;
  const usedImages = images.filter((image) => usersOf(usage, image) > 0);
  const active = containers.filter((container) => container.active);
  const usedVolumes = volumes.filter((volume) => volume.users > 0);
  const size = (list: readonly { size: number }[]) => sum(list.map((one) => one.size));
  return [
    row("Images", images.length, usedImages.length, layerBytes(images), layerBytes(usedImages)),
    row("Containers", containers.length, active.length, size(containers), size(active)),
    row("Local Volumes", volumes.length, usedVolumes.length, size(volumes), size(usedVolumes)),
    // There is no cache of builds: every layer that is kept belongs to an image.
    { ...row("Build Cache", 0, 0, 0, 0), Reclaimable: "0B" },
  ];
}

function imageTable(usage: Usage): string[] {
  const shared = new Map<string, number>();
  for (const { record } of usage.images) {
    for (const chainId of record.chain) shared.set(chainId, (shared.get(chainId) ?? 0) + 1);
  }
  const lines = ["REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS"];
  for (const image of usage.images) {
    const { record } = image;
    const common = sum(record.chain.map((id, i) => shared.get(id)! > 1 ? record.layerSizes[i] : 0));
    const created = parseTime(record.config.created ?? "");
    for (const { repository = "<none>", tag = "<none>" } of rowsOf(image, false)) {
      lines.push([
        repository,
        tag,
        shortId(record.id),
        created === undefined ? "N/A" : humanAgo(created),
        formatSize(sizeOf(record)),
        formatSize(common, 4),
        formatSize(sizeOf(record) - common, 4),
        String(usersOf(usage, image)),
      ].join("\t"));
    }
  }
  return lines;
}

function containerTable(usage: Usage): string[] {
  const lines = ["CONTAINER ID\tIMAGE\tCOMMAND\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES"];
  for (const { record, size, status } of usage.containers) {
    const command = JSON.stringify([record.Path, ...record.Args].join(" "));
    lines.push([
      shortId(record.Id),
      record.Config.Image,
      ellipsis(command, 20),
      String(record.Mounts.filter((mount) => mount.Type === "volume").length),
      formatSize(size),
      humanAgo(parseTime(record.Created) ?? 0n),
      status,
      record.Name.slice(1),
    ].join("\t"));
  }
  return lines;
}

async function printVerbose(usage: Usage): Promise<void> {
  const volumes = usage.volumes.map(({ name, users, size }) =>
    `${name}\t${users}\t${formatSize(size)}`
  );
  await writeOut(
    `Images space usage:\n\n${alignColumns(imageTable(usage))}\n` +
      `Containers space usage:\n\n${alignColumns(containerTable(usage))}\n` +
      `Local Volumes space usage:\n\n` +
      `${alignColumns(["VOLUME NAME\tLINKS\tSIZE", ...volumes])}\n` +
      "Build cache usage: 0B\n\n" +
      alignColumns(["CACHE ID\tCACHE TYPE\tSIZE\tCREATED\tLAST USED\tUSAGE\tSHARED"]),
  );
}

/** `diplodock system df`. */
export async function command(args: string[]): Promise<number> {
  const { options } = parseArgs(spec, args);
  if (options.verbose && options.format !== undefined) {
    throw new UserError("the verbose and the format options conflict");
  }
  const usage = await daemon(measure);
  const { format } = options;
  if (options.verbose) await printVerbose(usage);
  else await printList(rows(usage), LIST, { ...(format !== undefined && { format }) });
  return 0;
}
