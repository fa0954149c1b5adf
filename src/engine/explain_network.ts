/** A container's networks: links, addresses and rules as they are, or as far as they are known. */
import { macOf, parseIp, showIp, showMac } from "../net/address.ts";
import { reachOf, targetFor } from "../net/attach.ts";
import { readDnsError, servedResolver } from "../net/dns.ts";
import { gatewayText, plansOf } from "../net/bridge.ts";
import { type EndpointRequest, waysOut } from "../net/endpoint.ts";
import { candidates, listLeases } from "../net/leases.ts";
import { bridgeOf, findNetwork, type NetworkRecord, readNetworks } from "../net/networks.ts";
import { ownedBy } from "../net/owner.ts";
import { hostLinkName, type NetPlaces } from "../net/places.ts";
import { type PublishedPort, wishesOf } from "../net/ports.ts";
import { needsProxy } from "../net/proxy.ts";
import { DNS_SERVER } from "../net/resolv_conf.ts";
import { ruleNetwork, ruleSetOf } from "../net/rule_set.ts";
import { chainsOf, type Rule } from "../net/rules.ts";
import type { Shaping } from "../net/shaping.ts";
import {
  type EndpointAddress,
  type EndpointState,
  type NetworkState,
  readState,
} from "../net/state.ts";
import type { AddressPlan } from "../net/subnets.ts";
import { places, planNetwork, shapingOf } from "./network.ts";
import { joinHostPort } from "./ports.ts";
import type { ContainerRecord } from "./types.ts";

/** One interface. */
export interface ExplainedLink {
  readonly network: string;
  readonly bridge: string;
  /** The host's end of the veth pair and the container's. */
  readonly hostLink: string;
  readonly name: string;
  /** "10.1.0.2/16"; before the start the one that would be leased now. */
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
  readonly mac?: string;
}

/** All of it. `mode`: "host", "none", "container X", or "networks". */
export interface ExplainedNetwork {
  readonly mode: string;
  readonly links: readonly ExplainedLink[];
  /** "tcp 0.0.0.0:8080 -> 10.1.0.2:80"; without the address where it is not known yet. */
  readonly ports: readonly string[];
  /** What the firewall is told of the networks and the ports. */
  readonly rules: readonly string[];
  /** Who answers its questions for names; absent: the servers of its resolv.conf. */
  readonly dns?: string;
  /** What becomes of the packets it sends; absent: nothing. */
  readonly shaping?: string;
}

/** The networks of a container: those it has if it runs, else those it would get. */
export async function explainNetwork(record: ContainerRecord): Promise<ExplainedNetwork> {
  const plan = planNetwork(record);
  const nothing = { links: [], ports: [], rules: [] };
  if (plan.kind === "join") return { mode: `container ${plan.container}`, ...nothing };
  if (plan.kind !== "networks") return { mode: plan.kind, ...nothing };
  const at = places();
  const networks = await knownNetworks(at);
  const state = readState(at, record.Id);
  if (state !== undefined) return explained(at, networks, state);
  const find = (name: string) =>
    networks.find(({ Name }) => Name === name) ?? findNetwork(at, name);
  const endpoints = plan.requests.map((request, i) =>
    plannedEndpoint(at, find(request.network), record.Id, i, request)
  );
  const { ports, open } = plannedPorts(record, endpoints, networks);
  const planned = explained(at, networks, {
    owner: ownedBy(record.Id),
    name: record.Name.slice(1),
    hostname: record.Config.Hostname,
    endpoints,
    exposed: [],
    ports,
    proxied: record.HostConfig.Diplodock?.UserlandProxy === true,
    proxies: [],
    shaping: shapingOf(record.HostConfig),
  });
  return { ...planned, ports: [...planned.ports, ...open] };
}

/** All networks; among them the default one, which is made at its first use. */
async function knownNetworks(at: NetPlaces): Promise<NetworkRecord[]> {
  const made = readNetworks(at, () => {});
  if (made.some(({ Name }) => Name === "bridge")) return made;
  const { unmadeDefaultNetwork } = await import("../net/create_network.ts");
  return [...made, unmadeDefaultNetwork(at)];
}

/** The endpoint with the addresses that would be leased now. */
function plannedEndpoint(
  at: NetPlaces,
  network: NetworkRecord,
  id: string,
  index: number,
  request: EndpointRequest,
): EndpointState {
  const short = network.Id.slice(0, 12);
  const taken = new Set(
    listLeases(at).filter((lease) => lease.networkId === short).map(({ address }) => address),
  );
  const plans = plansOf(network);
  const address = (plan: AddressPlan | undefined, wish?: string): EndpointAddress | undefined => {
    const ip = plan && (wish ?? firstFree(candidates(plan), taken));
    if (plan === undefined || ip === undefined) return undefined;
    return { ip, prefix: plan.subnet.prefix, gateway: gatewayText(network, plan) };
  };
  const ipv4 = address(plans[4], request.ipv4);
  const ipv6 = address(plans[6], request.ipv6);
  const main = parseIp((ipv4 ?? ipv6)?.ip ?? "");
  return {
    network: network.Name,
    networkId: network.Id,
    endpointId: "",
    bridge: bridgeOf(network, at),
    internal: network.Internal,
    hostLink: hostLinkName(id, index),
    ifname: `eth${index}`,
    mac: request.mac ?? (main === undefined ? "" : showMac(macOf(main))),
    ipv4,
    ipv6,
    gwPriority: request.gwPriority ?? 0,
    aliases: [],
    links: [],
    dnsNames: [],
  };
}

function firstFree(all: Iterable<Uint8Array>, taken: ReadonlySet<string>): string | undefined {
  for (const ip of all) if (!taken.has(showIp(ip))) return showIp(ip);
  return undefined;
}

/** The ports whose numbers are known before the start, and `open`, the others, as text. */
function plannedPorts(
  { Config, HostConfig }: ContainerRecord,
  endpoints: readonly EndpointState[],
  networks: readonly NetworkRecord[],
): { ports: PublishedPort[]; open: string[] } {
  const exposed = Object.keys(Config.ExposedPorts ?? {});
  const reach = endpoints.length > 0
    ? reachOf(endpoints, networks)
    : { ipv4: true, ipv6: false, ipv6ByProxy: () => false };
  const wishes = wishesOf(HostConfig.PortBindings, exposed, HostConfig.PublishAllPorts, reach);
  const ports: PublishedPort[] = [];
  const open: string[] = [];
  for (const { protocol, containerPort, hostIps, first, last } of wishes) {
    for (const hostIp of hostIps) {
      const containerIp = targetFor(endpoints, hostIp);
      if (first !== 0 && first === last && containerIp !== "") {
        ports.push({ protocol, hostIp, hostPort: first, containerIp, containerPort });
      } else {
        const number = first === 0 ? "any" : first === last ? first : `${first}-${last}`;
        open.push(`${protocol} ${joinHostPort(hostIp, number)} -> ${containerPort}`);
      }
    }
  }
  return { ports, open };
}

function explained(
  at: NetPlaces,
  networks: readonly NetworkRecord[],
  state: NetworkState,
): ExplainedNetwork {
  const ids = state.endpoints.map(({ networkId }) => networkId);
  const known = networks.filter(({ Id }) => ids.includes(Id));
  const set = ruleSetOf(known.map((network) => ruleNetwork(network, at)), [state]);
  const rules = ([4, 6] as const).flatMap((version) => {
    const { guard, ports, forward, postrouting } = chainsOf(version, set);
    const show = (chain: string, list: readonly Rule[]) =>
      list.map((rule) => `IPv${version} ${chain}: ${ruleText(rule)}`);
    return [
      ...show("guard", guard),
      ...show("ports", ports),
      ...show("forward", forward),
      ...show("postrouting", postrouting),
    ];
  });
  return {
    mode: "networks",
    links: state.endpoints.map((endpoint) => linkOf(endpoint, state)),
    ports: state.ports.map((port) => {
      const { protocol, hostIp, hostPort, containerIp, containerPort } = port;
      const target = joinHostPort(containerIp, containerPort);
      const rulesToo = !state.proxied && hostIp.includes(":") && containerIp.includes(":");
      const by = rulesToo ? ", for clients on this host by a proxy" : " by a proxy";
      return `${protocol} ${joinHostPort(hostIp, hostPort)} -> ${target}` +
        (needsProxy(port, state.proxied) ? by : "");
    }),
    rules,
    ...dnsOf(at, state),
    ...(state.shaping && { shaping: shapingText(state.shaping) }),
  };
}

/** By whom names are known: on a network of the user's own only. */
function dnsOf(at: NetPlaces, state: NetworkState): { dns?: string } {
  const { endpoints, resolvConf, dns, hostsPath } = state;
  if (endpoints.every(({ network }) => network === "bridge")) return {};
  const program = `${DNS_SERVER}, a BPF program on lo`;
  if (hostsPath === undefined) return { dns: `${program} where the kernel takes it` };
  if (dns === undefined) {
    const reason = readDnsError(at) ?? "it was started by an older version";
    return { dns: `names in /etc/hosts only: ${reason}` };
  }
  const servers = servedResolver(resolvConf!, endpoints).servers.map(showIp);
  return { dns: `${program}; it asks ${servers.join(", ") || "nobody"} for other names` };
}

function linkOf(endpoint: EndpointState, state: NetworkState): ExplainedLink {
  const ways = waysOut(endpoint, state.endpoints);
  const gateway = { 4: endpoint.ipv4?.gateway, 6: endpoint.ipv6?.gateway };
  const both = [endpoint.ipv4, endpoint.ipv6].filter((address) => address !== undefined);
  return {
    network: endpoint.network,
    bridge: endpoint.bridge,
    hostLink: endpoint.hostLink,
    name: endpoint.ifname,
    addresses: both.map(({ ip, prefix }) => `${ip}/${prefix}`),
    gateways: ways.flatMap((version) => gateway[version] ?? []),
    mac: endpoint.mac,
  };
}

function shapingText({ rateBits, delayMicros, lossPercent }: Shaping): string {
  const words = [
    ...(rateBits ? [`at most ${rateBits} bit/s`] : []),
    ...(delayMicros ? [`${delayMicros / 1000} ms later`] : []),
    ...(lossPercent ? [`${lossPercent} % lost`] : []),
  ];
  return words.join(", ");
}

/** A rule as a sentence: what a packet is like, and what becomes of it. */
function ruleText({ match, verdict }: Rule): string {
  const words: [string, string | number | undefined][] = [
    ["in", match.in],
    ["not in", match.notIn],
    ["out", match.out],
    ["not out", match.notOut],
    ["from", match.source],
    ["to", match.destination],
    ["protocol", match.protocol],
    ["port", match.port],
  ];
  const parts = words.filter(([, value]) => value !== undefined).map((word) => word.join(" "));
  if (match.established) parts.push("of a known connection");
  if (match.translated) parts.push("translated before");
  const then = typeof verdict === "string" ? verdict : `send to ${verdict.dnat}`;
  return `${parts.join(", ") || "everything"}: ${then}`;
}
