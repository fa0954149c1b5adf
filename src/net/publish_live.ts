/** Changing the published ports of a running container. */
import { Netlink } from "../../ffi/netlink.ts";
import { portOptions } from "../../ffi/rtnetlink.ts";
import { UserError } from "../base/errors.ts";
import { publishRules } from "./announce.ts";
import { holdOrExplain, reachOf, takenByOthers, targetFor } from "./attach.ts";
import { readApplied } from "./applied.ts";
import { goesByProxies } from "./bridge.ts";
import { locked } from "./lock.ts";
import { type NetworkRecord, readNetworks } from "./networks.ts";
import type { NetPlaces } from "./places.ts";
import {
  collide,
  findSocket,
  type HeldPorts,
  holdPorts,
  type PortMap,
  type PublishedPort,
  stopListening,
  wishesOf,
} from "./ports.ts";
import { endProxy, serves, startProxiesFor } from "./proxy.ts";
import { means, type Removal } from "./removal.ts";
import { type EndpointState, type NetworkState, type ProxyProcess, writeState } from "./state.ts";

/** What is to change, and by which processes. */
export interface PortChange {
  readonly add: PortMap;
  readonly remove: readonly Removal[];
  /** The container's first process: new proxies end with it. */
  readonly pid: number;
  /** The process with the sockets that hold the ports of the start: the monitor. */
  readonly holder: number;
  /** The user wants proxies instead of rules. */
  readonly userlandProxy?: boolean;
}

/**
 * Takes published ports back and publishes others, all or none. A port may be among both: then it
 * leads elsewhere. Each new one is held by the socket of a proxy, which serves whom no rule leads
 * to the container. Throws UserError with docker's text if one is busy.
 */
export async function changePorts(
  places: NetPlaces,
  state: NetworkState,
  change: PortChange,
): Promise<NetworkState> {
  const gone = state.ports.filter((port) => change.remove.some((one) => means(one, port)));
  const kept = state.ports.filter((port) => !gone.includes(port));
  const proxied = kept.length > 0 ? state.proxied : goesByProxies(
    change.userlandProxy,
    readApplied(places)?.backend,
    state.endpoints.map(({ bridge }) => bridge),
  );
  using undo = new DisposableStack();
  const { added, proxies } = publish(places, state, kept, change, proxied);
  undo.defer(() => proxies.forEach(endProxy));
  const ending = state.proxies.filter((proxy) => gone.some((port) => serves(proxy, port)));
  const next: NetworkState = {
    ...state,
    ports: [...kept, ...added],
    proxied,
    proxies: [...state.proxies.filter((proxy) => !ending.includes(proxy)), ...proxies],
  };
  await locked(places, async () => {
    writeState(places, next);
    undo.defer(() => writeState(places, state));
    if (!proxied || !state.proxied) await publishRules(places, [...gone, ...added]);
  });
  undo.move();
  ending.forEach(endProxy);
  for (const port of gone) {
    if (!added.some((other) => collide(other, port))) stopListening(change.holder, port);
  }
  return next;
}

/** Holds what is to be added and starts its proxies; nothing is told to anybody yet. */
function publish(
  places: NetPlaces,
  state: NetworkState,
  kept: readonly PublishedPort[],
  change: PortChange,
  proxied: boolean,
): { added: PublishedPort[]; proxies: ProxyProcess[] } {
  if (Object.keys(change.add).length === 0) return { added: [], proxies: [] };
  if (state.endpoints.length === 0) {
    throw new UserError(`Cannot publish ports of "${state.name}": it has no network of its own`);
  }
  const target = (hostIp: string) => targetFor(state.endpoints, hostIp);
  const wishes = wishesOf(
    change.add,
    [],
    false,
    reachOf(state.endpoints, networksOf(places, state)),
  );
  const others = takenByOthers(places, state.owner.id);
  using held: HeldPorts = holdOrExplain(
    state.name,
    state.endpoints,
    () =>
      holdPorts(
        wishes,
        target,
        (protocol, hostIp, hostPort) =>
          others(protocol, hostIp, hostPort) ||
          kept.some((port) => collide(port, { protocol, hostIp, hostPort })),
        // What was taken back earlier, or is taken back now, its old holders still have.
        (port) =>
          findSocket(change.holder, port) ??
            state.proxies.filter((proxy) => serves(proxy, port))
              .map(({ pid }) => findSocket(pid, port)).find((socket) => socket !== undefined),
      ),
  );
  const added = held.entries.map(({ port }) => ({ ...port, containerIp: target(port.hostIp) }));
  const proxies = startProxiesFor(change.pid, held, added, proxied);
  if (!proxied) allowHairpin(state.endpoints);
  return { added, proxies };
}

function networksOf(places: NetPlaces, state: NetworkState): NetworkRecord[] {
  const ids = state.endpoints.map((endpoint) => endpoint.networkId);
  return readNetworks(places, () => {}).filter((network) => ids.includes(network.Id));
}

/** Lets a container come back to itself by one of the host's addresses. */
function allowHairpin(endpoints: readonly EndpointState[]): void {
  using host = Netlink.open();
  host.batch(endpoints.map((endpoint) => portOptions(endpoint.hostLink, { hairpin: true })));
}
