/** One interface of a container: its addresses, the veth pair, the routes. */
import { EBUSY, EEXIST } from "../../ffi/errno.ts";
import type { Netlink } from "../../ffi/netlink.ts";
import { AF_NETLINK, NETLINK_ROUTE, SOCK_RAW_CLOEXEC } from "../../ffi/netlink.ts";
import { encodeBatch, type Message } from "../../ffi/netlink_message.ts";
import { CLONE_NEWNET } from "../../ffi/constants.ts";
import { addressIn, block, slot, type Step } from "../../ffi/program.ts";
import { type Aside, spawnAside } from "../../ffi/spawn.ts";
import {
  addAddress,
  addVeth,
  defaultRoute,
  deleteLink,
  getLink,
  type LinkFields,
  linkUp,
  portOptions,
  withoutLinkLocal,
} from "../../ffi/rtnetlink.ts";
import { UserError } from "../base/errors.ts";
import { linkLocalOf, macOf, parseIp, parseMac, showIp, showMac } from "./address.ts";
import { gatewayText, mtuOf, plansOf } from "./bridge.ts";
import { leaseAny, leaseExact, release } from "./leases.ts";
import {
  BRIDGE_ICC,
  bridgeOf,
  INTERFACE_PREFIX,
  type NetworkRecord,
  newId,
  optionOn,
} from "./networks.ts";
import type { Owner } from "./owner.ts";
import { hostLinkName, type NetPlaces } from "./places.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Shaping } from "./shaping.ts";
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

const addressOf = (endpoint: EndpointState, version: 4 | 6) =>
  version === 4 ? endpoint.ipv4 : endpoint.ipv6;

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

/** Routes out by an endpoint, of these families. */
export function gatewayRoutes(
  endpoint: EndpointState,
  versions: readonly (4 | 6)[],
  index: number,
): Message[] {
  return versions.map((version) =>
    defaultRoute(index, parseIp(addressOf(endpoint, version)!.gateway)!)
  );
}

/** The pair itself; the number of the container's end, which the kernel chooses. */
function makePair(
  host: Netlink,
  sandbox: Sandbox,
  ends: { host: LinkFields & { name: string }; peer: LinkFields & { name: string } },
  hostSteps: readonly Message[],
): number {
  const steps = [addVeth({ ...ends, peerNamespace: sandbox.netns.raw }), ...hostSteps];
  const refused = host.tryBatch(steps);
  if (refused !== undefined) {
    if (![EEXIST, EBUSY].includes(refused.errno)) throw refused;
    // A pair of a dead namesake has not gone yet.
    host.batch([deleteLink(ends.host.name)]);
    host.batch(steps);
  }
  return sandbox.netlink.link(ends.peer.name)!.index;
}

/** What else an endpoint can be told. */
export interface WireOptions {
  readonly network: NetworkRecord;
  readonly bridgeIndex: number;
  /** Published ports may lead from the container back into itself. */
  readonly hairpin: boolean;
  readonly linkLocalIps?: readonly string[];
  /** The families whose way out this endpoint has. */
  readonly waysOut: readonly (4 | 6)[];
  readonly shaping?: Shaping;
}

/** The links of an endpoint that was made. */
export interface WiredLink {
  /** The number of the container's end, there. */
  readonly index: number;
  readonly hostLink: string;
  readonly bridgeIndex: number;
}

/** Makes the endpoint's interface in the kernel: up, with addresses and routes. */
export async function wireEndpoint(
  host: Netlink,
  sandbox: Sandbox,
  endpoint: EndpointState,
  options: WireOptions,
): Promise<WiredLink> {
  const { hostLink, ifname } = endpoint;
  const mtu = mtuOf(options.network);
  const isolated = !optionOn(options.network, BRIDGE_ICC, true);
  const port: Message[] = options.hairpin || isolated
    ? [portOptions(hostLink, { hairpin: options.hairpin, isolated })]
    : [];
  const index = makePair(
    host,
    sandbox,
    {
      host: { name: hostLink, mtu, alias: `diplodock ${endpoint.endpointId}` },
      peer: { name: ifname, mtu, mac: parseMac(endpoint.mac) },
    },
    [withoutLinkLocal(hostLink), linkUp(hostLink, options.bridgeIndex), ...port],
  );
  const messages: Message[] = [withoutLinkLocal(index)];
  if (endpoint.ipv6 !== undefined) {
    messages.push(addAddress(index, linkLocalOf(parseMac(endpoint.mac)!), 64));
  }
  for (const address of [endpoint.ipv4, endpoint.ipv6]) {
    if (address !== undefined) {
      messages.push(addAddress(index, parseIp(address.ip)!, address.prefix));
    }
  }
  for (const text of options.linkLocalIps ?? []) {
    const ip = parseIp(text);
    if (ip === undefined) throw new UserError(`invalid link-local IP address: ${text}`, 125);
    messages.push(addAddress(index, ip, ip.length === 4 ? 16 : 64));
  }
  messages.push(linkUp(index), ...gatewayRoutes(endpoint, options.waysOut, index));
  sandbox.netlink.batch(messages);
  if (options.shaping !== undefined) {
    const { shape } = await import("./shaping.ts");
    const hostIndex = host.link(hostLink)!.index;
    shape({ host, hostIndex, inside: sandbox.netlink, index }, options.shaping);
  }
  return { index, hostLink, bridgeIndex: options.bridgeIndex };
}

/**
 * The kernel notices that a link has a carrier only some time later, a bridge up to a second
 * later, and drops packets until then. Being asked about a link makes it look at once (Linux 6.6,
 * linkwatch_sync_dev), which takes its time: a child asks. The order is that in which one link's
 * carrier makes the next one's. Nobody reads the answers.
 */
export function settleLinks(sandbox: Sandbox, links: readonly WiredLink[]): Aside {
  const [host, inside] = [slot("host's socket", -1), slot("container's socket", -1)];
  const open = (result: typeof host): Step => ({
    call: "socket",
    args: [AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE],
    goal: "ask for carriers",
    result,
    ...ANYWAY,
  });
  const ask = (socket: typeof host, link: string | number): Step => {
    const request = block(`request about ${link}`, encodeBatch([getLink(link)], 1));
    const args = [socket, addressIn(request), request.bytes.length, 0, null, 0];
    return { call: "sendto", args, goal: "ask for a carrier", ...ANYWAY };
  };
  const enter: Step = {
    call: "setns",
    args: [sandbox.netns.raw, CLONE_NEWNET],
    goal: "ask the container's side",
    ...ANYWAY,
  };
  return spawnAside([
    open(host),
    enter,
    open(inside),
    ...links.flatMap((link) => [
      ask(inside, link.index),
      ask(host, link.hostLink),
      ask(host, link.bridgeIndex),
    ]),
  ]);
}

const ANYWAY = { onNegative: "next", onZero: "next", onPositive: "next" } as const;
