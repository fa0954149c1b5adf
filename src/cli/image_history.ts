import { humanAgo, parseTime } from "../base/time.ts";
import { formatSize } from "../base/units.ts";
import { type HistoryLine, historyOf, shownId } from "../image/inspect.ts";
import { requirePlatform } from "../image/platform_wish.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { ellipsis, type ListSpec, printList, type Row } from "./output.ts";

export const spec = {
  name: "history",
  usage: "[OPTIONS] IMAGE",
  summary: "Show the history of an image",
  aliases: ["image history", "history"],
  args: [1, 1],
  complete: ["image"],
  flags: {
    format: { type: "string", help: "Format output using a custom template, 'table' or 'json'" },
    human: {
      type: "bool",
      short: "H",
      default: true,
      help: "Print sizes and dates in human readable format",
    },
    "no-trunc": { type: "bool", help: "Don't truncate output" },
    platform: {
      type: "string",
      help: 'Show history for the given platform. Formatted as "os[/arch[/variant]]"',
    },
    quiet: { type: "bool", short: "q", help: "Only show image IDs" },
  },
  examples: ["diplodock history --no-trunc busybox"],
} as const satisfies CommandSpec;

const LIST: ListSpec = {
  headers: {
    ID: "IMAGE",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    CreatedBy: "CREATED BY",
    Size: "SIZE",
    Comment: "COMMENT",
  },
  columns: ["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
  quietField: "ID",
  typeName: "*image.historyContext",
};

/** "2024-01-01T00:00:00Z": whole seconds, as docker prints it. */
function createdAt(line: HistoryLine): string {
  return line.created === undefined ? "N/A" : line.created.replace(/\.\d+/, "");
}

function rowOf(line: HistoryLine, human: boolean, noTrunc: boolean): Row {
  const created = parseTime(line.created ?? "");
  const by = line.createdBy.replaceAll("\t", " ");
  return {
    ID: shownId(line.id, noTrunc),
    CreatedSince: !human ? createdAt(line) : created === undefined ? "N/A" : humanAgo(created),
    CreatedAt: createdAt(line),
    CreatedBy: ellipsis(by, 45, noTrunc),
    Size: human ? formatSize(line.size) : String(line.size),
    Comment: line.comment,
  };
}

/** `diplodock history`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [name] } = parseArgs(spec, args);
  const lines = await daemon(() => {
    requirePlatform(imageStore(), name, options.platform);
    return historyOf(imageStore(), name);
  });
  const columns = options.human ? LIST.columns : LIST.columns.with(1, "CreatedAt");
  await printList(
    lines.map((line) => rowOf(line, options.human, options.noTrunc)),
    { ...LIST, columns },
    { ...(options.format !== undefined && { format: options.format }), quiet: options.quiet },
  );
  return 0;
}
