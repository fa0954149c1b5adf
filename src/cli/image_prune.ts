import { collectFilters, parseFilter } from "../base/filter.ts";
import { parseMoment } from "../base/time.ts";
import { formatSize } from "../base/units.ts";
import { pruneImages } from "../image/prune.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { containersUsing, daemon, imageStore, noteImage } from "./image_context.ts";
import { confirm } from "./output.ts";

export const spec = {
  name: "image prune",
  usage: "[OPTIONS]",
  summary: "Remove unused images",
  args: [0, 0],
  flags: {
    all: { type: "bool", short: "a", help: "Remove all unused images, not just dangling ones" },
    filter: {
      type: "list",
      value: "filter",
      help: 'Provide filter values (e.g. "until=<timestamp>")',
      parse: parseFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
  },
  examples: ["diplodock image prune -af --filter until=24h"],
} as const satisfies CommandSpec;

const WARNING = {
  dangling: "WARNING! This will remove all dangling images.",
  all: "WARNING! This will remove all images without at least one container associated to them.",
};

/** `diplodock image prune`. */
export async function command(args: string[]): Promise<number> {
  const { options } = parseArgs(spec, args);
  const filters = await daemon(() =>
    collectFilters(options.filter, ["dangling", "label", "label!", "until"])
  );
  const wantsAll = filters.get("dangling")?.some((value) => /^(?:0|f|false)$/i.test(value));
  const all = options.all || wantsAll === true;
  const until = (filters.get("until") ?? []).map((text) => Number(parseMoment(text) / 1_000_000n));
  if (!options.force) {
    console.log(all ? WARNING.all : WARNING.dangling);
    if (!confirm("Are you sure you want to continue?")) return 0;
  }
  const { removals, bytes } = await daemon(() =>
    pruneImages(imageStore(), {
      all,
      labels: filters.get("label") ?? [],
      withoutLabels: filters.get("label!") ?? [],
      ...(until.length > 0 && { untilMs: Math.min(...until) }),
      using: containersUsing(),
    })
  );
  if (removals.length > 0) {
    console.log("Deleted Images:");
    for (const { kind, what } of removals) console.log(`${kind.toLowerCase()}: ${what}`);
    console.log();
  }
  noteImage("prune", "", { reclaimed: String(bytes) });
  console.log(`Total reclaimed space: ${formatSize(bytes, 4)}`);
  return 0;
}
