/** `NetworkSettings` of a container, in docker's shape. */
import { macOf, parseIp, showMac } from "../net/address.ts";
import type { EndpointState, NetworkState } from "../net/state.ts";
import { NOT_CONNECTED } from "./host_config.ts";
import type { ContainerRecord, EndpointSettings, NetworkSettings, PortMap } from "./types.ts";

/** Everything empty: what `inspect` shows before the first start. */
export function emptyNetworkSettings(): NetworkSettings {
  return {
    Bridge: "",
    SandboxID: "",
    SandboxKey: "",
    Ports: {},
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: "",
    Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    IPAddress: "",
    IPPrefixLen: 0,
    IPv6Gateway: "",
    MacAddress: "",
    Networks: {},
  };
}

/** What docker shows of one interface. */
function endpointSettings(endpoint: EndpointState, asked?: EndpointSettings): EndpointSettings {
  return {
    IPAMConfig: asked?.IPAMConfig ?? null,
    Links: asked?.Links ?? null,
    Aliases: endpoint.aliases.length > 0 ? [...endpoint.aliases] : null,
    MacAddress: endpoint.mac,
    DriverOpts: asked?.DriverOpts ?? null,
    GwPriority: endpoint.gwPriority,
    NetworkID: endpoint.networkId,
    EndpointID: endpoint.endpointId,
    Gateway: endpoint.ipv4?.gateway ?? "",
    IPAddress: endpoint.ipv4?.ip ?? "",
    IPPrefixLen: endpoint.ipv4?.prefix ?? 0,
    IPv6Gateway: endpoint.ipv6?.gateway ?? "",
    GlobalIPv6Address: endpoint.ipv6?.ip ?? "",
    GlobalIPv6PrefixLen: endpoint.ipv6?.prefix ?? 0,
    DNSNames: endpoint.dnsNames.length > 0 ? [...endpoint.dnsNames] : null,
  };
}

/** The MAC that the user gave an interface; "" where it follows from the address. */
export function askedMac({ MacAddress, IPAddress, GlobalIPv6Address }: EndpointSettings): string {
  const ip = parseIp(IPAddress || GlobalIPv6Address);
  return ip !== undefined && MacAddress === showMac(macOf(ip)) ? "" : MacAddress;
}

/** What stays when a run has ended: its addresses and ports were its own, what was asked for not. */
export function withoutAddresses({ Networks }: NetworkSettings): NetworkSettings {
  const asked = Object.entries(Networks).map(([name, endpoint]) =>
    [name, {
      ...endpoint,
      MacAddress: askedMac(endpoint),
      ...NOT_CONNECTED,
    }] as const
  );
  return { ...emptyNetworkSettings(), Networks: Object.fromEntries(asked) };
}

/** The settings as they are now: addresses and a namespace only while the container runs. */
export function currentSettings(
  { NetworkSettings }: ContainerRecord,
  pid: number | undefined,
): NetworkSettings {
  if (NetworkSettings.SandboxID === "") return NetworkSettings;
  return pid === undefined
    ? withoutAddresses(NetworkSettings)
    : { ...NetworkSettings, SandboxKey: `/proc/${pid}/ns/net` };
}

/**
 * Exposed ports without a binding are null, published ones a list. Where nothing but internal
 * networks is, there is no way out for a port, and docker shows none.
 */
function portMap(state: NetworkState): PortMap {
  const ports: PortMap = {};
  if (state.endpoints.every(({ internal }) => internal)) return ports;
  for (const port of state.exposed) ports[port] = null;
  for (const { containerPort, protocol, hostIp, hostPort } of state.ports) {
    const key = `${containerPort}/${protocol}`;
    (ports[key] ??= []).push({ HostIp: hostIp, HostPort: String(hostPort) });
  }
  const sorted = Object.entries(ports).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
  return Object.fromEntries(sorted);
}

/**
 * A record with what its networks give the container. SandboxKey stays empty: it follows from the
 * first process.
 */
export function withNetworks(
  record: ContainerRecord,
  state: NetworkState,
  asked = record.NetworkSettings.Networks,
): ContainerRecord {
  return { ...record, NetworkSettings: networkSettings(state, asked) };
}

function networkSettings(
  state: NetworkState,
  asked: Record<string, EndpointSettings>,
): NetworkSettings {
  const bridge = state.endpoints.find(({ network }) => network === "bridge");
  const top = bridge && endpointSettings(bridge);
  // What the user named by its id is shown by its name.
  const left = { ...asked };
  const networks = state.endpoints.map((endpoint) => {
    const { network, networkId } = endpoint;
    const byId = (key: string) => key !== "" && networkId.startsWith(key);
    const key = Object.hasOwn(left, network) ? network : Object.keys(left).find(byId) ?? network;
    const { [key]: wish } = left;
    delete left[key];
    return [network, endpointSettings(endpoint, wish)] as const;
  });
  return {
    ...emptyNetworkSettings(),
    SandboxID: state.owner.id,
    Ports: portMap(state),
    ...(top && {
      EndpointID: top.EndpointID,
      Gateway: top.Gateway,
      GlobalIPv6Address: top.GlobalIPv6Address,
      GlobalIPv6PrefixLen: top.GlobalIPv6PrefixLen,
      IPAddress: top.IPAddress,
      IPPrefixLen: top.IPPrefixLen,
      IPv6Gateway: top.IPv6Gateway,
      MacAddress: top.MacAddress,
    }),
    Networks: { ...left, ...Object.fromEntries(networks) },
  };
}
