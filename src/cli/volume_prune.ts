import { UserError } from "../base/errors.ts";
import { booleanFilter, collectFilters, parseFilter } from "../base/filter.ts";
import { formatSize } from "../base/units.ts";
import { pruneVolumes } from "../engine/prune_volumes.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { confirm } from "./output.ts";
import { printDeleted } from "./prune_output.ts";

export const spec = {
  name: "volume prune",
  usage: "[OPTIONS]",
  summary: "Remove unused local volumes",
  args: [0, 0],
  flags: {
    all: { type: "bool", short: "a", help: "Remove all unused volumes, not just anonymous ones" },
    filter: {
      type: "list",
      value: "filter",
      help: 'Provide filter values (e.g. "label=<label>")',
      parse: parseFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
  },
  examples: ["diplodock volume prune -f", "diplodock volume prune -a --filter label!=keep"],
} as const satisfies CommandSpec;

/** `diplodock volume prune`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const filters = await daemon(() => collectFilters(options.filter, ["all", "label", "label!"]));
  if (options.all && filters.has("all")) {
    throw new UserError("conflicting options: cannot specify both --all and --filter all=1");
  }
  const all = options.all || await daemon(() => booleanFilter(filters, "all")) === true;
  const which = all ? "all" : "anonymous";
  if (
    !options.force &&
    !confirm(
      `WARNING! This will remove ${which} local volumes not used by at least one container.\n` +
        "Are you sure you want to continue?",
    )
  ) return 0;
  const { names, bytes } = await daemon(() => pruneVolumes(all, filters));
  printDeleted("Volumes", names);
  console.log(`Total reclaimed space: ${formatSize(bytes, 4)}`);
  return 0;
}
