import { UserError } from "../base/errors.ts";
import { collectFilters, type Filters, parseFilter, untilMillis } from "../base/filter.ts";
import { formatSize } from "../base/units.ts";
import { sweep } from "../engine/cleanup.ts";
import { pruneContainers } from "../engine/prune_containers.ts";
import { pruneNetworks } from "../engine/prune_networks.ts";
import { pruneVolumes } from "../engine/prune_volumes.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { imageStore } from "./image_context.ts";
import { pruneAndTell } from "./image_prune.ts";
import { confirm } from "./output.ts";
import { printDeleted } from "./prune_output.ts";

export const spec = {
  name: "system prune",
  usage: "[OPTIONS]",
  summary: "Remove unused data",
  args: [0, 0],
  flags: {
    all: { type: "bool", short: "a", help: "Remove all unused images not just dangling ones" },
    filter: {
      type: "list",
      value: "filter",
      help: 'Provide filter values (e.g. "label=<key>=<value>")',
      parse: parseFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
    volumes: { type: "bool", help: "Prune anonymous volumes" },
  },
  examples: ["diplodock system prune -af --volumes", "diplodock system prune --filter until=24h"],
} as const satisfies CommandSpec;

/** What will go, as docker asks. */
function question(all: boolean, volumes: boolean): string {
  const lines = [
    "all stopped containers",
    "all networks not used by at least one container",
    ...(volumes ? ["all anonymous volumes not used by at least one container"] : []),
    all ? "all images without at least one container associated to them" : "all dangling images",
    all ? "all build cache" : "unused build cache",
  ];
  return "WARNING! This will remove:\n" + lines.map((line) => `  - ${line}\n`).join("") +
    "\nAre you sure you want to continue?";
}

/** `diplodock system prune`: containers first, then what only they needed. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const filters = await daemon(() => collectFilters(options.filter, ["label", "label!", "until"]));
  if (options.volumes && filters.has("until")) {
    throw new UserError('ERROR: The "until" filter is not supported with "--volumes"');
  }
  if (!options.force && !confirm(question(options.all, options.volumes))) return 0;
  await sweep();
  const bytes = await daemon(() => prune(filters, options));
  console.log(`Total reclaimed space: ${formatSize(bytes, 4)}`);
  return 0;
}

async function prune(
  filters: Filters,
  { all, volumes }: { all: boolean; volumes: boolean },
): Promise<number> {
  const until = untilMillis(filters);
  const containers = await pruneContainers(filters);
  printDeleted("Containers", containers.ids);
  printDeleted("Networks", await pruneNetworks(filters, until));
  let bytes = containers.bytes;
  if (volumes) {
    const pruned = await pruneVolumes(false, filters);
    printDeleted("Volumes", pruned.names);
    bytes += pruned.bytes;
  }
  bytes += await pruneAndTell(filters, all, until);
  // Steps have no labels.
  if (filters.has("label") || filters.has("label!")) return bytes;
  const { pruneBuildCache } = await import("../build/prune.ts");
  const cache = await pruneBuildCache(imageStore(), {
    all,
    ...(until.length > 0 && { untilMs: Math.min(...until) }),
  });
  printDeleted("build cache objects", cache.ids);
  return bytes + cache.bytes;
}
