/** A container's networks: links, addresses and rules as they are, or as far as they are known. */
import { showIp } from "../net/address.ts";
import { bridgeOf, findNetwork, type NetworkRecord } from "../net/networks.ts";
import { gatewayText, plansOf } from "../net/bridge.ts";
import { candidates, listLeases } from "../net/leases.ts";
import { hostLinkName, type NetPlaces } from "../net/places.ts";
import { ruleSetOf } from "../net/rule_set.ts";
import { chainsOf, type Rule } from "../net/rules.ts";
import { type NetworkState, readState } from "../net/state.ts";
import { UserError } from "../base/errors.ts";
import { places, planNetwork } from "./network.ts";
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
  /** "tcp 0.0.0.0:8080 -> 10.1.0.2:80"; before the start without the address. */
  readonly ports: readonly string[];
  /** What the firewall is told of the networks and the ports. */
  readonly rules: readonly string[];
}

/** The networks of a container: those it has if it runs, else those it would get. */
export async function explainNetwork(record: ContainerRecord): Promise<ExplainedNetwork> {
  const plan = planNetwork(record);
  const nothing = { links: [], ports: [], rules: [] };
  if (plan.kind === "join") return { mode: `container ${plan.container}`, ...nothing };
  if (plan.kind !== "networks") return { mode: plan.kind, ...nothing };
  const at = places();
  const state = readState(at, record.Id);
  if (state !== undefined) return { mode: "networks", ...await fromState(at, state) };
  const links = plan.requests.flatMap(({ network, ipv4, mac }, i): ExplainedLink[] => {
    const found = networkOf(at, network);
    if (found === undefined) return [unknownLink(network, record.Id, i)];
    return [{ ...plannedLink(at, found, record.Id, i, ipv4), ...(mac && { mac }) }];
  });
  const ports = Object.entries(record.HostConfig.PortBindings).flatMap(([port, bindings]) =>
    (bindings ?? []).map(({ HostIp, HostPort }) =>
      `${port.split("/")[1]} ${HostIp || "*"}:${HostPort || "any"} -> ${port.split("/")[0]}`
    )
  );
  return { mode: "networks", links, ports, rules: [] };
}

function networkOf(at: NetPlaces, name: string): NetworkRecord | undefined {
  try {
    return findNetwork(at, name);
  } catch (error) {
    if (error instanceof UserError && name === "bridge") return undefined; // made at its first use
    throw error;
  }
}

function unknownLink(network: string, id: string, index: number): ExplainedLink {
  const link = { hostLink: hostLinkName(id, index), name: `eth${index}` };
  return { network, bridge: "", ...link, addresses: [], gateways: [] };
}

function plannedLink(
  at: NetPlaces,
  network: NetworkRecord,
  id: string,
  index: number,
  wish: string | undefined,
): ExplainedLink {
  const plans = Object.values(plansOf(network));
  const short = network.Id.slice(0, 12);
  const taken = new Set(
    listLeases(at).filter((lease) => lease.networkId === short).map(({ address }) => address),
  );
  const addresses = plans.flatMap((plan) => {
    const isWished = wish !== undefined && plan.gateway.length === 4;
    const free = isWished ? wish : firstFree(candidates(plan), taken);
    return free === undefined ? [] : [`${free}/${plan.subnet.prefix}`];
  });
  return {
    network: network.Name,
    bridge: bridgeOf(network, at),
    hostLink: hostLinkName(id, index),
    name: `eth${index}`,
    addresses,
    gateways: plans.map((plan) => gatewayText(network, plan)).filter((text) => text !== ""),
  };
}

function firstFree(all: Iterable<Uint8Array>, taken: ReadonlySet<string>): string | undefined {
  for (const ip of all) if (!taken.has(showIp(ip))) return showIp(ip);
  return undefined;
}

async function fromState(
  at: NetPlaces,
  state: NetworkState,
): Promise<Omit<ExplainedNetwork, "mode">> {
  const { readNetworks } = await import("../net/networks.ts");
  const ids = state.endpoints.map(({ networkId }) => networkId);
  const networks = readNetworks(at).filter(({ Id }) => ids.includes(Id));
  const set = ruleSetOf(networks, [state], at);
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
    links: state.endpoints.map((endpoint): ExplainedLink => {
      const both = [endpoint.ipv4, endpoint.ipv6].filter((address) => address !== undefined);
      return {
        network: endpoint.network,
        bridge: endpoint.bridge,
        hostLink: endpoint.hostLink,
        name: endpoint.ifname,
        addresses: both.map(({ ip, prefix }) => `${ip}/${prefix}`),
        gateways: both.map(({ gateway }) => gateway).filter((text) => text !== ""),
        mac: endpoint.mac,
      };
    }),
    ports: state.ports.map(({ protocol, hostIp, hostPort, containerIp, containerPort }) => {
      const by = state.proxied ? " by a proxy" : "";
      return `${protocol} ${hostIp}:${hostPort} -> ${containerIp}:${containerPort}${by}`;
    }),
    rules,
  };
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
