import { collectFilters } from "../base/filter.ts";
import { nowNanoseconds } from "../base/time.ts";
import { PS_FILTERS } from "../engine/list_filters.ts";
import { mendHealthChecks } from "../engine/health_mend.ts";
import { listContainers } from "../engine/listing.ts";
import { tidyNetworks } from "../engine/network.ts";
import { summarize } from "../engine/summary.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { BrokenRecords, daemon } from "./engine_error.ts";
import { FILTER, FORMAT } from "./list_flags.ts";
import { type ListSpec, printList } from "./output.ts";
import { readUserConfig } from "./user_config.ts";

export const spec = {
  name: "ps",
  usage: "[OPTIONS]",
  summary: "List containers",
  aliases: ["container ls", "container list", "container ps", "ps"],
  args: [0, 0],
  flags: {
    all: { type: "bool", short: "a", help: "Show all containers (default shows just running)" },
    filter: FILTER,
    format: FORMAT,
    last: {
      type: "int",
      short: "n",
      default: -1,
      defaultText: "-1",
      help: "Show n last created containers (includes all states)",
    },
    latest: {
      type: "bool",
      short: "l",
      help: "Show the latest created container (includes all states)",
    },
    "no-trunc": { type: "bool", help: "Don't truncate output" },
    quiet: { type: "bool", short: "q", help: "Only display container IDs" },
    size: { type: "bool", short: "s", help: "Display total file sizes" },
  },
  examples: [
    "diplodock ps -a --filter status=exited",
    "diplodock ps --format 'table {{.Names}}\\t{{.Status}}'",
  ],
} as const satisfies CommandSpec;

const LIST: ListSpec = {
  headers: {
    ID: "CONTAINER ID",
    Names: "NAMES",
    Image: "IMAGE",
    Command: "COMMAND",
    CreatedAt: "CREATED AT",
    RunningFor: "CREATED",
    Ports: "PORTS",
    State: "STATE",
    Status: "STATUS",
    Size: "SIZE",
    Labels: "LABELS",
    Mounts: "MOUNTS",
    LocalVolumes: "LOCAL VOLUMES",
    Networks: "NETWORKS",
    Platform: "PLATFORM",
  },
  columns: ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"],
  quietField: "ID",
  typeName: "*formatter.ContainerContext",
  isPs: true,
  raw: "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\n" +
    "created_at: {{.CreatedAt}}\nstate: {{.State}}\nstatus: {{.Status}}\nnames: {{.Names}}\n" +
    "labels: {{.Labels}}\nports: {{.Ports}}\n",
};

/** `diplodock ps`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const broken = new BrokenRecords();
  const found = await daemon(() => {
    const filters = collectFilters(options.filter, PS_FILTERS);
    return listContainers({
      all: options.all,
      last: options.latest ? 1 : options.last,
      filters,
      onBroken: (_id, error) => broken.tell(error),
    });
  });
  const configured = options.format === undefined && !options.quiet
    ? readUserConfig().psFormat
    : undefined;
  // docker walks the disk only for who wants to see the result.
  const wantsSizes = options.size || /\.Size\b/.test(options.format ?? configured ?? "");
  if (wantsSizes && !options.quiet) {
    const { containerSizes } = await import("../engine/sizes.ts");
    for (const [i, listed] of found.entries()) {
      found[i] = { ...listed, sizes: await containerSizes(listed.record) };
    }
  }
  const now = nowNanoseconds();
  const rows = found.map((listed) => summarize(listed, { now, noTrunc: options.noTrunc }));
  await printList(rows, {
    ...LIST,
    columns: options.size ? [...LIST.columns, "Size"] : LIST.columns,
  }, {
    ...(options.format !== undefined && { format: options.format }),
    ...(configured !== undefined && { configured }),
    quiet: options.quiet,
  });
  await tidyNetworks();
  for (const { record } of found) await mendHealthChecks(record);
  return broken.exitCode;
}
