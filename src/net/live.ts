/** Changing the networks of a running container: connect, disconnect, rename. */
import { Netlink } from "../../ffi/netlink.ts";
import type { Message } from "../../ffi/netlink_message.ts";
import { deleteDefaultRoute, deleteLink, linkDown } from "../../ffi/rtnetlink.ts";
import { UserError } from "../base/errors.ts";
import { publishRules } from "./announce.ts";
import { targetFor } from "./attach.ts";
import { ensureBridge } from "./bridge.ts";
import {
  dnsNamesOf,
  type EndpointRequest,
  leaseEndpoint,
  releaseEndpoint,
  waysOut,
} from "./endpoint.ts";
import { locked } from "./lock.ts";
import { distributeNames } from "./names.ts";
import { findNetwork, type NetworkRecord, readNetworks } from "./networks.ts";
import type { NetPlaces } from "./places.ts";
import { ensureRules } from "./rule_set.ts";
import type { Sandbox } from "./sandbox.ts";
import { type EndpointState, type NetworkState, writeState } from "./state.ts";
import { beginInside, gatewayRoutes, wireEndpoint } from "./wiring.ts";

/** The lowest interface number the container does not have. */
function freeNumber(endpoints: readonly EndpointState[]): number {
  const taken = new Set(endpoints.map((e) => parseInt(e.hostLink.slice(-2), 36)));
  let number = 0;
  while (taken.has(number)) number++;
  return number;
}

/** Brings the default routes inside in line with the endpoints. */
function routeBy(sandbox: Sandbox, endpoints: readonly EndpointState[]): void {
  const messages: Message[] = [deleteDefaultRoute(4), deleteDefaultRoute(6)];
  for (const endpoint of endpoints) {
    const versions = waysOut(endpoint, endpoints);
    const link = versions.length > 0 ? sandbox.netlink.link(endpoint.ifname) : undefined;
    if (link !== undefined) messages.push(...gatewayRoutes(endpoint, versions, link.index));
  }
  sandbox.netlink.batch(messages);
}

/**
 * Connects a running container to one more network. The new state, on disk as well. Throws
 * UserError with docker's texts.
 */
export async function connectLive(
  places: NetPlaces,
  state: NetworkState,
  request: EndpointRequest,
  sandbox: Sandbox,
): Promise<NetworkState> {
  const network = findNetwork(places, request.network);
  if (network.Driver !== "bridge") {
    throw new UserError(
      "container cannot be connected to multiple networks with one of the networks in " +
        `private (none) mode`,
    );
  }
  if (state.endpoints.some((endpoint) => endpoint.networkId === network.Id)) {
    throw new UserError(
      `endpoint with name ${state.name} already exists in network ${network.Name}`,
    );
  }
  await ensureRules(places, [network.Id], (body) => locked(places, body));
  const number = freeNumber(state.endpoints);
  const container = { id: state.owner.id, name: state.name, hostname: state.hostname };
  using undo = new DisposableStack();
  const endpoint = leaseEndpoint(places, network, request, container, state.owner, number);
  undo.defer(() => releaseEndpoint(places, endpoint, state.owner.id));
  const wider = { ...state, endpoints: [...state.endpoints, endpoint] };
  undo.defer(() => removeLink(endpoint.hostLink));
  await wireLive(places, network, request, sandbox, wider);
  const next = await served(places, wider, sandbox);
  await locked(places, async () => {
    writeState(places, next);
    await distributeNames(places, [network.Id]);
  });
  undo.move();
  return next;
}

/** DNS in the container, as its endpoints are now. */
async function served(
  places: NetPlaces,
  state: NetworkState,
  sandbox: Sandbox,
): Promise<NetworkState> {
  const isNamed = state.endpoints.some(({ dnsNames }) => dnsNames.length > 0);
  if (!isNamed && state.dns === undefined) return state;
  const { serveLive } = await import("./dns_live.ts");
  return serveLive(places, state, sandbox);
}

/** Takes the host's end down before it goes: what it still has to send is for nobody. */
function removeLink(name: string): void {
  using host = Netlink.open();
  host.batch([linkDown(name), deleteLink(name)]);
}

/** Makes the interface of the last endpoint of `state`. */
async function wireLive(
  places: NetPlaces,
  network: NetworkRecord,
  request: EndpointRequest,
  sandbox: Sandbox,
  state: NetworkState,
): Promise<void> {
  using host = Netlink.open();
  const endpoint = state.endpoints[state.endpoints.length - 1];
  const link = await wireEndpoint(host, sandbox, endpoint, {
    network,
    bridgeIndex: ensureBridge(host, network, places).index,
    hairpin: state.ports.length > 0 && !state.proxied,
    linkLocalIps: request.linkLocalIps,
    waysOut: waysOut(endpoint, state.endpoints),
    shaping: state.shaping,
  });
  beginInside(host, sandbox, [link]).finish();
}

/** Takes a running container off a network; `sandbox` is undefined if it no longer runs. */
export async function disconnectLive(
  places: NetPlaces,
  state: NetworkState,
  network: Pick<NetworkRecord, "Id" | "Name">,
  sandbox: Sandbox | undefined,
): Promise<NetworkState> {
  const endpoint = state.endpoints.find((e) => e.networkId === network.Id);
  if (endpoint === undefined) {
    throw new UserError(
      `container ${state.owner.id} is not connected to network ${network.Name}`,
    );
  }
  const endpoints = state.endpoints.filter((e) => e !== endpoint);
  removeLink(endpoint.hostLink);
  if (sandbox !== undefined) routeBy(sandbox, endpoints);
  const gone = [endpoint.ipv4?.ip, endpoint.ipv6?.ip];
  const ports = state.ports.flatMap((port) => {
    if (!gone.includes(port.containerIp)) return [port];
    const containerIp = targetFor(endpoints, port.hostIp);
    return containerIp === "" ? [] : [{ ...port, containerIp }];
  });
  const narrower = { ...state, endpoints, ports };
  const next = sandbox === undefined ? narrower : await served(places, narrower, sandbox);
  await locked(places, async () => {
    writeState(places, next);
    releaseEndpoint(places, endpoint, state.owner.id);
    await distributeNames(places, [network.Id]);
    await distributeNames(places, endpoints.map((e) => e.networkId));
    if (state.ports.length > 0 && !state.proxied) await publishRules(places, state.ports);
  });
  return next;
}

/** Makes the neighbours know a running container by its new name. */
export async function renameLive(
  places: NetPlaces,
  state: NetworkState,
  name: string,
): Promise<NetworkState> {
  return await locked(places, async () => {
    const container = { id: state.owner.id, name, hostname: state.hostname };
    const networks = readNetworks(places, () => {});
    const endpoints = state.endpoints.map((endpoint) => {
      const network = networks.find((n) => n.Id === endpoint.networkId);
      if (network === undefined) return endpoint;
      return { ...endpoint, dnsNames: dnsNamesOf(network, container, endpoint.aliases) };
    });
    const next = { ...state, name, endpoints };
    writeState(places, next);
    await distributeNames(places, endpoints.map((endpoint) => endpoint.networkId));
    return next;
  });
}
