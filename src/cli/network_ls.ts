import { collectFilters } from "../base/filter.ts";
import { NETWORK_FILTERS, networksWanted } from "../engine/network_listing.ts";
import { listNetworks, type NetworkRecord } from "../engine/networks.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { BrokenRecords, daemon } from "./engine_error.ts";
import { FILTER, FORMAT } from "./list_flags.ts";
import { type ListSpec, printList, type Row, shortId } from "./output.ts";

export const spec = {
  name: "network ls",
  usage: "[OPTIONS]",
  summary: "List networks",
  aliases: ["network ls", "network list"],
  args: [0, 0],
  flags: {
    filter: { ...FILTER, help: 'Provide filter values (e.g. "driver=bridge")' },
    format: FORMAT,
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

/** `diplodock network ls`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const broken = new BrokenRecords();
  const networks = await daemon(async () =>
    networksWanted(await listNetworks(broken.tell), collectFilters(options.filter, NETWORK_FILTERS))
  );
  await printList(networks.map((network) => rowOf(network, options.noTrunc)), LIST, {
    ...(options.format !== undefined && { format: options.format }),
    quiet: options.quiet,
  });
  return broken.exitCode;
}
