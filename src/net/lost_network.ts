/** A network whose record is damaged: what else is known of it, to take it away. */
import { readApplied } from "./applied.ts";
import { BRIDGE_NAME, emptyNetwork, type NetworkRecord } from "./networks.ts";
import type { NetPlaces } from "./places.ts";
import { readStates } from "./state.ts";

/**
 * The network of a damaged record as the firewall and running containers know it; with an empty id
 * where neither does: then the kernel has nothing of it.
 */
export function lostNetwork(places: NetPlaces, name: string): NetworkRecord {
  const told = readApplied(places)?.networks.find((network) => network.name === name);
  const endpoint = readStates(places).flatMap(({ endpoints }) => endpoints)
    .find(({ network }) => network === name);
  const bridge = told?.bridge ?? endpoint?.bridge;
  return {
    ...emptyNetwork(name, told?.id ?? endpoint?.networkId ?? ""),
    Options: bridge === undefined ? {} : { [BRIDGE_NAME]: bridge },
  };
}
