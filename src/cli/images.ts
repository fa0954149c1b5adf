import { UserError } from "../base/errors.ts";
import { collectFilters } from "../base/filter.ts";
import { formatTimeTable, humanAgo, parseTime, ZERO_TIME } from "../base/time.ts";
import { formatSize } from "../base/units.ts";
import { IMAGE_FILTERS, imagesWanted } from "../engine/image_listing.ts";
import { containersUsing } from "../engine/image_users.ts";
import { type ImageRow, type ListedImage, rowsOf, sizeOf } from "../image/list.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { FILTER, FORMAT } from "./list_flags.ts";
import { type ListSpec, printList, type Row, shortId } from "./output.ts";

export const spec = {
  name: "images",
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  summary: "List images",
  aliases: ["image ls", "image list", "images"],
  args: [0, 1],
  complete: ["image"],
  flags: {
    all: { type: "bool", short: "a", help: "Show all images (default hides intermediate images)" },
    digests: { type: "bool", help: "Show digests" },
    filter: FILTER,
    format: FORMAT,
    "no-trunc": { type: "bool", help: "Don't truncate output" },
    quiet: { type: "bool", short: "q", help: "Only show image IDs" },
    tree: { type: "bool", help: "List multi-platform images as a tree" },
  },
  examples: ["diplodock images -f dangling=true -q", "diplodock images 'busy*'"],
} as const satisfies CommandSpec;

const LIST: ListSpec = {
  headers: {
    ID: "IMAGE ID",
    Repository: "REPOSITORY",
    Tag: "TAG",
    Digest: "DIGEST",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    Size: "SIZE",
    Containers: "CONTAINERS",
    VirtualSize: "SIZE",
    SharedSize: "SHARED SIZE",
    UniqueSize: "UNIQUE SIZE",
  },
  columns: ["Repository", "Tag", "ID", "CreatedSince", "Size"],
  quietField: "ID",
  typeName: "*formatter.imageContext",
};

/** The template of `--format raw`. */
function rawTemplate(digests: boolean): string {
  return "repository: {{.Repository}}\n{{if .Tag}}tag: {{.Tag}}\n{{end}}" +
    (digests ? "{{if .Digest}}digest: {{.Digest}}\n{{end}}" : "") +
    "image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";
}

/** The fields of one name of an image. */
export function imageRow(row: ImageRow, noTrunc: boolean): Row {
  const { record } = row;
  const created = parseTime(record.config.created ?? ZERO_TIME) ?? 0n;
  const size = formatSize(sizeOf(record));
  return {
    ID: shortId(record.id, noTrunc),
    Repository: row.repository ?? "<none>",
    Tag: row.tag ?? "<none>",
    Digest: row.digest ?? "<none>",
    CreatedSince: created <= 0n ? "" : humanAgo(created),
    CreatedAt: created <= 0n ? "0001-01-01 00:00:00 +0000 UTC" : formatTimeTable(created),
    Size: size,
    Containers: "N/A",
    SharedSize: "N/A",
    UniqueSize: "N/A",
    VirtualSize: formatSize(sizeOf(record), 4),
  };
}

/** Docker's words: the tree has one form. */
function refuseWithTree(
  options: { quiet: boolean; noTrunc: boolean; digests: boolean; format: string | undefined },
): void {
  const { quiet, noTrunc, digests, format } = options;
  const refused = {
    quiet,
    "no-trunc": noTrunc,
    "show-digest": digests,
    format: format !== undefined,
  };
  for (const [flag, given] of Object.entries(refused)) {
    if (given) throw new UserError(`--${flag} is not yet supported with --tree`);
  }
}

async function printTree(images: readonly ListedImage[]): Promise<number> {
  const { treeImage, treeLines } = await import("./images_tree.ts");
  const store = imageStore();
  const using = containersUsing();
  const width = Deno.stdout.isTerminal() ? Deno.consoleSize().columns || 80 : 80;
  const trees = images.map((image) => treeImage(store, image, using(image.record.id).length > 0));
  for (const line of treeLines(trees, width)) console.log(line);
  return 0;
}

/** `diplodock images`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [pattern] } = parseArgs(spec, args);
  if (options.tree) refuseWithTree(options);
  const images = await daemon(() => {
    const filters = collectFilters(options.filter, IMAGE_FILTERS);
    return imagesWanted(imageStore(), filters, pattern, options.all);
  });
  if (options.tree) return await printTree(images);
  // A template that shows digests asks for them, as docker has it.
  const digests = options.digests || (options.format ?? "").includes("{{.Digest}}");
  const rows = images.flatMap((image) => rowsOf(image, digests));
  const columns = options.digests
    ? ["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"]
    : LIST.columns;
  const isTable = options.format === undefined || options.format === "table";
  const shown = rows.map((row) => imageRow(row, options.noTrunc)).map((row) =>
    isTable ? { ...row, CreatedSince: row.CreatedSince || "N/A" } : row
  );
  await printList(shown, { ...LIST, columns, raw: rawTemplate(digests) }, {
    ...(options.format !== undefined && { format: options.format }),
    quiet: options.quiet,
  });
  return 0;
}
