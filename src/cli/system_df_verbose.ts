/** `system df -v`: each image, container and volume, as tables or by a template. */
import { humanAgo, nowNanoseconds } from "../base/time.ts";
import { formatSize } from "../base/units.ts";
import { summarize } from "../engine/summary.ts";
import { sum } from "../engine/usage.ts";
import { rowsOf } from "../image/list.ts";
import { imageRow } from "./images.ts";
import { renderFacts } from "./list_template.ts";
import { alignColumns, type Row, shortId, unescapeFormat } from "./output.ts";
import { UserError } from "../base/errors.ts";
import type { Usage } from "./system_df.ts";
import { volumeRow } from "./volume_ls.ts";

function imageRows({ images }: Usage): Row[] {
  return images.map(({ image, size, shared, users }) => {
    // One line for an image, by the first of its tags.
    const [row] = rowsOf({ ...image, tags: image.tags.toSorted().slice(0, 1), digests: [] }, false);
    return {
      ...imageRow(row, true),
      Digest: "",
      Containers: String(users),
      SharedSize: formatSize(shared, 4),
      UniqueSize: formatSize(size - shared, 4),
      VirtualSize: formatSize(size, 4),
    };
  });
}

function containerRows(usage: Usage): Row[] {
  const now = nowNanoseconds();
  return usage.containers.map(({ listed }) => {
    const { Label: _, ...fields } = summarize(listed, { now, noTrunc: true });
    const { Command } = summarize(listed, { now, noTrunc: false });
    const Size = formatSize(listed.sizes.own);
    return { ...fields, Command: String(Command), Size } as Row;
  });
}

function volumeRows(usage: Usage): Row[] {
  return usage.volumes.map(({ record, size, users }) => {
    const { Label: _, ...fields } = volumeRow(record);
    return { ...fields, Links: String(users), Size: formatSize(size) };
  });
}

function cacheRows({ cache }: Usage): Row[] {
  const now = nowNanoseconds();
  const ago = (ms: number) => humanAgo(BigInt(Math.floor(ms)) * 1_000_000n, now);
  return cache.map(({ id, kind, size, isShared, createdMs, lastUsedMs }) => ({
    ID: id,
    CacheType: kind,
    Size: formatSize(size, 4),
    CreatedSince: ago(createdMs),
    LastUsedSince: ago(lastUsedMs),
    Shared: String(isShared),
  }));
}

type Column = [title: string, cell: (row: Row) => unknown];

const short = (row: Row) => shortId(String(row.ID));
const field = (name: string) => (row: Row) => row[name];

const IMAGE_COLUMNS: Column[] = [
  ["REPOSITORY", field("Repository")],
  ["TAG", field("Tag")],
  ["IMAGE ID", short],
  ["CREATED", (row: Row) => String(row.CreatedSince) || "N/A"],
  ["SIZE", field("Size")],
  ["SHARED SIZE", field("SharedSize")],
  ["UNIQUE SIZE", field("UniqueSize")],
  ["CONTAINERS", field("Containers")],
];
const CONTAINER_COLUMNS: Column[] = [
  ["CONTAINER ID", short],
  ["IMAGE", field("Image")],
  ["COMMAND", field("Command")],
  ["LOCAL VOLUMES", field("LocalVolumes")],
  ["SIZE", field("Size")],
  ["CREATED", field("RunningFor")],
  ["STATUS", field("Status")],
  ["NAMES", field("Names")],
];
const VOLUME_COLUMNS: Column[] = [
  ["VOLUME NAME", field("Name")],
  ["LINKS", field("Links")],
  ["SIZE", field("Size")],
];
const CACHE_COLUMNS: Column[] = [
  ["CACHE ID", (row: Row) => String(row.ID).slice(0, 12)],
  ["CACHE TYPE", field("CacheType")],
  ["SIZE", field("Size")],
  ["CREATED", field("CreatedSince")],
  ["LAST USED", field("LastUsedSince")],
  ["USAGE", () => "-"],
  ["SHARED", field("Shared")],
];

function table(rows: readonly Row[], columns: readonly Column[]): string {
  const titles = columns.map(([title]) => title).join("\t");
  return alignColumns([
    titles,
    ...rows.map((row) => columns.map(([, cell]) => String(cell(row))).join("\t")),
  ]);
}

/** For JSON.stringify(): the fields of a row by their names, as docker has them. */
function inOrder(key: string, value: unknown): unknown {
  if (!/^\d+$/.test(key)) return value;
  return Object.fromEntries(Object.entries(value as Row).sort(([a], [b]) => a < b ? -1 : 1));
}

/** All that `-v` prints. Throws UserError for a template that does not parse or run. */
export function verboseText(usage: Usage, format: string): string {
  const [images, containers] = [imageRows(usage), containerRows(usage)];
  const volumes = volumeRows(usage), cache = cacheRows(usage);
  if (format !== "" && format !== "table") {
    const all = { Images: images, Containers: containers, Volumes: volumes, BuildCache: cache };
    if (format === "json") return JSON.stringify(all, inOrder); // docker ends no line here
    const typeName = "*formatter.diskUsageContext";
    const { written, error } = renderFacts(unescapeFormat(format), all, { typeName });
    if (error !== undefined) throw new UserError(error);
    return written;
  }
  return `Images space usage:\n\n${table(images, IMAGE_COLUMNS)}\n` +
    `Containers space usage:\n\n${table(containers, CONTAINER_COLUMNS)}\n` +
    `Local Volumes space usage:\n\n${table(volumes, VOLUME_COLUMNS)}\n` +
    `Build cache usage: ${formatSize(sum(usage.cache.map(({ size }) => size)), 4)}\n\n` +
    table(cache, CACHE_COLUMNS);
}
