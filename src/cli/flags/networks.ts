/** `--network` and its companions: `--ip`, `--network-alias`, `--dns`, `--add-host`, `--link` … */
import { formatIp, isMac, parseIp } from "../../base/ip.ts";
import { quoteGo } from "../../base/quote.ts";
import { emptyEndpoint } from "../../engine/host_config.ts";
import { isUserDefinedNetwork } from "../../engine/modes.ts";
import type { EndpointSettings, NetworkingConfig } from "../../engine/types.ts";
import { badFlag, cut, parseCsvRecord } from "./units.ts";

/** One `--network` as given. */
export interface NetworkFlag {
  target: string;
  aliases: string[];
  links: string[];
  linkLocalIps: string[];
  driverOpts: Record<string, string> | null;
  ipv4: string;
  ipv6: string;
  mac: string;
  gwPriority: number;
}

function emptyNetwork(target: string): NetworkFlag {
  return {
    target,
    aliases: [],
    links: [],
    linkLocalIps: [],
    driverOpts: null,
    ipv4: "",
    ipv6: "",
    mac: "",
    gwPriority: 0,
  };
}

function readDriverOpt(network: NetworkFlag, text: string): void {
  const [key, value] = cut(text, "=");
  if (value === undefined || key === "") {
    badFlag("invalid key value pair format in driver options");
  }
  (network.driverOpts ??= {})[key.trim()] = value.trim();
}

function readGwPriority(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) badFlag(`invalid gw-priority (${text}): invalid syntax`);
  if (Math.abs(Number(text)) > 2 ** 63) {
    badFlag(`invalid gw-priority (${text}): value out of range`);
  }
  return Number(text);
}

const FIELDS: Record<string, (network: NetworkFlag, value: string) => void> = {
  name: (network, value) => network.target = value,
  alias: (network, value) => network.aliases.push(value),
  ip: (network, value) => network.ipv4 = value,
  ip6: (network, value) => network.ipv6 = value,
  "mac-address": (network, value) => network.mac = value,
  "link-local-ip": (network, value) => network.linkLocalIps.push(value),
  "driver-opt": readDriverOpt,
  "gw-priority": (network, value) => network.gwPriority = readGwPriority(value),
};

/** Parses one `--network`: a mode or name, or `name=n,alias=a,ip=…`. Keys in any case. */
export function parseNetwork(text: string): NetworkFlag {
  if (!/\w+=\w+/.test(text)) return emptyNetwork(text);
  const network = emptyNetwork("");
  for (const field of parseCsvRecord(text)) {
    const [rawKey, value] = cut(field, "=");
    if (value === undefined || rawKey === "") badFlag(`invalid field ${field}`);
    const key = rawKey.trim().toLowerCase();
    if (!Object.hasOwn(FIELDS, key)) badFlag(`invalid field key ${key}`);
    FIELDS[key](network, value.trim());
  }
  if (network.target === "") badFlag("network name/id is not specified");
  return network;
}

/** The flags that mean the first network. */
export interface FirstNetworkFlags {
  aliases: string[];
  links: string[];
  linkLocalIps: string[];
  ipv4: string;
  ipv6: string;
  mac: string;
}

/** Merges the flags of the old form into the first network; both for one thing is an error. */
function mergeFirst(network: NetworkFlag, flags: FirstNetworkFlags): NetworkFlag {
  const conflict = (flag: string, own: string) =>
    badFlag(`conflicting options: cannot specify both --${flag} and per-network ${own}`);
  if (network.aliases.length > 0 && flags.aliases.length > 0) conflict("network-alias", "alias");
  if (network.ipv4 && flags.ipv4) conflict("ip", "IPv4 address");
  if (network.ipv6 && flags.ipv6) conflict("ip6", "IPv6 address");
  if (network.mac && flags.mac) conflict("mac-address", "MAC address");
  if (network.linkLocalIps.length > 0 && flags.linkLocalIps.length > 0) {
    conflict("link-local-ip", "link-local IP addresses");
  }
  return {
    ...network,
    aliases: flags.aliases.length > 0 ? flags.aliases : network.aliases,
    // On the default bridge a link is an entry of /etc/hosts, elsewhere an alias.
    links: isUserDefinedNetwork(network.target) ? flags.links : [],
    linkLocalIps: flags.linkLocalIps.length > 0 ? flags.linkLocalIps : network.linkLocalIps,
    ipv4: flags.ipv4 || network.ipv4,
    ipv6: flags.ipv6 || network.ipv6,
    mac: flags.mac || network.mac,
  };
}

const orNull = <T>(list: T[]): T[] | null => list.length > 0 ? list : null;

function toEndpoint(network: NetworkFlag): EndpointSettings {
  if (network.target.trim() === "") badFlag("no name set for network");
  if (!isUserDefinedNetwork(network.target) && network.aliases.length > 0) {
    badFlag("network-scoped aliases are only supported for user-defined networks");
  }
  if (network.mac !== "" && !isMac(network.mac.trim())) {
    badFlag(`${network.mac} is not a valid mac address`);
  }
  const { ipv4, ipv6, linkLocalIps } = network;
  const asked = ipv4 !== "" || ipv6 !== "" || linkLocalIps.length > 0;
  return {
    ...emptyEndpoint(),
    IPAMConfig: asked
      ? {
        ...(ipv4 && { IPv4Address: ipv4 }),
        ...(ipv6 && { IPv6Address: ipv6 }),
        ...(linkLocalIps.length > 0 && { LinkLocalIPs: linkLocalIps }),
      }
      : null,
    Links: orNull(network.links),
    Aliases: orNull(network.aliases),
    MacAddress: network.mac,
    DriverOpts: network.driverOpts,
    GwPriority: network.gwPriority,
  };
}

/** All `--network` with the flags that belong to the first: the endpoints, by name as typed. */
export function buildNetworking(
  networks: readonly NetworkFlag[],
  flags: FirstNetworkFlags,
): NetworkingConfig {
  const all = networks.length > 0 ? networks : [emptyNetwork("default")];
  const endpoints: Record<string, EndpointSettings> = {};
  for (const [index, given] of all.entries()) {
    const endpoint = toEndpoint(index === 0 ? mergeFirst(given, flags) : given);
    if (Object.hasOwn(endpoints, given.target)) {
      badFlag(`network ${quoteGo(given.target)} is specified multiple times`);
    }
    endpoints[given.target] = endpoint;
  }
  const own = all.filter((network) => isUserDefinedNetwork(network.target)).length;
  if (own > 0 && own < all.length) {
    badFlag(
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    );
  }
  return { EndpointsConfig: endpoints };
}

/** Checks `--dns`; the canonical form of the address. */
export function parseDns(text: string): string {
  const address = parseIp(text.trim());
  if (address === undefined) badFlag(`IP address is not correctly formatted: ${text}`);
  return formatIp(address);
}

/** Checks `--dns-search`: a domain, or "." for none. */
export function parseDnsSearch(text: string): string {
  const domain = text.replace(/^ +| +$/g, "");
  if (domain === ".") return domain;
  const label = "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?";
  const match = new RegExp(`^(${label}(\\.${label})*)\\.?\\s*$`).exec(domain);
  if (!/[a-zA-Z]/.test(domain) || match === null || match[1].length >= 255) {
    badFlag(`${domain} is not a valid domain`);
  }
  return match[1];
}

/** Checks `--add-host`: "host:ip" or "host=ip"; the result always has a colon. */
export function parseAddHost(text: string): string {
  const [host, value] = cut(text, text.includes("=") ? "=" : ":");
  if (value === undefined || host === "" || host.includes(":")) {
    badFlag(`bad format for add-host: ${quoteGo(text)}`);
  }
  if (value === "host-gateway") return `${host}:${value}`;
  const address = /^\[.+\]$/.test(value) ? value.slice(1, -1) : value;
  if (parseIp(address.trim()) === undefined) {
    badFlag(`invalid IP address in add-host: ${quoteGo(address)}`);
  }
  return `${host}:${address}`;
}

/** Checks `--link`: "container[:alias]". */
export function parseLink(text: string): string {
  if (text === "") badFlag("empty string specified for links");
  if (text.split(":").length > 2) badFlag(`bad format for links: ${text}`);
  return text;
}

/** Checks the old `--mac-address`. */
export function checkMac(text: string): void {
  if (text !== "" && !isMac(text.trim())) badFlag(`${text} is not a valid mac address`);
}
