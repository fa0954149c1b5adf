/**
 * What the firewall has to do for containers, as data: which packets of which bridges are let
 * through, translated, or dropped. `iptables.ts` and `nft.ts` put it into words. Pure.
 */
import { family, isUnspecified, parseIp } from "./address.ts";

/** A network as the rules see it. */
export interface RuleNetwork {
  readonly bridge: string;
  /** "10.1.0.0/16"; absent: the network has none of this family. */
  readonly subnet4?: string;
  readonly subnet6?: string;
  readonly internal: boolean;
  readonly masquerade: boolean;
}

/** A published port as the rules see it. */
export interface RulePort {
  readonly protocol: string;
  /** "0.0.0.0" and "::" mean every address of the host. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerIp: string;
  readonly containerPort: number;
  readonly bridge: string;
}

/** All there is to say. */
export interface RuleSet {
  readonly networks: readonly RuleNetwork[];
  readonly ports: readonly RulePort[];
}

/** What a packet has to be like. */
export interface Match {
  readonly in?: string;
  readonly notIn?: string;
  readonly out?: string;
  readonly notOut?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly protocol?: string;
  readonly port?: number;
  /** It belongs to a known connection (or one that is related to a known one). */
  readonly established?: boolean;
  /** Its destination was translated. */
  readonly translated?: boolean;
}

export type Verdict = "accept" | "drop" | "masquerade" | { readonly dnat: string };

/** One rule. */
export interface Rule {
  readonly match: Match;
  readonly verdict: Verdict;
}

/** The chains of one family, in the order the kernel comes by. */
export interface Chains {
  /** Before everything else: what must not reach the host's own loopback addresses. */
  readonly guard: readonly Rule[];
  /** Packets to one of the host's addresses, from outside and from the host itself. */
  readonly ports: readonly Rule[];
  readonly forward: readonly Rule[];
  readonly postrouting: readonly Rule[];
}

/** The chains of one family. The order inside `forward` is the isolation argument. */
export function chainsOf(version: 4 | 6, set: RuleSet): Chains {
  const subnetOf = (network: RuleNetwork) => version === 4 ? network.subnet4 : network.subnet6;
  const networks = set.networks.filter((network) => subnetOf(network) !== undefined);
  // From one family to the other the kernel does not translate: that is the proxy's work.
  const ports = set.ports.filter((port) =>
    family(parseIp(port.containerIp)!) === version && family(parseIp(port.hostIp)!) === version
  );
  return {
    guard: version === 4 ? networks.filter((network) => !network.internal).map(guardRule) : [],
    ports: ports.map(portRule),
    forward: forwardRules(networks),
    postrouting: networks.flatMap((network) =>
      postroutingRules(version, network, subnetOf(network)!, ports)
    ),
  };
}

/**
 * Published ports of 127.0.0.1 need route_localnet on the bridge, with which the kernel would
 * take packets to 127.0.0.0/8 from containers: nobody but the host may send those.
 */
function guardRule(network: RuleNetwork): Rule {
  return { match: { in: network.bridge, destination: "127.0.0.0/8" }, verdict: "drop" };
}

function portRule(port: RulePort): Rule {
  const ip = parseIp(port.hostIp)!;
  const target = port.containerIp.includes(":") ? `[${port.containerIp}]` : port.containerIp;
  return {
    match: {
      protocol: port.protocol,
      port: port.hostPort,
      ...(isUnspecified(ip) ? {} : { destination: port.hostIp }),
    },
    verdict: { dnat: `${target}:${port.containerPort}` },
  };
}

function forwardRules(networks: readonly RuleNetwork[]): Rule[] {
  const internal = networks.filter((network) => network.internal);
  const open = networks.filter((network) => !network.internal);
  const among = (network: RuleNetwork): Rule => ({
    match: { in: network.bridge, out: network.bridge },
    verdict: "accept",
  });
  return [
    // Internal networks talk to nobody, not even by a published port of another network.
    ...internal.flatMap((network): Rule[] => [
      { match: { in: network.bridge, notOut: network.bridge }, verdict: "drop" },
      { match: { notIn: network.bridge, out: network.bridge }, verdict: "drop" },
    ]),
    ...open.flatMap((network): Rule[] => [
      { match: { out: network.bridge, established: true }, verdict: "accept" },
      { match: { out: network.bridge, translated: true }, verdict: "accept" },
    ]),
    ...networks.map(among),
    // From here on nothing enters a network from outside: not other networks, not other hosts.
    ...open.map((network): Rule => ({ match: { out: network.bridge }, verdict: "drop" })),
    ...open.map((network): Rule => ({ match: { in: network.bridge }, verdict: "accept" })),
  ];
}

function postroutingRules(
  version: 4 | 6,
  network: RuleNetwork,
  subnet: string,
  ports: readonly RulePort[],
): Rule[] {
  const { bridge } = network;
  const rules: Rule[] = [];
  if (network.masquerade && !network.internal) {
    rules.push({ match: { source: subnet, notOut: bridge }, verdict: "masquerade" });
  }
  if (ports.some((port) => port.bridge === bridge)) {
    // A neighbour that comes by the host's address would get its answer from an address it did
    // not ask; from 127.0.0.1 no answer could come back at all.
    const sources = version === 4 ? [subnet, "127.0.0.0/8"] : [subnet];
    for (const source of sources) {
      rules.push({ match: { source, out: bridge, translated: true }, verdict: "masquerade" });
    }
  }
  return rules;
}
