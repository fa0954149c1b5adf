/** The rules that should be: all networks, and the published ports of all who hold theirs. */
import { type Applied, type AppliedNetwork, covers, readApplied } from "./applied.ts";
import { applyRules, type Scope } from "./firewall.ts";
import type { Backend } from "./firewall_program.ts";
import { BRIDGE_MASQUERADE, bridgeOf, optionOn, readNetworks } from "./networks.ts";
import type { NetworkRecord } from "./networks.ts";
import { parseIp } from "./address.ts";
import type { NetPlaces } from "./places.ts";
import type { PublishedPort } from "./ports.ts";
import type { RulePort } from "./rules.ts";
import { type EndpointState, type NetworkState, readStates } from "./state.ts";

/** What the firewall has to know of a network. Pure. */
export function ruleNetwork(network: NetworkRecord, places: NetPlaces): AppliedNetwork {
  const configs = network.IPAM.Config ?? [];
  const subnet = (six: boolean) =>
    configs.find((config) => config.Subnet.includes(":") === six)?.Subnet;
  return {
    id: network.Id,
    name: network.Name,
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
  networks: readonly AppliedNetwork[],
  states: readonly NetworkState[],
): { networks: readonly AppliedNetwork[]; ports: RulePort[] } {
  return {
    networks,
    ports: states.filter((state) => !state.proxied).flatMap((state) =>
      state.ports.map((port): RulePort => ({
        ...port,
        bridge: bridgeBehind(port, state.endpoints),
      }))
    ),
  };
}

/**
 * All networks as the firewall has to know them. One whose record is damaged is what it was told
 * last: its containers may run, and the walls around it stay.
 */
function ruleNetworks(places: NetPlaces): AppliedNetwork[] {
  const damaged = new Set<string>();
  const sound = readNetworks(places, (_error, name) => damaged.add(name));
  const told = damaged.size > 0 ? readApplied(places)?.networks ?? [] : [];
  return [
    ...sound.map((network) => ruleNetwork(network, places)),
    ...told.filter(({ name }) => damaged.has(name)),
  ];
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
  const networks = ruleNetworks(places).filter(({ id }) => id !== except);
  return await applyRules(places, ruleSetOf(networks, readStates(places)), scope);
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
