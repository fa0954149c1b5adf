/** A container's /etc/resolv.conf, made from the host's. Text only, but for reading the host's. */
import { type Ip, isLoopback, parseIp } from "./address.ts";
import type { NetPlaces } from "./places.ts";

/** Where containers on networks of the user's own ask; docker's address. */
export const DNS_SERVER = "127.0.0.11";

const HOST_FILE = "/etc/resolv.conf";
/** Where systemd-resolved, which listens on 127.0.0.53 only, tells its upstream servers. */
const UPSTREAM_FILE = "/run/systemd/resolve/resolv.conf";
/** What docker falls back on where the host names no server a container could reach. */
const PUBLIC_SERVERS = ["8.8.8.8", "8.8.4.4"];
const PUBLIC_SERVERS_IPV6 = ["2001:4860:4860::8888", "2001:4860:4860::8844"];

/** What a resolv.conf says. */
export interface Resolver {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Reads a resolv.conf; the last `search` (or `domain`) line wins, as in the C library. */
export function parseResolvConf(text: string): Resolver {
  const nameservers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line.replace(/[#;].*$/, "").trim().split(/\s+/);
    if (keyword === "nameserver" && values.length > 0) nameservers.push(values[0]);
    else if (keyword === "search" || keyword === "domain") search = values;
    else if (keyword === "options") options.push(...values);
  }
  return { nameservers, search, options };
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // no file: no servers, as for the C library
  }
}

/** The host's file, or systemd-resolved's upstream file if that is what the host's points to. */
export function hostResolvConf(read = readText): string {
  const text = read(HOST_FILE) ?? "";
  const { nameservers } = parseResolvConf(text);
  const stub = nameservers.length === 1 && nameservers[0] === "127.0.0.53";
  return (stub ? read(UPSTREAM_FILE) : undefined) ?? text;
}

/** A copy of the host's file as containers were last told of it. */
export const toldPath = (places: NetPlaces) => `${places.run}/resolv.conf`;

/** Has the host's file changed since then? */
export function hostResolversChanged(places: NetPlaces): boolean {
  return readText(toldPath(places)) !== hostResolvConf();
}

/** The addresses of the host's resolvers. */
export function hostNameservers(): Ip[] {
  return parseResolvConf(hostResolvConf()).nameservers.flatMap((text) => parseIp(text) ?? []);
}

/** What the user asked for with --dns, --dns-search and --dns-option; empty: the host's. */
export interface DnsOptions {
  readonly dns: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Without the servers that mean the host itself, or IPv6 ones where there is no IPv6. */
function reachable(nameservers: readonly string[], ipv6: boolean): string[] {
  return nameservers.filter((text) => {
    const ip = parseIp(text.replace(/%.*$/, ""));
    return ip !== undefined && !isLoopback(ip) && (ipv6 || ip.length === 4);
  });
}

/** What a container's file depends on besides the host's. */
export interface ResolverNetwork {
  /** Asked only where it matters: where a server has an IPv6 address, or none is left. */
  ipv6(): boolean;
  /** It has the host's network and so reaches what the host does. */
  readonly shared?: boolean;
}

function usableServers(host: Resolver, network: ResolverNetwork): string[] {
  if (network.shared) return [...host.nameservers];
  const ipv6 = host.nameservers.some((text) => text.includes(":")) && network.ipv6();
  const found = reachable(host.nameservers, ipv6);
  if (found.length > 0) return found;
  return [...PUBLIC_SERVERS, ...(network.ipv6() ? PUBLIC_SERVERS_IPV6 : [])];
}

/** The servers a container has, and the rest of its file. */
function resolverOf(hostText: string, asked: DnsOptions, network: ResolverNetwork): Resolver {
  const host = parseResolvConf(hostText);
  return {
    nameservers: asked.dns.length > 0 ? asked.dns : usableServers(host, network),
    search: asked.search.length > 0 ? asked.search : host.search,
    options: asked.options.length > 0 ? asked.options : host.options,
  };
}

function resolvConf({ nameservers, search, options }: Resolver, notes: readonly string[]): string {
  const lines = nameservers.map((server) => `nameserver ${server}`);
  // A single "." asks for no search domains at all.
  if (search.length > 0 && !(search.length === 1 && search[0] === ".")) {
    lines.push(`search ${search.join(" ")}`);
  }
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return [
    "# Made by diplodock from the host's file and --dns, --dns-search, --dns-option.",
    "# It may be edited; it is not changed any more once it was.",
    ...lines,
    ...notes,
    "",
  ].join("\n");
}

/** The container's file. */
export function containerResolvConf(
  hostText: string,
  asked: DnsOptions,
  network: ResolverNetwork,
): string {
  return resolvConf(resolverOf(hostText, asked, network), []);
}

/** A container's file with docker's server in it, and what that server has to know. */
export interface ServedResolver {
  readonly text: string;
  /** Who is asked about what it does not know; IPv4 only. */
  readonly servers: readonly Ip[];
  /** The user said "ndots": names without a dot are not for other servers. */
  readonly keepsBareNames: boolean;
}

/** The same for a container whose questions are answered in its own network namespace. */
export function servedResolvConf(
  hostText: string,
  asked: DnsOptions,
  network: ResolverNetwork,
): ServedResolver {
  const { nameservers, search, options } = resolverOf(hostText, asked, network);
  const dots = options.findLast((option) => option.startsWith("ndots:"));
  const own = {
    nameservers: [DNS_SERVER],
    search,
    options: dots === undefined ? [...options, "ndots:0"] : options,
  };
  // docker's words: tools read them.
  const text = resolvConf(own, ["", `# ExtServers: [${nameservers.join(" ")}]`]);
  const servers = nameservers.flatMap((server) => parseIp(server) ?? [])
    .filter((ip) => ip.length === 4);
  return { text, servers, keepsBareNames: Number(dots?.slice("ndots:".length) ?? 0) > 0 };
}
