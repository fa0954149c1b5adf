/** Networks as docker's commands see them: made, listed, inspected, removed, repaired. */
import { UserError } from "../base/errors.ts";
import { lostNetwork } from "../net/lost_network.ts";
import { isRootless } from "../base/places.ts";
import { Netlink } from "../../ffi/netlink.ts";
import { removeBridge } from "../net/bridge.ts";
import { createNetwork, defaultNetwork, type NetworkOptions } from "../net/create_network.ts";
import { forgetLeases } from "../net/leases.ts";
import { locked } from "../net/lock.ts";
import {
  allNetworks,
  findNetwork,
  forgetNetwork,
  isDamaged,
  type NetworkContainer,
  type NetworkRecord,
  type OnBroken,
  PREDEFINED,
} from "../net/networks.ts";
import { refreshRules } from "../net/rule_set.ts";
import { type EndpointAddress, type NetworkState, readStates } from "../net/state.ts";
import { type Repair, repairNetworks } from "../net/sweep.ts";
import { emitEvent } from "./events.ts";
import { isOnNetworks, places } from "./network.ts";

export { checkAddresses } from "../net/create_network.ts";
export { type NetworkRecord, PREDEFINED } from "../net/networks.ts";

function emit(network: NetworkRecord, action: string): void {
  const attributes = { name: network.Name, type: network.Driver };
  emitEvent({ Type: "network", Action: action, id: network.Id, attributes });
}

/** Makes a network. Throws UserError with docker's texts. */
export async function addNetwork(options: NetworkOptions): Promise<NetworkRecord> {
  if (isRootless()) {
    throw new UserError("Cannot make a network: it takes a bridge, which only root can make");
  }
  const network = await createNetwork(places(), options);
  emit(network, "create");
  return network;
}

/**
 * All networks, the predefined ones too, by name; `onBroken`: see `readNetworks`. It is told as well
 * of the default network where there is none yet and none can be made, for want of free addresses.
 */
export async function listNetworks(onBroken: OnBroken): Promise<NetworkRecord[]> {
  try {
    if (!isDamaged(places(), "bridge")) await defaultNetwork(places());
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    onBroken(error, "bridge");
  }
  return allNetworks(places(), onBroken).sort((a, b) =>
    a.Name < b.Name ? -1 : a.Name > b.Name ? 1 : 0
  );
}

const withPrefix = (address?: EndpointAddress) =>
  address === undefined ? "" : `${address.ip}/${address.prefix}`;

/** The containers that are on a network now, by id. */
function containersOn(
  network: NetworkRecord,
  states: readonly NetworkState[],
): Record<string, NetworkContainer> {
  const found: Record<string, NetworkContainer> = {};
  for (const state of states) {
    const endpoint = state.endpoints.find((e) => e.networkId === network.Id);
    if (endpoint === undefined) continue;
    found[state.owner.id] = {
      Name: state.name,
      EndpointID: endpoint.endpointId,
      MacAddress: endpoint.mac,
      IPv4Address: withPrefix(endpoint.ipv4),
      IPv6Address: withPrefix(endpoint.ipv6),
    };
  }
  return found;
}

/** A network with its containers. Throws UserError "network x not found". */
export async function inspectNetwork(reference: string): Promise<NetworkRecord> {
  if (reference === "bridge") await defaultNetwork(places());
  const network = findNetwork(places(), reference);
  return { ...network, Containers: containersOn(network, readStates(places())) };
}

/** Ids of networks that running containers are on. */
export function usedNetworks(): Set<string> {
  return new Set(readStates(places()).flatMap((s) => s.endpoints.map((e) => e.networkId)));
}

/** Takes a network out of the kernel and off the disk; the lock is held. */
async function takeAway(network: NetworkRecord): Promise<void> {
  if (network.Id !== "") {
    await refreshRules(places(), "all", network.Id);
    using netlink = Netlink.open();
    removeBridge(netlink, network, places());
    forgetLeases(places(), network.Id);
  }
  // Last: if this process is killed before, the network is still there to be removed.
  forgetNetwork(places(), network.Name);
}

/** The network that is to be removed, also one whose record is damaged. Throws UserError. */
function removable(reference: string): NetworkRecord {
  const refuse = (name: string) => {
    throw new UserError(`${name} is a pre-defined network and cannot be removed`);
  };
  // The default network, too: its next use makes it again.
  if (isDamaged(places(), reference)) return lostNetwork(places(), reference);
  if (PREDEFINED.includes(reference)) refuse(reference); // also the bridge before its first use
  const network = findNetwork(places(), reference);
  if (PREDEFINED.includes(network.Name)) refuse(network.Name);
  return network;
}

/** Removes a network. Throws UserError with docker's texts if it is predefined or in use. */
export async function removeNetwork(reference: string): Promise<void> {
  const network = removable(reference);
  await locked(places(), async () => {
    const users = Object.values(containersOn(network, readStates(places())));
    if (users.length > 0) {
      const names = users.map((user) => `name:"${user.Name}" id:"${user.EndpointID.slice(0, 12)}"`);
      throw new UserError(
        `error while removing network: network ${network.Name} id ${network.Id} has active ` +
          `endpoints (${names.join(", ")})`,
      );
    }
    await takeAway(network);
  });
  emit(network, "destroy");
}

/** Puts back what a firewall reload or a crash took away; `onBroken`: see `repairNetworks`. */
export async function repair(onBroken: OnBroken): Promise<Repair> {
  return await repairNetworks(places(), isOnNetworks, onBroken);
}
