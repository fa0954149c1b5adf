/**
 * An endpoint's interface in the kernel: the veth pair, its addresses and routes. What the host has
 * to do is done at once; the container's side is a child's work while this thread goes on.
 */
import { EBUSY, EEXIST } from "../../ffi/errno.ts";
import type { Netlink } from "../../ffi/netlink.ts";
import type { Message } from "../../ffi/netlink_message.ts";
import { askStep, type Exchange, exchange } from "../../ffi/netlink_steps.ts";
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
import { linkLocalOf, parseIp, parseMac } from "./address.ts";
import { mtuOf } from "./bridge.ts";
import { addressOf } from "./endpoint.ts";
import { BRIDGE_ICC, type NetworkRecord, optionOn } from "./networks.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Shaping } from "./shaping.ts";
import type { EndpointState } from "./state.ts";

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

/** An endpoint's pair that was made, and what is left to do inside. */
export interface WiredLink {
  readonly hostLink: string;
  readonly bridgeIndex: number;
  /** The number of the container's end, there. */
  readonly index: number;
  /** Addresses, up, routes. */
  readonly inside: readonly Message[];
}

/** Makes the endpoint's pair, of which the host's end is up and under its bridge. */
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
  if (options.shaping !== undefined) {
    const { shape } = await import("./shaping.ts");
    const hostIndex = host.link(hostLink)!.index;
    shape({ host, hostIndex, inside: sandbox.netlink, index }, options.shaping);
  }
  const inside = insideMessages(endpoint, options, index);
  return { hostLink, bridgeIndex: options.bridgeIndex, index, inside };
}

/** What makes the container's end an interface that is up, with addresses and routes. */
function insideMessages(endpoint: EndpointState, options: WireOptions, index: number): Message[] {
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
  return [...messages, linkUp(index), ...gatewayRoutes(endpoint, options.waysOut, index)];
}

/** What a child does with the container's side of links. */
export interface Settling extends Disposable {
  /** Waits for it. Throws SyscallError for what the kernel refused. */
  finish(): void;
}

/**
 * Begins to set up the container's side of `links`, and then makes the kernel look at them. It
 * notices that a link has a carrier only some time later, a bridge up to a second later, and drops
 * packets until then. Being asked about a link makes it look at once (Linux 6.6,
 * linkwatch_sync_dev), which takes its time. The order is that in which one link's carrier makes
 * the next one's. Nobody reads the answers. The child has `host` even if it is closed here.
 */
export function beginInside(
  host: Netlink,
  sandbox: Sandbox,
  links: readonly WiredLink[],
): Settling {
  const inside = sandbox.netlink.fd.raw;
  const exchanges: Exchange[] = links.map((link) => exchange(inside, link.inside));
  const ask = (socket: number, link: string | number) => ({
    ...askStep(socket, getLink(link)),
    onNegative: "next" as const,
  });
  const aside: Aside = spawnAside([
    ...exchanges.flatMap(({ steps }) => steps),
    ...links.flatMap((link) => [
      ask(inside, link.index),
      ask(host.fd.raw, link.hostLink),
      ask(host.fd.raw, link.bridgeIndex),
    ]),
  ]);
  return {
    finish() {
      const ran = aside.finish();
      for (const { check } of exchanges) check(ran);
    },
    [Symbol.dispose]: () => aside[Symbol.dispose](),
  };
}
