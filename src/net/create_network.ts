/** Making networks: every check first, with docker's texts, then the record. */
import { UserError } from "../base/errors.ts";
import { Netlink } from "../../ffi/netlink.ts";
import {
  addressAt,
  contains,
  overlap,
  parseIp,
  parseSubnet,
  showIp,
  showSubnet,
  type Subnet,
} from "./address.ts";
import {
  ANY_ADDRESS,
  BRIDGE_DEFAULT,
  BRIDGE_HOST_BINDING,
  BRIDGE_ICC,
  BRIDGE_MASQUERADE,
  BRIDGE_NAME,
  DRIVER_MTU,
  emptyNetwork,
  type IpamConfig,
  type NetworkRecord,
  newId,
  PREDEFINED,
  readNetwork,
  readNetworks,
  wantsDefaultIpv6,
  writeNetwork,
} from "./networks.ts";
import { completeBridge } from "./bridge.ts";
import { refreshRules } from "./rule_set.ts";
import { locked } from "./lock.ts";
import { defaultBridgeName, type NetPlaces } from "./places.ts";
import { hostNameservers } from "./resolv_conf.ts";
import { pickSubnet, uniqueLocalSubnet } from "./subnets.ts";

/** `network create`. */
export interface NetworkOptions {
  readonly name: string;
  readonly driver: string;
  readonly subnets: readonly string[];
  readonly gateways: readonly string[];
  readonly ranges: readonly string[];
  /** "name=ip". */
  readonly auxAddresses: readonly string[];
  readonly internal: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly attachable: boolean;
  readonly options: Record<string, string>;
  readonly ipamOptions: Record<string, string>;
  readonly ipamDriver: string;
  readonly labels: Record<string, string>;
}

/** A network with only a name, all else by default. */
export const DEFAULT_OPTIONS: Omit<NetworkOptions, "name"> = {
  driver: "bridge",
  subnets: [],
  gateways: [],
  ranges: [],
  auxAddresses: [],
  internal: false,
  ipv4: true,
  ipv6: false,
  attachable: false,
  options: {},
  ipamOptions: {},
  ipamDriver: "default",
  labels: {},
};

/** Drivers that docker has besides those of the predefined networks. */
const DOCKER_DRIVERS = ["ipvlan", "macvlan", "overlay"];

/** Checks what can be checked without looking at the machine. */
function checkOptions(options: NetworkOptions): void {
  if (PREDEFINED.includes(options.name)) {
    throw new UserError(`operation is not permitted on predefined ${options.name} network`);
  }
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(options.name)) {
    throw new UserError(
      `invalid network name "${options.name}", only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    );
  }
  if (options.driver === "host" || options.driver === "null") {
    throw new UserError(`only one instance of "${options.driver}" network is allowed`);
  }
  if (DOCKER_DRIVERS.includes(options.driver)) {
    throw new UserError(
      `Cannot make a network with driver "${options.driver}": there is the bridge driver only`,
    );
  }
  if (options.driver !== "bridge") {
    throw new UserError(
      `could not find plugin ${options.driver} in v1 plugin registry: ` +
        `plugin "${options.driver}" not found`,
    );
  }
  if (options.ipamDriver !== "default") {
    throw new UserError(`invalid IPAM driver "${options.ipamDriver}": only "default" is known`);
  }
  const bridge = options.options[BRIDGE_NAME];
  if (bridge !== undefined && !/^[^\s/]{1,15}$/.test(bridge)) {
    throw new UserError(`invalid interface name "${bridge}"`);
  }
  if (!options.ipv4 && !options.ipv6) {
    throw new UserError("IPv4 or IPv6 must be enabled");
  }
}

/**
 * Checks what docker's client checks itself, before any engine hears of it: whether the addresses
 * belong together. Throws UserError.
 */
export function checkAddresses(options: NetworkOptions): void {
  const { subnets, ranges, gateways } = options;
  if (ranges.length > subnets.length || gateways.length > subnets.length) {
    throw new UserError("every ip-range or gateway must have a corresponding subnet");
  }
  // What is no subnet at all is for the engine to refuse.
  if (subnets.every((text) => parseSubnet(text) !== undefined)) ipamConfigs(options);
}

/** Puts `--subnet`, `--ip-range`, `--gateway` and `--aux-address` together, as docker does. */
function ipamConfigs(options: NetworkOptions): IpamConfig[] {
  const configs = options.subnets.map((text) => {
    const subnet = parseSubnet(text);
    if (subnet === undefined) {
      throw new UserError(`invalid subnet ${text} : invalid CIDR address: ${text}`);
    }
    return { subnet, config: { Subnet: showSubnet(subnet), Gateway: "" } as IpamConfig };
  });
  configs.forEach(({ subnet }, i) => {
    if (configs.slice(0, i).some((other) => overlap(other.subnet, subnet))) {
      throw new UserError("multiple overlapping subnet configuration is not supported");
    }
  });
  const home = (kind: string, text: string, of: Subnet | undefined) => {
    const found = of && configs.find(({ subnet }) => contains(subnet, of.base));
    if (!found) throw new UserError(`no matching subnet for ${kind} ${text}`);
    return found.config;
  };
  const single = (text: string): Subnet | undefined => {
    const base = parseIp(text);
    return base && { base, prefix: base.length * 8 };
  };
  for (const text of options.ranges) {
    const range = parseSubnet(text);
    if (range === undefined) throw new UserError(`invalid CIDR address: ${text}`);
    home("range", text, range).IPRange = text;
  }
  for (const text of options.gateways) {
    const config = home("gateway", text, single(text));
    if (config.Gateway !== "") {
      throw new UserError(`cannot configure multiple gateways (${config.Gateway}, ${text})`);
    }
    config.Gateway = showIp(parseIp(text)!);
  }
  for (const text of options.auxAddresses) {
    const [name, address] = text.split("=", 2);
    const config = home("aux-address", address ?? "", single(address ?? ""));
    (config.AuxiliaryAddresses ??= {})[name] = address;
  }
  return configs.map(({ subnet, config }) => ({
    ...config,
    Gateway: config.Gateway || showIp(addressAt(subnet, 1)),
  }));
}

/** What new subnets must keep clear of: routes, the host's resolvers, other networks. */
function takenSubnets(others: readonly NetworkRecord[]): Subnet[] {
  using netlink = Netlink.open();
  const routes = netlink.routes()
    .map((route) => ({ base: route.destination, prefix: route.prefix }));
  const resolvers = hostNameservers().map((base) => ({ base, prefix: base.length * 8 }));
  return [...routes, ...resolvers, ...networkSubnets(others)];
}

function networkSubnets(networks: readonly NetworkRecord[]): Subnet[] {
  return networks.flatMap((network) =>
    (network.IPAM.Config ?? []).flatMap((config) => parseSubnet(config.Subnet) ?? [])
  );
}

/** Adds the subnets the user did not give. */
function completeConfigs(
  kind: "default" | "user",
  configs: IpamConfig[],
  enabled: { ipv4: boolean; ipv6: boolean },
  others: readonly NetworkRecord[],
): IpamConfig[] {
  const has = (bytes: number) =>
    configs.some((config) => parseSubnet(config.Subnet)!.base.length === bytes);
  const made: Subnet[] = [];
  if (enabled.ipv4 && !has(4)) {
    const subnet = pickSubnet(kind, takenSubnets(others));
    if (subnet === undefined) {
      throw new UserError("all predefined address pools have been fully subnetted");
    }
    made.push(subnet);
  }
  if (enabled.ipv6 && !has(16)) {
    made.push(uniqueLocalSubnet(crypto.getRandomValues(new Uint8Array(7))));
  }
  const fresh = made.map((subnet) => ({
    Subnet: showSubnet(subnet),
    Gateway: showIp(addressAt(subnet, 1)),
  }));
  return [...fresh, ...configs];
}

/** Makes a network for a user. Throws UserError with docker's texts. */
export async function createNetwork(
  places: NetPlaces,
  options: NetworkOptions,
): Promise<NetworkRecord> {
  checkOptions(options);
  const given = ipamConfigs(options);
  return await locked(places, () => createLocked(places, options, given));
}

function createLocked(
  places: NetPlaces,
  options: NetworkOptions,
  given: IpamConfig[],
): NetworkRecord {
  if (readNetwork(places, options.name) !== undefined) {
    throw new UserError(`network with name ${options.name} already exists`);
  }
  // What a damaged record says of addresses is unknown; the routes tell of those that are in use.
  const others = readNetworks(places, () => {});
  const bridge = options.options[BRIDGE_NAME];
  const rival = others.find((network) => bridge && network.Options?.[BRIDGE_NAME] === bridge);
  if (rival !== undefined) {
    throw new UserError(
      `cannot create network with bridge ${bridge}: networks have same bridge name`,
    );
  }
  const subnets = networkSubnets(others);
  if (given.some((config) => subnets.some((s) => overlap(s, parseSubnet(config.Subnet)!)))) {
    throw new UserError("Pool overlaps with other one on this address space");
  }
  const ipamOptions = Object.keys(options.ipamOptions).length > 0 ? options.ipamOptions : null;
  const network: NetworkRecord = {
    ...emptyNetwork(options.name, newId()),
    EnableIPv4: options.ipv4,
    EnableIPv6: options.ipv6 || given.some((config) => config.Subnet.includes(":")),
    Internal: options.internal,
    Attachable: options.attachable,
    Options: options.options,
    Labels: options.labels,
  };
  const enabled = { ipv4: network.EnableIPv4, ipv6: network.EnableIPv6 };
  network.IPAM = {
    Driver: "default",
    Options: ipamOptions,
    Config: completeConfigs("user", given, enabled, others),
  };
  writeNetwork(places, network);
  return network;
}

/** The default network, made at its first use; it gets IPv6 as soon as that is wanted. */
export async function defaultNetwork(
  places: NetPlaces,
  ipv6 = wantsDefaultIpv6(),
): Promise<NetworkRecord> {
  const known = readNetwork(places, "bridge");
  if (known !== undefined && (known.EnableIPv6 || !ipv6)) return known;
  return await locked(places, () => defaultLocked(places, ipv6));
}

async function defaultLocked(places: NetPlaces, ipv6: boolean): Promise<NetworkRecord> {
  const known = readNetwork(places, "bridge"); // another client may have been faster
  if (known !== undefined) {
    return known.EnableIPv6 || !ipv6 ? known : await addIpv6(places, known);
  }
  const network = unmadeDefaultNetwork(places, ipv6);
  writeNetwork(places, network);
  fitDefaultBridge(places, network);
  return network;
}

/** The default network as its first use would make it now. Nothing is made. */
export function unmadeDefaultNetwork(
  places: NetPlaces,
  ipv6 = wantsDefaultIpv6(),
): NetworkRecord {
  const others = readNetworks(places, () => {});
  const network = emptyNetwork("bridge", newId());
  network.EnableIPv6 = ipv6;
  network.Options = {
    [BRIDGE_DEFAULT]: "true",
    [BRIDGE_ICC]: "true",
    [BRIDGE_MASQUERADE]: "true",
    [BRIDGE_HOST_BINDING]: ANY_ADDRESS,
    [BRIDGE_NAME]: defaultBridgeName(places),
    [DRIVER_MTU]: "1500",
  };
  const enabled = { ipv4: true, ipv6 };
  network.IPAM.Config = completeConfigs("default", [], enabled, others);
  return network;
}

/** Gives the default network an IPv6 subnet: for the containers that start from now on. */
async function addIpv6(places: NetPlaces, network: NetworkRecord): Promise<NetworkRecord> {
  const given = network.IPAM.Config ?? [];
  const [fresh] = completeConfigs("default", given, { ipv4: true, ipv6: true }, []);
  const Config = [...given, fresh];
  const next = { ...network, EnableIPv6: true, IPAM: { ...network.IPAM, Config } };
  writeNetwork(places, next);
  fitDefaultBridge(places, next);
  await refreshRules(places, "all");
  return next;
}

/**
 * Gives the default bridge the network's addresses if it is there already: the network got another
 * family, or it is made again because its record was lost.
 */
function fitDefaultBridge(places: NetPlaces, network: NetworkRecord): void {
  using netlink = Netlink.open();
  const link = netlink.link(defaultBridgeName(places));
  if (link?.up) completeBridge(netlink, network, places, link.index);
}
