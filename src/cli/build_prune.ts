import { collectFilters, parseFilter, untilMillis } from "../base/filter.ts";
import { formatSize, parseSize } from "../base/units.ts";
import { pruneBuildCache } from "../build/prune.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { confirm } from "./output.ts";
import { printDeleted } from "./prune_output.ts";

export const spec = {
  name: "builder prune",
  usage: "[OPTIONS]",
  summary: "Remove build cache",
  aliases: ["builder prune", "buildx prune"],
  args: [0, 0],
  flags: {
    all: { type: "bool", short: "a", help: "Remove all build cache, not just what no image has" },
    filter: {
      type: "list",
      value: "filter",
      help: 'Provide filter values (e.g. "until=24h")',
      parse: parseFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
    "keep-storage": {
      type: "string",
      value: "bytes",
      parse: parseSize,
      help: "Amount of disk space to keep for cache",
    },
    "reserved-space": { type: "string", alias: "keep-storage", hidden: true },
    "max-used-space": { type: "string", alias: "keep-storage", hidden: true },
  },
  examples: ["diplodock builder prune -af", "diplodock builder prune -f --filter until=48h"],
} as const satisfies CommandSpec;

/** `diplodock builder prune`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const filters = await daemon(() => collectFilters(options.filter, ["until"]));
  const until = untilMillis(filters);
  if (!options.force) {
    const what = options.all ? "all build cache" : "all dangling build cache";
    if (!confirm(`WARNING! This will remove ${what}. Are you sure you want to continue?`)) return 0;
  }
  const { ids, bytes } = await daemon(() =>
    pruneBuildCache(imageStore(), {
      all: options.all,
      ...(until.length > 0 && { untilMs: Math.min(...until) }),
      ...(options.keepStorage !== undefined && { keepBytes: options.keepStorage }),
    })
  );
  printDeleted("build cache objects", ids);
  console.log(`Total reclaimed space: ${formatSize(bytes, 4)}`);
  return 0;
}
