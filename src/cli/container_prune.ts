import { collectFilters, parseFilter } from "../base/filter.ts";
import { formatSize } from "../base/units.ts";
import { sweep } from "../engine/cleanup.ts";
import { pruneContainers } from "../engine/prune_containers.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { confirm } from "./output.ts";
import { printDeleted } from "./prune_output.ts";

export const spec = {
  name: "container prune",
  usage: "[OPTIONS]",
  summary: "Remove all stopped containers",
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
  examples: ["diplodock container prune -f --filter until=24h"],
} as const satisfies CommandSpec;

/** `diplodock container prune`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  if (
    !options.force &&
    !confirm(
      "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?",
    )
  ) return 0;
  const { ids, bytes } = await daemon(async () => {
    const filters = collectFilters(options.filter, ["label", "label!", "until"]);
    await sweep();
    return await pruneContainers(filters);
  });
  printDeleted("Containers", ids);
  console.log(`Total reclaimed space: ${formatSize(bytes, 4)}`);
  return 0;
}
