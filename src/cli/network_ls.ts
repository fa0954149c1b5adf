import {
  booleanFilter,
  collectFilters,
  type Filters,
  matchAny,
  matchLabels,
  matchName,
  parseFilter,
} from "../base/filter.ts";
import { UserError } from "../base/errors.ts";
import { listNetworks, type NetworkRecord, usedNetworks } from "../engine/networks.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { BrokenRecords, daemon } from "./engine_error.ts";
import { type ListSpec, printList, type Row, shortId } from "./output.ts";

export const spec = {
  name: "network ls",
  usage: "[OPTIONS]",
  summary: "List networks",
  aliases: ["network ls", "network list"],
  args: [0, 0],
  flags: {
    filter: {
      type: "list",
      short: "f",
      value: "filter",
      help: 'Provide filter values (e.g. "driver=bridge")',
      parse: parseFilter,
    },
    format: {
      type: "string",
      help: "Format output using a custom template:\n" +
        "'table':            Print output in table format with column headers (default)\n" +
        "'table TEMPLATE':   Print output in table format using the given Go template\n" +
        "'json':             Print in JSON format\n" +
        "'TEMPLATE':         Print output using the given Go template.",
    },
    "no-trunc": { type: "bool", help: "Do not truncate the output" },
    quiet: { type: "bool", short: "q", help: "Only display network IDs" },
  },
  examples: ["diplodock network ls --filter type=custom"],
} as const satisfies CommandSpec;

const LIST: ListSpec = {
  headers: {
    ID: "NETWORK ID",
    Name: "NAME",
    Driver: "DRIVER",
    Scope: "SCOPE",
    IPv4: "IPV4",
    IPv6: "IPV6",
    Internal: "INTERNAL",
    Labels: "LABELS",
    CreatedAt: "CREATED AT",
  },
  columns: ["ID", "Name", "Driver", "Scope"],
  quietField: "ID",
  typeName: "*network.networkContext",
};

function rowOf(network: NetworkRecord, noTrunc: boolean): Row {
  const labels = network.Labels ?? {};
  return {
    ID: shortId(network.Id, noTrunc),
    Name: network.Name,
    Driver: network.Driver,
    Scope: network.Scope,
    IPv4: String(network.EnableIPv4),
    IPv6: String(network.EnableIPv6),
    Internal: String(network.Internal),
    Labels: Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(","),
    Label: (name: string) => labels[name] ?? "",
    CreatedAt: network.Created.replace("T", " ").replace("Z", " +0000 UTC"),
  };
}

const FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/** Which networks `filters` let through. */
function filterNetworks(networks: readonly NetworkRecord[], filters: Filters): NetworkRecord[] {
  const dangling = booleanFilter(filters, "dangling");
  const used = dangling === undefined ? undefined : usedNetworks();
  for (const type of filters.get("type") ?? []) {
    if (!["custom", "builtin"].includes(type)) {
      throw new UserError(`invalid filter: 'type'='${type}'`);
    }
  }
  return networks.filter((network) => {
    const isBuiltIn = ["bridge", "host", "none"].includes(network.Name);
    const isDangling = !isBuiltIn && !used?.has(network.Id);
    return (dangling === undefined || dangling === isDangling) &&
      matchAny(filters, "driver", (value) => value === network.Driver) &&
      matchAny(filters, "scope", (value) => value === network.Scope) &&
      matchAny(filters, "id", (value) => network.Id.startsWith(value)) &&
      matchAny(filters, "type", (value) => (value === "builtin") === isBuiltIn) &&
      matchName(filters, [network.Name]) &&
      matchLabels(filters, network.Labels);
  });
}

/** `diplodock network ls`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const broken = new BrokenRecords();
  const networks = await daemon(async () =>
    filterNetworks(await listNetworks(broken.tell), collectFilters(options.filter, FILTERS))
  );
  await printList(networks.map((network) => rowOf(network, options.noTrunc)), LIST, {
    ...(options.format !== undefined && { format: options.format }),
    quiet: options.quiet,
  });
  return broken.exitCode;
}
