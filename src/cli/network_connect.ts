import { sweep } from "../engine/cleanup.ts";
import { connectNetwork } from "../engine/container_networks.ts";
import { emptyEndpoint } from "../engine/host_config.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { parseLink } from "./flags/networks.ts";

/** "k=v" of --driver-opt. */
function parsePair(text: string): [key: string, value: string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new Error("invalid key value pair format in driver options");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

export const spec = {
  name: "network connect",
  usage: "[OPTIONS] NETWORK CONTAINER",
  summary: "Connect a container to a network",
  args: [2, 2],
  complete: ["network", "container"],
  flags: {
    alias: { type: "list", help: "Add network-scoped alias for the container" },
    "driver-opt": { type: "list", help: "driver options for the network", parse: parsePair },
    "gw-priority": {
      type: "int",
      default: 0,
      help:
        "Highest gw-priority provides the default gateway. Accepts positive and negative values",
    },
    ip: { type: "string", help: 'IPv4 address (e.g., "172.30.100.104")' },
    ip6: { type: "string", help: 'IPv6 address (e.g., "2001:db8::33")' },
    link: { type: "list", help: "Add link to another container", parse: parseLink },
    "link-local-ip": { type: "list", help: "Add a link-local address for the container" },
  },
  examples: ["diplodock network connect --alias db app postgres"],
} as const satisfies CommandSpec;

const orNull = (list: readonly string[]) => list.length > 0 ? [...list] : null;

/** `diplodock network connect`. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [network, container] } = parseArgs(spec, words);
  await sweep();
  const { ip, ip6, linkLocalIp } = options;
  const asked = ip !== undefined || ip6 !== undefined || linkLocalIp.length > 0;
  await daemon(() =>
    connectNetwork(network, container, {
      ...emptyEndpoint(),
      IPAMConfig: asked
        ? {
          ...(ip !== undefined && { IPv4Address: ip }),
          ...(ip6 !== undefined && { IPv6Address: ip6 }),
          ...(linkLocalIp.length > 0 && { LinkLocalIPs: [...linkLocalIp] }),
        }
        : null,
      Aliases: orNull(options.alias),
      Links: orNull(options.link),
      DriverOpts: options.driverOpt.length > 0 ? Object.fromEntries(options.driverOpt) : null,
      GwPriority: options.gwPriority,
    })
  );
  return 0;
}
