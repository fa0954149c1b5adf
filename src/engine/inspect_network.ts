/** A network as docker's API shows it, with the running containers that are on it. */
import { findNetwork, type NetworkContainer, type NetworkRecord } from "../net/networks.ts";
import { type EndpointAddress, readStates } from "../net/state.ts";
import { places } from "./network.ts";

function withPrefix(address: EndpointAddress | undefined): string {
  return address === undefined ? "" : `${address.ip}/${address.prefix}`;
}

/** The network `reference`. Throws UserError with docker's text when there is none. */
export function inspectNetwork(reference: string): NetworkRecord {
  const network = findNetwork(places(), reference);
  const containers: Record<string, NetworkContainer> = {};
  for (const { owner, name, endpoints } of readStates(places())) {
    const endpoint = endpoints.find(({ networkId }) => networkId === network.Id);
    if (endpoint === undefined) continue;
    containers[owner.id] = {
      Name: name,
      EndpointID: endpoint.endpointId,
      MacAddress: endpoint.mac,
      IPv4Address: withPrefix(endpoint.ipv4),
      IPv6Address: withPrefix(endpoint.ipv6),
    };
  }
  return { ...network, Containers: containers };
}
