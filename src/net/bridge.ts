/** The bridge of a network: there when the first container needs it. */
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sys } from "../../ffi/libc.ts";
import type { Netlink } from "../../ffi/netlink.ts";
import { EEXIST } from "../../ffi/errno.ts";
import type { Message } from "../../ffi/netlink_message.ts";
import {
  addAddress,
  addBridge,
  deleteLink,
  linkUp,
  withoutLinkLocal,
} from "../../ffi/rtnetlink.ts";
import { UserError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import { family, macOf, parseIp, showIp } from "./address.ts";
import type { Backend } from "./firewall_program.ts";
import { bridgeOf, DRIVER_MTU, type NetworkRecord } from "./networks.ts";
import type { NetPlaces } from "./places.ts";
import { type AddressPlan, planOf } from "./subnets.ts";

/** The plans of a network by family. */
export function plansOf(network: NetworkRecord): { 4?: AddressPlan; 6?: AddressPlan } {
  const plans: { 4?: AddressPlan; 6?: AddressPlan } = {};
  for (const config of network.IPAM.Config ?? []) {
    const plan = planOf(config);
    plans[family(plan.gateway)] ??= plan;
  }
  return plans;
}

/** The MTU a network was given; undefined: the kernel's own. */
export function mtuOf(network: NetworkRecord): number | undefined {
  const text = network.Options?.[DRIVER_MTU];
  return text && /^\d+$/.test(text) ? Number(text) : undefined;
}

/**
 * fe80::1. The kernel asks for a container's MAC from a link-local address; one of its own making
 * would be tentative, and with it the network deaf to other hosts, for the first two seconds.
 */
const BRIDGE_LINK_LOCAL = parseIp("fe80::1")!;

/** The index of the network's bridge, which is made if it is not there or not up. */
export function ensureBridge(
  netlink: Netlink,
  network: NetworkRecord,
  places: NetPlaces,
): { index: number; changed: boolean } {
  const name = bridgeOf(network, places);
  const known = netlink.link(name);
  if (known !== undefined && known.kind !== "bridge") {
    throw new UserError(`Cannot use interface "${name}" for network ${network.Name}: no bridge`);
  }
  if (known?.up) return { index: known.index, changed: false };
  const plans = Object.values(plansOf(network)) as AddressPlan[];
  if (known === undefined) {
    // Without a MAC of its own a bridge takes that of its lowest port, and changes with them.
    const mac = plans.length > 0 ? macOf(plans[0].gateway) : undefined;
    const link = { name, mac, mtu: mtuOf(network), alias: `diplodock network ${network.Name}` };
    // A concurrent start may be making the same bridge.
    netlink.batch([{ ...addBridge(link), allow: [EEXIST] }]);
  }
  const index = netlink.link(name)!.index;
  completeBridge(netlink, network, places, index);
  return { index, changed: true };
}

/** Gives a bridge its addresses, those of a network that got another family as well. */
export function completeBridge(
  netlink: Netlink,
  network: NetworkRecord,
  places: NetPlaces,
  index: number,
): void {
  const plans = Object.values(plansOf(network)) as AddressPlan[];
  const ipv6 = plans.some((plan) => plan.gateway.length === 16);
  const messages: Message[] = plans.map((plan) =>
    addAddress(index, plan.gateway, plan.subnet.prefix)
  );
  if (ipv6) messages.push(addAddress(index, BRIDGE_LINK_LOCAL, 64));
  netlink.batch([withoutLinkLocal(index), ...messages, linkUp(index)]);
  allowForwarding(bridgeOf(network, places), network, ipv6);
}

/** Removes a network's bridge; fine if it is gone. */
export function removeBridge(netlink: Netlink, network: NetworkRecord, places: NetPlaces): void {
  netlink.batch([deleteLink(bridgeOf(network, places))]);
}

const W_OK = 2;
const IPV4 = "/proc/sys/net/ipv4";
const IPV6 = "/proc/sys/net/ipv6";

/** Writes a kernel setting if it differs; false where this kernel or sandbox has it read-only. */
function setSysctl(path: string, value: string): boolean {
  try {
    if (Deno.readTextFileSync(path).trim() !== value) Deno.writeTextFileSync(path, value);
    return true;
  } catch {
    return false;
  }
}

/**
 * Lets the kernel pass packets between the bridge and other interfaces. Forwarding is a setting
 * of the whole machine: it is turned on if it was off, and stays on.
 */
function allowForwarding(bridge: string, network: NetworkRecord, ipv6: boolean): void {
  if (network.Internal) return;
  const forwards = setSysctl(`${IPV4}/ip_forward`, "1");
  if (!forwards) throw new UserError(`Cannot turn on ${IPV4}/ip_forward: read-only`);
  // For ports published on 127.0.0.1; the GUARD chain keeps containers from using it.
  setSysctl(`${IPV4}/conf/${bridge}/route_localnet`, "1");
  if (ipv6) allowForwardingIpv6();
}

/**
 * Do published ports of a container behind these bridges go by proxies, because that is `asked`, or
 * because rules cannot lead there?
 */
export function goesByProxies(
  asked: boolean | undefined,
  backend: Backend | undefined,
  bridges: readonly string[],
): boolean {
  return asked === true || backend === "none" || !leadsFromLocalhost(bridges);
}

/**
 * Can rules lead from 127.0.0.1 to containers behind these bridges? Not where the setting is off and
 * read-only, as inside of an unprivileged container: clients would wait for ever.
 */
function leadsFromLocalhost(bridges: readonly string[]): boolean {
  const pathOf = (name: string) => `${IPV4}/conf/${name}/route_localnet`;
  if (sys("faccessat", AT_FDCWD, pathOf("all"), W_OK) === 0) return true;
  return ["all", ...bridges].some((name) => readIfThere(pathOf(name))?.trim() === "1");
}

/** IPv6 forwarding makes the kernel ignore router advertisements unless accept_ra is 2. */
function allowForwardingIpv6(): void {
  const path = `${IPV6}/conf/all/forwarding`;
  if (Deno.readTextFileSync(path).trim() === "1") return;
  for (const entry of Deno.readDirSync(`${IPV6}/conf`)) {
    const accept = `${IPV6}/conf/${entry.name}/accept_ra`;
    try {
      if (Deno.readTextFileSync(accept).trim() === "1") Deno.writeTextFileSync(accept, "2");
    } catch {
      // an interface that went away, or one that takes no advertisements
    }
  }
  setSysctl(path, "1");
}

/** The gateway's text for records; empty on an internal network, which has no way out. */
export function gatewayText(network: NetworkRecord, plan: AddressPlan): string {
  return network.Internal ? "" : showIp(plan.gateway);
}
