import { collectFilters, parseFilter, untilMillis } from "../base/filter.ts";
import { sweep } from "../engine/cleanup.ts";
import { pruneNetworks } from "../engine/prune_networks.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { confirm } from "./output.ts";
import { printDeleted } from "./prune_output.ts";

export const spec = {
  name: "network prune",
  usage: "[OPTIONS]",
  summary: "Remove all unused networks",
  args: [0, 0],
  flags: {
    filter: {
      type: "list",
      value: "filter",
      help: 'Provide filter values (e.g. "until=<timestamp>")',
      parse: parseFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
  },
  examples: ["diplodock network prune -f --filter until=24h"],
} as const satisfies CommandSpec;

const WARNING = "WARNING! This will remove all custom networks not used by at least one container.";

/** `diplodock network prune`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const filters = await daemon(() => collectFilters(options.filter, ["label", "label!", "until"]));
  const until = untilMillis(filters);
  if (!options.force) {
    console.log(WARNING);
    if (!confirm("Are you sure you want to continue?")) return 0;
  }
  await sweep();
  printDeleted("Networks", await daemon(() => pruneNetworks(filters, until)));
  return 0;
}
