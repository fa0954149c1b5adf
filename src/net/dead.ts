/** Finding what the dead left; small, because every command looks. `sweep.ts` removes it. */
import { listLeases } from "./leases.ts";
import { isHeld } from "./owner.ts";
import type { NetPlaces } from "./places.ts";
import { type NetworkState, readState, stateIds, tornStates } from "./state.ts";

/** Is this container's first process alive? */
export type IsLive = (id: string) => boolean;

/** The states that nobody holds any more. */
export function deadStates(places: NetPlaces, isLive: IsLive): NetworkState[] {
  return stateIds(places).filter((id) => !isLive(id)).flatMap((id) => {
    const state = readState(places, id);
    return state !== undefined && !isHeld(state.owner, isLive) ? [state] : [];
  });
}

/** Is there a state or a lease of somebody who is gone? Looks at each container once. */
export function leftBehind(places: NetPlaces, isLive: IsLive): boolean {
  const known = new Map<string, boolean>();
  const once: IsLive = (id) => {
    const live = known.get(id) ?? isLive(id);
    known.set(id, live);
    return live;
  };
  return deadStates(places, once).length > 0 || tornStates(places).length > 0 ||
    listLeases(places).some((lease) => !isHeld(lease.owner, once));
}
