import { collectFilters, type Filters, parseFilter, untilMillis } from "../base/filter.ts";
import { formatSize } from "../base/units.ts";
import { PRUNE_FILTERS, pruneUnusedImages, wantsAll } from "../engine/prune_images.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { confirm } from "./output.ts";
import { printDeleted } from "./prune_output.ts";

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

/** Removes unused images as `filters` say and tells what is gone; the bytes that are free again. */
export async function pruneAndTell(
  filters: Filters,
  all: boolean,
  untilMs: readonly number[],
): Promise<number> {
  const { removals, bytes } = await daemon(() => pruneUnusedImages(filters, all, untilMs));
  printDeleted("Images", removals.map(({ kind, what }) => `${kind.toLowerCase()}: ${what}`));
  return bytes;
}

/** `diplodock image prune`. */
export async function command(args: string[]): Promise<number> {
  const { options } = parseArgs(spec, args);
  const filters = await daemon(() => collectFilters(options.filter, PRUNE_FILTERS));
  const all = options.all || wantsAll(filters);
  const until = await daemon(() => untilMillis(filters));
  if (!options.force) {
    console.log(all ? WARNING.all : WARNING.dangling);
    if (!confirm("Are you sure you want to continue?")) return 0;
  }
  const bytes = await pruneAndTell(filters, all, until);
  console.log(`Total reclaimed space: ${formatSize(bytes, 4)}`);
  return 0;
}
