import { collectFilters, type Filters, parseFilter } from "../base/filter.ts";
import { formatSize } from "../base/units.ts";
import { emitEvent } from "../engine/events.ts";
import { containersUsing, tellRemoved } from "../engine/image_users.ts";
import { pruneImages } from "../image/prune.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { confirm } from "./output.ts";
import { printDeleted, untilMillis } from "./prune_output.ts";

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
  const { images, bytes } = await daemon(() =>
    pruneImages(imageStore(), {
      all,
      labels: filters.get("label") ?? [],
      withoutLabels: filters.get("label!") ?? [],
      ...(untilMs.length > 0 && { untilMs: Math.min(...untilMs) }),
      using: containersUsing(),
    })
  );
  const removals = images.flatMap((image) => image.removals);
  printDeleted("Images", removals.map(({ kind, what }) => `${kind.toLowerCase()}: ${what}`));
  images.forEach(tellRemoved);
  emitEvent({ Type: "image", Action: "prune", id: "", attributes: { reclaimed: String(bytes) } });
  return bytes;
}

/** `diplodock image prune`. */
export async function command(args: string[]): Promise<number> {
  const { options } = parseArgs(spec, args);
  const filters = await daemon(() =>
    collectFilters(options.filter, ["dangling", "label", "label!", "until"])
  );
  const wantsAll = filters.get("dangling")?.some((value) => /^(?:0|f|false)$/i.test(value));
  const all = options.all || wantsAll === true;
  const until = untilMillis(filters);
  if (!options.force) {
    console.log(all ? WARNING.all : WARNING.dangling);
    if (!confirm("Are you sure you want to continue?")) return 0;
  }
  const bytes = await pruneAndTell(filters, all, until);
  console.log(`Total reclaimed space: ${formatSize(bytes, 4)}`);
  return 0;
}
