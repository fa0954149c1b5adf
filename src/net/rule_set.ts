/** The rules that should be: all networks, and the published ports of all who hold theirs. */
import {
  type Applied,
  applyRules,
  type Backend,
  covers,
  readApplied,
  type Scope,
} from "./firewall.ts";
import { BRIDGE_MASQUERADE, bridgeOf, optionOn, readNetworks } from "./networks.ts";
import type { NetworkRecord } from "./networks.ts";
import { parseIp } from "./address.ts";
import type { NetPlaces } from "./places.ts";
import type { PublishedPort } from "./ports.ts";
import type { RuleNetwork, RulePort, RuleSet } from "./rules.ts";
import { type EndpointState, type NetworkState, readStates } from "./state.ts";

function ruleNetwork(network: NetworkRecord, places: NetPlaces): RuleNetwork {
  const configs = network.IPAM.Config ?? [];
  const subnet = (six: boolean) =>
    configs.find((config) => config.Subnet.includes(":") === six)?.Subnet;
  return {
    bridge: bridgeOf(network, places),
    subnet4: subnet(false),
    subnet6: subnet(true),
    internal: network.Internal,
    masquerade: optionOn(network, BRIDGE_MASQUERADE, true),
  };
}

/** The bridge behind which a published port's container address is. */
function bridgeBehind(port: PublishedPort, endpoints: readonly EndpointState[]): string {
  const six = parseIp(port.containerIp)!.length === 16;
  const endpoint = endpoints.find((e) => (six ? e.ipv6 : e.ipv4)?.ip === port.containerIp);
  return endpoint?.bridge ?? "";
}

/** The rules for these networks and containers. Pure. */
export function ruleSetOf(
  networks: readonly NetworkRecord[],
  states: readonly NetworkState[],
  places: NetPlaces,
): RuleSet {
  return {
    networks: networks.map((network) => ruleNetwork(network, places)),
    ports: states.filter((state) => !state.proxied).flatMap((state) =>
      state.ports.map((port): RulePort => ({
        ...port,
        bridge: bridgeBehind(port, state.endpoints),
      }))
    ),
  };
}

/**
 * Makes the firewall fit what is on disk, without the network `except` that is being removed. The
 * caller holds the lock.
 */
export async function refreshRules(
  places: NetPlaces,
  scope: Scope,
  except?: string,
): Promise<Backend> {
  const networks = readNetworks(places).filter(({ Id }) => Id !== except);
  const set = ruleSetOf(networks, readStates(places), places);
  return await applyRules(places, set, networks.map((network) => network.Id), scope);
}

/** What the firewall knows, after making it know these networks if it does not. */
export async function ensureRules(
  places: NetPlaces,
  networkIds: readonly string[],
  locked: <T>(body: () => Promise<T>) => Promise<T>,
): Promise<Applied> {
  const applied = readApplied(places);
  if (covers(applied, networkIds)) return applied!;
  return await locked(async () => {
    const now = readApplied(places); // another client may have been faster
    if (!covers(now, networkIds)) await refreshRules(places, "all");
    return readApplied(places)!;
  });
}
