/** Between a container's record and its networks: what is asked, and which files tell of it. */
import { messageOf } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import { containerDirectory, isRootless, rootDirectory, runDirectory } from "../base/places.ts";
import type { Connection } from "../net/attach.ts";
import { leftBehind } from "../net/dead.ts";
import type { EndpointRequest } from "../net/endpoint.ts";
import { hostsText } from "../net/hosts_file.ts";
import { readNetworks } from "../net/networks.ts";
import { type NetPlaces, netPlaces } from "../net/places.ts";
import { containerResolvConf, hostResolvConf, hostResolversChanged } from "../net/resolv_conf.ts";
import { type NetworkState, readState, type ResolvConfState } from "../net/state.ts";
import { rulesTouched } from "../net/rules_mark.ts";
import type { Sandbox } from "../net/sandbox.ts";
import type { Shaping } from "../net/shaping.ts";
import { wantsHandover, wantsWatch } from "../net/watch.ts";
import { joinedContainer } from "./modes.ts";
import { askedMac } from "./network_settings.ts";
import { isAlive, readRunState } from "./state.ts";
import type { ContainerRecord, EndpointSettings, HostConfig } from "./types.ts";

const USER_NAMESERVER = "10.0.2.3";

/** How a container gets its network namespace. */
export type NetworkPlan =
  | { kind: "host" }
  | { kind: "none" }
  | { kind: "join"; container: string }
  | { kind: "networks"; requests: EndpointRequest[] };

/** The engine's network directories. */
export function places(): NetPlaces {
  return netPlaces(rootDirectory(), runDirectory());
}

/** docker's client writes "default" where it means the default network. */
export function networkName(name: string): string {
  return name === "" || name === "default" ? "bridge" : name;
}

/**
 * What the record asks for: the networks it was made with and those of `network connect`, without
 * those of `network disconnect`. There may be none left.
 */
export function planNetwork({ HostConfig, NetworkSettings }: ContainerRecord): NetworkPlan {
  const mode = HostConfig.NetworkMode;
  if (mode === "host" || mode === "none") return { kind: mode };
  const joined = joinedContainer(mode);
  if (joined !== undefined) return { kind: "join", container: joined };
  const asked = NetworkSettings.Networks;
  const requests = Object.keys(asked).map((network): EndpointRequest => {
    const request = endpointRequest(network, asked[network]);
    const links = network === mode ? HostConfig.Links ?? [] : [];
    return { ...request, links: [...(request.links ?? []), ...links] };
  });
  return { kind: "networks", requests };
}

/** What the settings of an endpoint ask for. */
export function endpointRequest(network: string, wish?: EndpointSettings): EndpointRequest {
  return {
    network,
    ipv4: wish?.IPAMConfig?.IPv4Address || undefined,
    ipv6: wish?.IPAMConfig?.IPv6Address || undefined,
    linkLocalIps: wish?.IPAMConfig?.LinkLocalIPs ?? [],
    mac: wish && askedMac(wish) || undefined,
    aliases: wish?.Aliases ?? [],
    links: wish?.Links ?? [],
    gwPriority: wish?.GwPriority ?? 0,
  };
}

/** Does the container run, so that what it has of networks is its own? */
export function isOnNetworks(id: string): boolean {
  const run = readRunState(id);
  return run !== undefined && isAlive(run.pid, run.startTime);
}

/** Starts the watch over the rules of published ports where nobody watches. */
export async function watchRules(): Promise<void> {
  if (!wantsWatch(places())) return;
  const { startRulesWatch } = await import("./rules_watcher.ts");
  startRulesWatch(places());
}

/**
 * Removes what containers that are gone left of networks (what has ended cleans up itself), puts
 * rules back that a firewall reload removed, and tells the others of a change of the host's
 * resolvers.
 */
export async function sweepNetworkStates(): Promise<void> {
  if (isRootless()) return; // its networks end with the monitor
  if (leftBehind(places(), isOnNetworks)) {
    const { sweepNetworks } = await import("../net/sweep.ts");
    await sweepNetworks(places(), isOnNetworks);
  }
  if (rulesTouched(places())) {
    const { restoreLostRules } = await import("../net/rules_watch.ts");
    await restoreLostRules(places());
  }
  await watchRules();
  if (!hostResolversChanged(places())) return;
  const { refreshResolvers } = await import("../net/resolv_refresh.ts");
  await refreshResolvers(places());
}

/** The same for commands that are about something else: a failure is no failure of theirs. */
export async function tidyNetworks(): Promise<void> {
  await sweepNetworkStates().catch((error: Error) => console.error(`WARNING: ${messageOf(error)}`));
}

/** Will the container have an IPv6 address? A network that is not there is told of later. */
function hasIpv6(plan: NetworkPlan): boolean {
  if (plan.kind !== "networks") return false;
  const networks = readNetworks(places(), () => {});
  return plan.requests.some(({ network }) =>
    networks.some(({ Name, Id, EnableIPv6 }) =>
      EnableIPv6 && (Name === network || Id.startsWith(network))
    )
  );
}

/** A new resolv.conf for the container, and what is needed to make it again. */
export function resolvConfOf(record: ContainerRecord, plan: NetworkPlan): ResolvConfState {
  const { Dns, DnsSearch, DnsOptions } = record.HostConfig;
  // The program that carries an ordinary user's packets knows the way to the host's resolvers.
  const dns = Dns.length === 0 && isRootless() && plan.kind === "networks"
    ? [USER_NAMESERVER]
    : Dns;
  const asked = { dns, search: DnsSearch, options: DnsOptions };
  const text = containerResolvConf(hostResolvConf(), asked, {
    ipv6: () => hasIpv6(plan),
    shared: plan.kind === "host",
  });
  return { path: record.ResolvConfPath, text, ...asked };
}

/** The text of the container's /etc/hosts. With the host's network it is the host's. */
export function hostsOf(record: ContainerRecord, state: NetworkState | undefined): string {
  const { Config, HostConfig } = record;
  const source = HostConfig.Diplodock?.HostsFile;
  const shared = HostConfig.NetworkMode === "host" || HostConfig.UTSMode === "host";
  const path = source?.startsWith("/") ? source : shared ? "/etc/hosts" : undefined;
  const base = source === "none" ? "" : path === undefined ? undefined : readIfThere(path);
  const addresses = (state?.endpoints ?? []).flatMap((endpoint) => [
    ...(endpoint.ipv4 ? [endpoint.ipv4.ip] : []),
    ...(endpoint.ipv6 ? [endpoint.ipv6.ip] : []),
  ]);
  return hostsText({
    hostname: shared ? "" : Config.Hostname,
    domainname: Config.Domainname,
    ips: addresses,
    extraHosts: HostConfig.ExtraHosts ?? [],
    hostGateway: state?.endpoints[0]?.ipv4?.gateway ?? "127.0.0.1",
    base,
  });
}

/** How bad the user wants the container's network to be; undefined: as it is. */
export function shapingOf({ Diplodock: own = {} }: HostConfig): Shaping | undefined {
  const { NetRateBits: rateBits, NetDelayMicros: delayMicros, NetLossPercent: lossPercent } = own;
  return rateBits || delayMicros || lossPercent
    ? { rateBits, delayMicros, lossPercent }
    : undefined;
}

/** Connects a container in its sandbox, which is asked for when it is needed. */
export async function connect(
  record: ContainerRecord,
  requests: readonly EndpointRequest[],
  sandbox: () => Sandbox,
  resolvConf: ResolvConfState,
): Promise<Connection> {
  const { connectContainer } = await import("../net/attach.ts");
  const { Config, HostConfig } = record;
  return connectContainer(places(), {
    id: record.Id,
    name: record.Name.slice(1),
    hostname: Config.Hostname,
    networks: requests,
    portBindings: HostConfig.PortBindings,
    exposed: Object.keys(Config.ExposedPorts ?? {}),
    publishAll: HostConfig.PublishAllPorts,
    userlandProxy: HostConfig.Diplodock?.UserlandProxy,
    shaping: shapingOf(HostConfig),
    hostsPath: `${containerDirectory(record.Id)}/hosts`,
    hosts: (state) => hostsOf(record, state),
    resolvConf,
  }, sandbox);
}

/** Takes a container that has ended off its networks; fine when it is on none. */
export async function disconnect(id: string): Promise<void> {
  if (isRootless()) return (await import("./user_network.ts")).disconnectUser(id);
  const at = places();
  const state = readState(at, id);
  if (state === undefined) return;
  const { disconnectContainer } = await import("../net/attach.ts");
  await disconnectContainer(at, state);
  if (state.ports.length === 0 || !wantsHandover(at, id)) return;
  const { startRulesWatch } = await import("./rules_watcher.ts");
  startRulesWatch(at, id);
}
