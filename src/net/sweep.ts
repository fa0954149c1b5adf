/** Removing what the dead left: after kill -9 of a client or monitor, after a crash. */
import { removeIfThere } from "../base/files.ts";
import { deadStates, type IsLive } from "./dead.ts";
import { releaseEndpoint } from "./endpoint.ts";
import { refreshRules } from "./rule_set.ts";
import type { Backend } from "./firewall_program.ts";
import { sweepLeases } from "./leases.ts";
import { locked } from "./lock.ts";
import { distributeNames } from "./names.ts";
import type { NetPlaces } from "./places.ts";
import { forgetDatagrams, hasRules, namedOn } from "./announce.ts";
import { endProxies, silence } from "./attach.ts";
import { ensureBridge } from "./bridge.ts";
import { Netlink } from "../../ffi/netlink.ts";
import { linkUp } from "../../ffi/rtnetlink.ts";
import { type OnBroken, readNetworks } from "./networks.ts";
import { forgetNumbers } from "./serve.ts";
import { forgetState, type NetworkState, readStates, tornStates, writeState } from "./state.ts";

/**
 * Removes leases, states, rules, names and interfaces of containers that are neither live nor
 * being started by a living client. Costs two directory listings when there is nothing to do.
 * The number of containers cleaned up after.
 */
export async function sweepNetworks(places: NetPlaces, isLive: IsLive): Promise<number> {
  for (const path of tornStates(places)) removeIfThere(path);
  if (deadStates(places, isLive).length === 0) {
    sweepLeases(places, isLive);
    return 0;
  }
  return await locked(places, async () => {
    const dead = deadStates(places, isLive);
    silence(dead.flatMap((state) => state.endpoints));
    await endProxies(...dead);
    for (const state of dead) writeState(places, { ...state, leaving: true });
    const published = dead.filter(hasRules);
    if (published.length > 0) {
      await refreshRules(places, "ports");
      await forgetDatagrams(published.flatMap(({ ports }) => ports));
    }
    const named = dead.flatMap(namedOn);
    if (named.length > 0) await distributeNames(places, named);
    await forgetNumbers(places, dead);
    for (const state of dead) {
      for (const endpoint of state.endpoints) releaseEndpoint(places, endpoint, state.owner.id);
      forgetState(places, state.owner.id);
    }
    sweepLeases(places, isLive);
    return dead.length;
  });
}

/** What `network repair` found and did. */
export interface Repair {
  readonly backend: Backend;
  readonly swept: number;
  /** Bridges of networks with containers that had gone or were down. */
  readonly bridges: readonly string[];
}

/**
 * Puts back what a firewall reload, a network manager or a crash took away: bridges, kernel
 * settings, rules, names. Repeating it changes nothing. `onBroken` is told of networks whose
 * bridges nobody can make, for their records cannot be read.
 */
export async function repairNetworks(
  places: NetPlaces,
  isLive: IsLive,
  onBroken: OnBroken,
): Promise<Repair> {
  const swept = await sweepNetworks(places, isLive);
  return await locked(places, async () => {
    const states = readStates(places);
    const used = new Set(states.flatMap((s) => s.endpoints.map((e) => e.networkId)));
    const bridges: string[] = [];
    using netlink = Netlink.open();
    for (const network of readNetworks(places, onBroken)) {
      if (!used.has(network.Id)) continue;
      if (ensureBridge(netlink, network, places).changed) bridges.push(network.Name);
    }
    rejoinBridges(netlink, states);
    const backend = await refreshRules(places, "repair");
    await distributeNames(places, [...used]);
    return { backend, swept, bridges };
  });
}

/** Puts the host's ends of interfaces back under their bridges. */
function rejoinBridges(netlink: Netlink, states: readonly NetworkState[]): void {
  const links = netlink.links();
  const byName = new Map(links.map((link) => [link.name, link]));
  for (const endpoint of states.flatMap((state) => state.endpoints)) {
    const bridge = byName.get(endpoint.bridge);
    const link = byName.get(endpoint.hostLink);
    if (bridge === undefined || link === undefined) continue;
    if (link.master !== bridge.index || !link.up) {
      netlink.batch([linkUp(link.index, bridge.index)]);
    }
  }
}
