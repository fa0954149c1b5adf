/** What a container has of one network: its leases, its names, its way out. */
import { UserError } from "../base/errors.ts";
import { macOf, parseIp, parseMac, showIp, showMac } from "./address.ts";
import { gatewayText, plansOf } from "./bridge.ts";
import { leaseAny, leaseExact, release } from "./leases.ts";
import { bridgeOf, INTERFACE_PREFIX, type NetworkRecord, newId } from "./networks.ts";
import type { Owner } from "./owner.ts";
import { hostLinkName, type NetPlaces } from "./places.ts";
import type { EndpointAddress, EndpointState } from "./state.ts";
import type { AddressPlan } from "./subnets.ts";

/** What a user asks of one network. */
export interface EndpointRequest {
  /** Name, id or beginning of an id; "default" and "" are the default network. */
  readonly network: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac?: string;
  readonly aliases?: readonly string[];
  /** "container" or "container:alias": names that this container alone has for another. */
  readonly links?: readonly string[];
  readonly linkLocalIps?: readonly string[];
  readonly gwPriority?: number;
}

/** A container as neighbours may call it. */
export interface Named {
  readonly id: string;
  readonly name: string;
  readonly hostname: string;
}

/** Names on a network of the user's own, without doubles. docker's order. */
export function dnsNamesOf(
  network: NetworkRecord,
  container: Named,
  aliases: readonly string[],
): string[] {
  if (network.Name === "bridge") return [];
  const short = container.id.slice(0, 12);
  const all = [container.name, ...aliases, short, container.hostname];
  return [...new Set(all.filter((name) => name !== ""))];
}

/** Leases an address of one family as asked; undefined where the network has none of it. */
function leaseOne(
  places: NetPlaces,
  network: NetworkRecord,
  plan: AddressPlan | undefined,
  wish: string | undefined,
  owner: Owner,
): EndpointAddress | undefined {
  const ip = wish ? parseIp(wish) : undefined;
  if (wish && (ip === undefined || network.Name === "bridge")) {
    throw new UserError(
      ip === undefined
        ? `invalid IP address: ${wish}`
        : "user specified IP address is supported on user defined networks only",
      125,
    );
  }
  if (plan === undefined) {
    if (ip === undefined) return undefined;
    throw new UserError(
      "invalid endpoint settings:\nno configured subnet or ip-range contain the IP address " +
        wish,
      125,
    );
  }
  const leased = ip === undefined
    ? leaseAny(places, network, plan, owner)
    : leaseExact(places, network, plan, ip, owner);
  return {
    ip: showIp(leased),
    prefix: plan.subnet.prefix,
    gateway: gatewayText(network, plan),
  };
}

/** Gives the addresses of an endpoint of container `id` back. */
export function releaseEndpoint(places: NetPlaces, endpoint: EndpointState, id: string): void {
  for (const address of [endpoint.ipv4, endpoint.ipv6]) {
    if (address !== undefined) release(places, endpoint.networkId, address.ip, id);
  }
}

/** Leases what an endpoint needs; nothing of it is in the kernel yet. */
export function leaseEndpoint(
  places: NetPlaces,
  network: NetworkRecord,
  request: EndpointRequest,
  container: Named,
  owner: Owner,
  number: number,
): EndpointState {
  const plans = plansOf(network);
  const ipv4 = leaseOne(places, network, plans[4], request.ipv4, owner);
  let ipv6: EndpointAddress | undefined;
  try {
    ipv6 = leaseOne(places, network, plans[6], request.ipv6, owner);
  } catch (error) {
    if (ipv4 !== undefined) release(places, network.Id, ipv4.ip, owner.id);
    throw error;
  }
  const main = parseIp((ipv4 ?? ipv6)!.ip)!;
  const aliases = request.aliases ?? [];
  return {
    network: network.Name,
    networkId: network.Id,
    endpointId: newId(),
    bridge: bridgeOf(network, places),
    internal: network.Internal,
    hostLink: hostLinkName(container.id, number),
    ifname: `${network.Options?.[INTERFACE_PREFIX] || "eth"}${number}`,
    mac: showMac(request.mac ? parseMac(request.mac)! : macOf(main)),
    ipv4,
    ipv6,
    gwPriority: request.gwPriority ?? 0,
    aliases,
    links: request.links ?? [],
    dnsNames: dnsNamesOf(network, container, aliases),
  };
}

/** The endpoint's address of a family. */
export function addressOf(
  endpoint: EndpointState,
  version: 4 | 6,
): EndpointAddress | undefined {
  return version === 4 ? endpoint.ipv4 : endpoint.ipv6;
}

/** The endpoint that has the way out of a family: the highest priority, then the first. */
export function gatewayEndpoint(
  endpoints: readonly EndpointState[],
  version: 4 | 6,
): EndpointState | undefined {
  return endpoints.filter((endpoint) => addressOf(endpoint, version)?.gateway)
    .reduce<EndpointState | undefined>(
      (best, e) => best === undefined || e.gwPriority > best.gwPriority ? e : best,
      undefined,
    );
}

/** The families whose way out `endpoint` has among `endpoints`. */
export function waysOut(
  endpoint: EndpointState,
  endpoints: readonly EndpointState[],
): readonly (4 | 6)[] {
  return ([4, 6] as const).filter((version) => gatewayEndpoint(endpoints, version) === endpoint);
}
