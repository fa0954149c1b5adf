import { addNetwork, checkAddresses } from "../engine/networks.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { parseLabel } from "./flags/env.ts";
import { daemon } from "./engine_error.ts";

/** "k=v" of --opt and --label; a word alone is a key without a value. */
function parsePair(text: string): [key: string, value: string] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
}

export const spec = {
  name: "network create",
  usage: "[OPTIONS] NETWORK",
  summary: "Create a network",
  args: [1, 1],
  flags: {
    attachable: { type: "bool", help: "Enable manual container attachment" },
    "aux-address": {
      type: "list",
      value: "map",
      help: "Auxiliary IPv4 or IPv6 addresses that no container gets",
    },
    driver: { type: "string", short: "d", default: "bridge", help: "Driver to manage the Network" },
    gateway: { type: "list", help: "IPv4 or IPv6 Gateway for the master subnet" },
    internal: { type: "bool", help: "Restrict external access to the network" },
    "ip-range": { type: "list", help: "Allocate container ip from a sub-range" },
    "ipam-driver": {
      type: "string",
      default: "default",
      help: "IP Address Management Driver",
    },
    "ipam-opt": {
      type: "list",
      value: "map",
      help: "Set IPAM driver specific options",
      parse: parsePair,
    },
    ipv4: {
      type: "bool",
      default: true,
      help: "Enable or disable IPv4 address assignment",
    },
    ipv6: { type: "bool", help: "Enable or disable IPv6 address assignment" },
    label: {
      type: "list",
      help: "Set metadata on a network",
      parse: (text) => parsePair(parseLabel(text)),
    },
    opt: {
      type: "list",
      short: "o",
      value: "map",
      help: "Set driver specific options",
      parse: parsePair,
    },
    subnet: { type: "list", help: "Subnet in CIDR format that represents a network segment" },
  },
  examples: [
    "diplodock network create app",
    "diplodock network create --subnet 10.9.0.0/24 --gateway 10.9.0.1 --ipv6 app",
    "diplodock network create -o com.docker.network.bridge.enable_icc=false apart",
  ],
} as const satisfies CommandSpec;

/** Lists of addresses may be given as one word with commas too. */
const split = (values: readonly string[]) => values.flatMap((value) => value.split(","));

/** `diplodock network create`. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [name] } = parseArgs(spec, words);
  const wish = {
    name,
    driver: options.driver,
    subnets: split(options.subnet),
    gateways: split(options.gateway),
    ranges: split(options.ipRange),
    auxAddresses: options.auxAddress,
    internal: options.internal,
    ipv4: options.ipv4,
    ipv6: options.ipv6,
    attachable: options.attachable,
    options: Object.fromEntries(options.opt),
    ipamOptions: Object.fromEntries(options.ipamOpt),
    ipamDriver: options.ipamDriver,
    labels: Object.fromEntries(options.label),
  };
  checkAddresses(wish);
  const network = await daemon(() => addNetwork(wish));
  console.log(network.Id);
  return 0;
}
