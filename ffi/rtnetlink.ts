/**
 * The rtnetlink requests that networks are made of: links, addresses, routes. Pure; names and numbers as in linux/rtnetlink.h and linux/if_link.h.
 */
import { AF_INET, AF_INET6, AF_UNSPEC } from "./constants.ts";
import { EEXIST, ENODEV, ESRCH } from "./errno.ts";
import { addressFamily } from "./inet.ts";
import {
  attributeNumber,
  attributeText,
  BodyWriter,
  type Message,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  parseAttributes,
} from "./netlink_message.ts";

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const RTM_NEWADDR = 20;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTM_DELROUTE = 25;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_AF_SPEC = 26;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BRPORT_MODE = 4;
const IFLA_BRPORT_ISOLATED = 33;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IFLA_INET_CONF = 1;
const IN6_ADDR_GEN_MODE_NONE = 1;
const VETH_INFO_PEER = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const IFF_UP = 1;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RTN_UNICAST = 1;

/** Four or sixteen bytes in network order. */
export type AddressBytes = Uint8Array;

const familyOf = (address: AddressBytes) => addressFamily(address.length === 4 ? 4 : 6);

/** struct ifinfomsg. */
function linkBody(index: number, flags: number, change: number): BodyWriter {
  return new BodyWriter().u8(AF_UNSPEC).u8(0).u16(0).u32(index).u32(flags).u32(change);
}

function linkFields(body: BodyWriter, link: LinkFields): void {
  if (link.name !== undefined) body.attributeText(IFLA_IFNAME, link.name);
  if (link.mac !== undefined) body.attributeBytes(IFLA_ADDRESS, link.mac);
  if (link.mtu !== undefined) body.attributeU32(IFLA_MTU, link.mtu);
  if (link.master !== undefined) body.attributeU32(IFLA_MASTER, link.master);
  if (link.alias !== undefined) {
    body.attributeBytes(IFLA_IFALIAS, new TextEncoder().encode(link.alias));
  }
}

/** What a link can be told. */
export interface LinkFields {
  readonly name?: string;
  readonly mac?: Uint8Array;
  readonly mtu?: number;
  /** The bridge's index. */
  readonly master?: number;
  readonly alias?: string;
}

/** Makes a bridge, down. Fails with EEXIST if the name is taken. */
export function addBridge(link: LinkFields & { name: string }): Message {
  const body = linkBody(0, 0, 0);
  linkFields(body, link);
  body.nest(IFLA_LINKINFO, (w) => w.attributeText(IFLA_INFO_KIND, "bridge"));
  const flags = NLM_F_CREATE | NLM_F_EXCL;
  return { goal: `make bridge "${link.name}"`, type: RTM_NEWLINK, flags, body: body.done() };
}

/** One end of a veth pair and where the other end is to be. */
export interface VethPair {
  readonly host: LinkFields & { name: string };
  readonly peer: LinkFields & { name: string };
  /** A descriptor of the network namespace for the other end. */
  readonly peerNamespace: number;
}

/** Makes a veth pair: one end here, the other in a namespace; both down. */
export function addVeth(pair: VethPair): Message {
  const body = linkBody(0, 0, 0);
  linkFields(body, pair.host);
  body.nest(IFLA_LINKINFO, (info) => {
    info.attributeText(IFLA_INFO_KIND, "veth");
    info.nest(IFLA_INFO_DATA, (data) => {
      data.nest(VETH_INFO_PEER, (peer) => {
        peer.u8(AF_UNSPEC).u8(0).u16(0).u32(0).u32(0).u32(0);
        linkFields(peer, pair.peer);
        peer.attributeU32(IFLA_NET_NS_FD, pair.peerNamespace);
      });
    });
  });
  const flags = NLM_F_CREATE | NLM_F_EXCL;
  return {
    goal: `make interface "${pair.host.name}"`,
    type: RTM_NEWLINK,
    flags,
    body: body.done(),
  };
}

/** A link by its index, or by its name. */
export type LinkRef = number | string;

const showRef = (link: LinkRef) => typeof link === "string" ? `"${link}"` : `number ${link}`;

function linkRequest(link: LinkRef, flags: number, change: number): BodyWriter {
  const body = linkBody(typeof link === "number" ? link : 0, flags, change);
  if (typeof link === "string") body.attributeText(IFLA_IFNAME, link);
  return body;
}

/** Takes a link up, and under a bridge if `master` is given. */
export function linkUp(link: LinkRef, master?: number): Message {
  const body = linkRequest(link, IFF_UP, IFF_UP);
  if (master !== undefined) body.attributeU32(IFLA_MASTER, master);
  return {
    goal: `take interface ${showRef(link)} up`,
    type: RTM_SETLINK,
    flags: 0,
    body: body.done(),
  };
}

/** How a bridge treats one of its ports. */
export interface PortOptions {
  /** Frames may go back out of the port they came in by. */
  readonly hairpin?: boolean;
  /** No frames to or from other isolated ports. */
  readonly isolated?: boolean;
}

/** Sets the given options of a bridge port; the link must be under a bridge. */
export function portOptions(link: LinkRef, options: PortOptions): Message {
  const body = linkRequest(link, 0, 0);
  body.nest(IFLA_LINKINFO, (info) => {
    info.attributeText(IFLA_INFO_SLAVE_KIND, "bridge");
    info.nest(IFLA_INFO_SLAVE_DATA, (port) => {
      const set = (type: number, on?: boolean) =>
        on === undefined ? port : port.attributeU8(type, on ? 1 : 0);
      set(IFLA_BRPORT_MODE, options.hairpin);
      set(IFLA_BRPORT_ISOLATED, options.isolated);
    });
  });
  const goal = `set bridge port ${showRef(link)}`;
  return { goal, type: RTM_NEWLINK, flags: 0, body: body.done() };
}

/** Takes a link down: nothing answers by it any more; fine if it is gone. */
export function linkDown(link: LinkRef): Message {
  const body = linkRequest(link, 0, IFF_UP).done();
  const goal = `take interface ${showRef(link)} down`;
  return { goal, type: RTM_SETLINK, flags: 0, body, allow: [ENODEV] };
}

/** Keeps the kernel from giving a link an IPv6 address of its own; has to come before `linkUp`. */
export function withoutLinkLocal(link: LinkRef): Message {
  const body = linkRequest(link, 0, 0);
  body.nest(IFLA_AF_SPEC, (family) => {
    family.nest(AF_INET6, (w) => w.attributeU8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE));
  });
  const goal = `keep interface ${showRef(link)} without IPv6`;
  // A kernel without IPv6 (EAFNOSUPPORT, EOPNOTSUPP) gives none anyway.
  return { goal, type: RTM_SETLINK, flags: 0, body: body.done(), allow: [95, 97] };
}

/** What IPv4 packets a link takes in; linux/ip.h (IPV4_DEVCONF_…). */
const IPV4_SETTING = { accept_local: 23, route_localnet: 26 } as const;

/** Turns settings of net.ipv4.conf of a link on. */
export function ipv4Settings(
  link: LinkRef,
  names: readonly (keyof typeof IPV4_SETTING)[],
): Message {
  const body = linkRequest(link, 0, 0);
  body.nest(IFLA_AF_SPEC, (family) => {
    family.nest(AF_INET, (settings) => {
      settings.nest(IFLA_INET_CONF, (w) => {
        for (const name of names) w.attributeU32(IPV4_SETTING[name], 1);
      });
    });
  });
  const goal = `set ${names.join(", ")} of interface ${showRef(link)}`;
  return { goal, type: RTM_SETLINK, flags: 0, body: body.done() };
}

/** Removes a link; fine if it is gone. */
export function deleteLink(link: LinkRef): Message {
  const body = linkRequest(link, 0, 0).done();
  const goal = `remove interface ${showRef(link)}`;
  return { goal, type: RTM_DELLINK, flags: 0, body, allow: [ENODEV] };
}

/** Asks for one link by name or number; the answer is for `parseLink`. */
export function getLink(link: LinkRef): Message {
  const body = linkRequest(link, 0, 0).done();
  return { goal: `look at interface ${showRef(link)}`, type: RTM_GETLINK, flags: 0, body };
}

/** Asks for all links. */
export function listLinks(): Message {
  const body = linkBody(0, 0, 0).done();
  return { goal: "list interfaces", type: RTM_GETLINK, flags: NLM_F_DUMP, body };
}

/** Gives a link an address; fine if it has it. No duplicate detection: leases see to that. */
export function addAddress(index: number, address: AddressBytes, prefix: number): Message {
  const body = new BodyWriter().u8(familyOf(address)).u8(prefix).u8(0).u8(0).u32(index);
  body.attributeBytes(IFA_LOCAL, address).attributeBytes(IFA_ADDRESS, address);
  if (address.length === 16) body.attributeU32(IFA_FLAGS, IFA_F_NODAD);
  return {
    goal: "set an address",
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: body.done(),
    allow: [EEXIST],
  };
}

/** struct rtmsg. */
function routeBody(family: number, prefix: number, scope: number): BodyWriter {
  return new BodyWriter().u8(family).u8(prefix).u8(0).u8(0).u8(RT_TABLE_MAIN)
    .u8(RTPROT_BOOT).u8(scope).u8(RTN_UNICAST).u32(0);
}

/** The default route by `gateway`; replaces the one there is. */
export function defaultRoute(index: number, gateway: AddressBytes): Message {
  const body = routeBody(familyOf(gateway), 0, RT_SCOPE_UNIVERSE);
  body.attributeBytes(RTA_GATEWAY, gateway).attributeU32(RTA_OIF, index);
  const flags = NLM_F_CREATE | NLM_F_REPLACE;
  return { goal: "set the default route", type: RTM_NEWROUTE, flags, body: body.done() };
}

/** Removes the default route of a family; fine if there is none. */
export function deleteDefaultRoute(family: 4 | 6): Message {
  const body = routeBody(addressFamily(family), 0, RT_SCOPE_UNIVERSE).done();
  const goal = "remove the default route";
  return { goal, type: RTM_DELROUTE, flags: 0, body, allow: [ESRCH] };
}

/** Asks for all routes of both families. */
export function listRoutes(): Message {
  const body = routeBody(AF_UNSPEC, 0, RT_SCOPE_UNIVERSE).done();
  return { goal: "list routes", type: RTM_GETROUTE, flags: NLM_F_DUMP, body };
}

/** A link as the kernel tells it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly mac: Uint8Array;
  readonly mtu: number;
  /** The bridge it is under, or 0. */
  readonly master: number;
  readonly alias: string;
  /** "bridge", "veth", … or "". */
  readonly kind: string;
}

/** A link from the body of an RTM_NEWLINK. */
export function parseLink(body: Uint8Array): Link {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const attributes = parseAttributes(body.subarray(16));
  const info = attributes.get(IFLA_LINKINFO);
  return {
    index: view.getUint32(4, true),
    name: attributeText(attributes.get(IFLA_IFNAME)) ?? "",
    up: (view.getUint32(8, true) & IFF_UP) !== 0,
    mac: attributes.get(IFLA_ADDRESS)?.slice() ?? new Uint8Array(6),
    mtu: attributeNumber(attributes.get(IFLA_MTU)) ?? 0,
    master: attributeNumber(attributes.get(IFLA_MASTER)) ?? 0,
    alias: attributeText(attributes.get(IFLA_IFALIAS)) ?? "",
    kind: (info && attributeText(parseAttributes(info).get(IFLA_INFO_KIND))) ?? "",
  };
}

/** A route's destination as the kernel tells it; the default route has prefix 0. */
export interface Route {
  readonly destination: AddressBytes;
  readonly prefix: number;
  /** The interface's index, 0 where the route has none. */
  readonly index: number;
}

/** A unicast route from the body of an RTM_NEWROUTE; undefined for any other kind. */
export function parseRoute(body: Uint8Array): Route | undefined {
  const family = body[0];
  if (body[7] !== RTN_UNICAST || (family !== AF_INET && family !== AF_INET6)) return undefined;
  const attributes = parseAttributes(body.subarray(12));
  const zero = new Uint8Array(family === AF_INET ? 4 : 16);
  return {
    destination: attributes.get(RTA_DST)?.slice() ?? zero,
    prefix: body[1],
    index: attributeNumber(attributes.get(RTA_OIF)) ?? 0,
  };
}
