/** Connecting containers: what the engine calls between making a container and starting it. */
import type { Fd } from "../../ffi/fd.ts";
import { Netlink } from "../../ffi/netlink.ts";
import { linkDown } from "../../ffi/rtnetlink.ts";
import { ensureBridge, goesByProxies } from "./bridge.ts";
import {
  type EndpointRequest,
  gatewayEndpoint,
  leaseEndpoint,
  releaseEndpoint,
  waysOut,
} from "./endpoint.ts";
import { UserError } from "../base/errors.ts";
import { announce, isAnnounced, withdraw } from "./announce.ts";
import type { Applied } from "./applied.ts";
import type { Serving } from "./dns.ts";
import { readFirewallError } from "./firewall.ts";
import { locked } from "./lock.ts";
import {
  ANY_ADDRESS,
  BRIDGE_HOST_BINDING,
  findNetwork,
  type NetworkRecord,
  readNetwork,
  wantsDefaultIpv6,
} from "./networks.ts";
import { ownedBy } from "./owner.ts";
import type { NetPlaces } from "./places.ts";
import { collide, HeldPorts, holdPorts, type PortMap, wishesOf } from "./ports.ts";
import { ensureRules } from "./rule_set.ts";
import type { Sandbox } from "./sandbox.ts";
import { dnsLinks, forgetNumbers, serve, servedState, unserved, writeResolvConf } from "./serve.ts";
import type { Shaping } from "./shaping.ts";
import {
  type EndpointState,
  forgetState,
  type NetworkState,
  type ProxyProcess,
  readStates,
  type ResolvConfState,
  writeState,
} from "./state.ts";
import type { Reach } from "./ports.ts";
import { beginInside, type Settling, type WiredLink, wireEndpoint } from "./wiring.ts";

/** A container that is to be on networks. */
export interface ConnectRequest {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly hostname: string;
  readonly networks: readonly EndpointRequest[];
  readonly portBindings: PortMap;
  /** "80/tcp", of the image and of --expose. */
  readonly exposed: readonly string[];
  readonly publishAll: boolean;
  readonly shaping?: Shaping;
  /** Forward published ports by processes instead of rules. */
  readonly userlandProxy?: boolean;
  /** The file that becomes the container's /etc/hosts; absent: it is not ours to write. */
  readonly hostsPath?: string;
  /** The text of that file without neighbours, once the addresses are known. */
  readonly hosts?: (state: NetworkState) => string;
  /** The file that becomes its /etc/resolv.conf; absent: it is not ours to write. */
  readonly resolvConf?: ResolvConfState;
}

/** What a connected container has, and what its monitor must inherit. */
export interface Connection extends Disposable {
  readonly state: NetworkState;
  /**
   * Descriptors that hold the host's ports (or keep the proxies alive). The container's monitor
   * inherits them without using them; this process closes its own by disposing the connection.
   */
  readonly held: readonly Fd[];
  /** What the user should know of a connection that is less than it should be. */
  readonly warnings: readonly string[];
  /**
   * Waits until the published ports and the names of neighbours work too, and no first packet is
   * lost. Rejects if the firewall took no rules. To be awaited before the container's program
   * starts, this process ends, and before `disconnectContainer`.
   */
  settle(): Promise<void>;
}

/** The record of the network a user named; the default one is made at its first use. */
export async function resolveNetwork(
  places: NetPlaces,
  reference: string,
): Promise<NetworkRecord> {
  if (!["", "default", "bridge"].includes(reference)) return findNetwork(places, reference);
  const known = readNetwork(places, "bridge");
  if (known !== undefined && (known.EnableIPv6 || !wantsDefaultIpv6())) return known;
  const { defaultNetwork } = await import("./create_network.ts");
  return defaultNetwork(places);
}

/** Does this machine have IPv6 at all? */
function hostHasIpv6(): boolean {
  try {
    return Deno.readTextFileSync("/proc/net/if_inet6") !== "";
  } catch {
    return false;
  }
}

/** What published ports can lead to. */
export function reachOf(
  endpoints: readonly EndpointState[],
  networks: readonly NetworkRecord[],
): Reach {
  const open = endpoints.filter((e) => !e.internal);
  return {
    ipv4: open.some((e) => e.ipv4 !== undefined),
    ipv6: open.some((e) => e.ipv6 !== undefined),
    ipv6ByProxy: hostHasIpv6,
    defaultHostIp: networks.map((n) => n.Options?.[BRIDGE_HOST_BINDING])
      .find((ip) => ip && ip !== ANY_ADDRESS),
  };
}

/** The container's address that a port of `hostIp` leads to. */
export function targetFor(endpoints: readonly EndpointState[], hostIp: string): string {
  const open = endpoints.filter((e) => !e.internal);
  const ipv4 = (gatewayEndpoint(open, 4) ?? open.find((e) => e.ipv4 !== undefined))?.ipv4?.ip;
  const ipv6 = (gatewayEndpoint(open, 6) ?? open.find((e) => e.ipv6 !== undefined))?.ipv6?.ip;
  return (hostIp.includes(":") ? ipv6 ?? ipv4 : ipv4 ?? ipv6) ?? "";
}

/** Is a port published by a container other than `id`? */
export function takenByOthers(places: NetPlaces, id: string) {
  let ports: { protocol: string; hostIp: string; hostPort: number }[] | undefined;
  return (protocol: string, hostIp: string, hostPort: number): boolean => {
    ports ??= readStates(places).filter((state) => state.owner.id !== id)
      .flatMap((state) => state.ports);
    return ports.some((port) => collide(port, { protocol, hostIp, hostPort }));
  };
}

/** Puts docker's words around the reason why a port cannot be had. */
export function holdOrExplain(
  name: string,
  endpoints: readonly EndpointState[],
  hold: () => HeldPorts,
): HeldPorts {
  try {
    return hold();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const endpoint = gatewayEndpoint(endpoints, 4) ?? endpoints[0];
    throw new UserError(
      "failed to set up container networking: driver failed programming external connectivity " +
        `on endpoint ${name} (${endpoint.endpointId}): ${error.message}`,
      error.exitCode,
    );
  }
}

/** Holds the ports a container publishes and says where they lead. */
function publish(
  places: NetPlaces,
  request: ConnectRequest,
  endpoints: readonly EndpointState[],
  reach: Reach,
): { held: HeldPorts; ports: NetworkState["ports"] } {
  const { portBindings, exposed, publishAll } = request;
  const wishes = wishesOf(portBindings, exposed, publishAll, reach);
  const target = (hostIp: string) => targetFor(endpoints, hostIp);
  const held = holdOrExplain(
    request.name,
    endpoints,
    () => holdPorts(wishes, target, takenByOthers(places, request.id)),
  );
  const ports = held.entries.map(({ port }) => ({ ...port, containerIp: target(port.hostIp) }));
  return { held, ports };
}

/** Starts the proxies that held ports need. */
async function forward(
  held: HeldPorts,
  ports: NetworkState["ports"],
  proxied: boolean,
): Promise<ProxyProcess[]> {
  const { needsProxy, startProxies } = await import("./proxy.ts");
  return ports.some((port) => needsProxy(port, proxied)) ? startProxies(held, ports, proxied) : [];
}

/** Makes the interfaces of all endpoints. */
async function wireAll(
  places: NetPlaces,
  request: ConnectRequest,
  sandbox: Sandbox,
  networks: readonly NetworkRecord[],
  state: NetworkState,
  serving: Serving | undefined,
): Promise<Wired> {
  using host = Netlink.open();
  const links: WiredLink[] = [];
  for (const [i, endpoint] of state.endpoints.entries()) {
    const link = await wireEndpoint(host, sandbox, endpoint, {
      network: networks[i],
      bridgeIndex: ensureBridge(host, networks[i], places).index,
      hairpin: state.ports.length > 0 && !state.proxied,
      linkLocalIps: request.networks[i].linkLocalIps,
      waysOut: waysOut(endpoint, state.endpoints),
      shaping: state.shaping,
    });
    links.push(link);
  }
  const served = serving?.attach(sandbox, state, dnsLinks(state.endpoints, links));
  return { settling: beginInside(host, sandbox, links), served: served === true };
}

/** Interfaces that are being set up, and whether DNS is answered there. */
interface Wired {
  readonly settling: Settling;
  readonly served: boolean;
}

/** Without a firewall a container has less of networks than it thinks. */
function warningsOf(
  places: NetPlaces,
  applied: Applied,
  endpoints: readonly EndpointState[],
): string[] {
  const wanted = Deno.env.get("DIPLODOCK_FIREWALL") === "none";
  if (applied.backend !== "none" || wanted || endpoints.length === 0) return [];
  const reason = readFirewallError(places).replaceAll("\n", "; ");
  return [
    "Isolation of networks and translation of addresses discarded: " +
    `no firewall program works (${reason}); install iptables or nftables, or set ` +
    "DIPLODOCK_FIREWALL=none if it is meant so",
  ];
}

/** What is known of a container's networks before anything is leased. */
function stateOf(request: ConnectRequest) {
  const { name, hostname, exposed, shaping, hostsPath, resolvConf } = request;
  return { name, hostname, exposed, shaping, hostsPath, resolvConf };
}

/**
 * Puts a container on its networks: leases, ports, bridges, interfaces, rules, names. Everything
 * is undone if a part fails. Throws UserError with docker's texts (no such network, address or
 * port in use) before anything is changed in the kernel.
 */
export async function connectContainer(
  places: NetPlaces,
  request: ConnectRequest,
  sandbox: () => Sandbox,
): Promise<Connection> {
  const networks: NetworkRecord[] = [];
  for (const wish of request.networks) networks.push(await resolveNetwork(places, wish.network));
  const owner = ownedBy(request.id);
  const applied: Applied = await ensureRules(
    places,
    networks.map((network) => network.Id),
    (body) => locked(places, body),
  );
  using closing = new DisposableStack();
  using undo = new DisposableStack();
  const endpoints = networks.map((network, i) => {
    const wish = request.networks[i];
    const endpoint = leaseEndpoint(places, network, wish, request, owner, i);
    undo.defer(() => releaseEndpoint(places, endpoint, owner.id));
    return endpoint;
  });
  const { held, ports } = publish(places, request, endpoints, reachOf(endpoints, networks));
  undo.use(held);
  const proxied = ports.length > 0 &&
    goesByProxies(request.userlandProxy, applied.backend, endpoints.map(({ bridge }) => bridge));
  const proxies = ports.length > 0 ? await forward(held, ports, proxied) : [];
  const serving = closing.use(await serve(places, request, endpoints));
  undo.defer(() => serving?.forget());
  const plain: NetworkState = {
    ...stateOf(request),
    owner,
    endpoints,
    ports,
    proxied,
    proxies,
  };
  let state = servedState(plain, serving);
  if (request.hostsPath !== undefined && request.hosts !== undefined) {
    // Before the state is there: from then on others add themselves to the file.
    Deno.writeTextFileSync(request.hostsPath, request.hosts(state), { mode: 0o644 });
  }
  writeState(places, state);
  undo.defer(() => forgetState(places, request.id));
  // The rules need no interfaces: their program runs while this thread makes those.
  const settled = announce(places, state);
  settled.catch(() => {}); // whoever awaits it hears of it
  let settling: Settling;
  try {
    const wired = await wireAll(places, request, sandbox(), networks, state, serving);
    if (!wired.served) state = unserved(places, plain, serving);
    writeResolvConf(state);
    settling = wired.settling;
  } catch (error) {
    if (!await withdraw(places, state, settled)) {
      // There may be rules for its addresses: they stay leased until the state is swept.
      undo.move();
      held[Symbol.dispose]();
    }
    throw error;
  }
  undo.move();
  const settle = () => settled.finally(() => settling.finish());
  const dispose = () => {
    settling[Symbol.dispose]();
    held[Symbol.dispose]();
  };
  const warnings = warningsOf(places, applied, endpoints);
  return { state, settle, held: held.fds, warnings, [Symbol.dispose]: dispose };
}

/**
 * Takes a container off its networks after it ended: its interfaces are silenced (they go with
 * the namespace), leases given back, rules and names brought up to date.
 */
export async function disconnectContainer(places: NetPlaces, state: NetworkState): Promise<void> {
  silence(state.endpoints);
  await endProxies(state);
  if (isAnnounced(state)) {
    writeState(places, { ...state, leaving: true });
    await announce(places, state);
  }
  await forgetNumbers(places, [state]);
  for (const endpoint of state.endpoints) releaseEndpoint(places, endpoint, state.owner.id);
  forgetState(places, state.owner.id);
}

/** Ends the proxies of containers that have ended: they would go by themselves, but later. */
export async function endProxies(...states: readonly NetworkState[]): Promise<void> {
  const proxies = states.flatMap((state) => state.proxies);
  if (proxies.length === 0) return;
  const { endProxy } = await import("./proxy.ts");
  proxies.forEach(endProxy);
}

/**
 * Takes the host's ends down. The kernel removes a dead namespace's interfaces a moment later;
 * until then they would answer for addresses that may already be leased again.
 */
export function silence(endpoints: readonly EndpointState[]): void {
  if (endpoints.length === 0) return;
  using host = Netlink.open();
  host.batch(endpoints.map((endpoint) => linkDown(endpoint.hostLink)));
}
