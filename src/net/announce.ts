/** Telling the firewall and the neighbours of a container that comes or goes. */
import { UserError } from "../base/errors.ts";
import { readFirewallError } from "./firewall.ts";
import { locked } from "./lock.ts";
import { distributeNames } from "./names.ts";
import type { NetPlaces } from "./places.ts";
import type { HostPort } from "./ports.ts";
import { refreshRules } from "./rule_set.ts";
import { type NetworkState, writeState } from "./state.ts";

/**
 * Brings the rules for published ports up to date, of which `changed` lead elsewhere now. Throws
 * UserError if the firewall takes none.
 */
export async function publishRules(
  places: NetPlaces,
  changed: readonly HostPort[],
): Promise<void> {
  if (await refreshRules(places, "ports") !== "none") return await forgetDatagrams(changed);
  throw new UserError(
    `Cannot publish ports by the firewall: ${readFirewallError(places)}`,
    125,
    "--userland-proxy needs none",
  );
}

/** Lets go of what the kernel knows of datagrams to these ports; see `flows.ts`. */
export async function forgetDatagrams(ports: readonly HostPort[]): Promise<void> {
  if (!ports.some(({ protocol }) => protocol === "udp")) return;
  const { forgetFlows } = await import("./flows.ts");
  forgetFlows(ports);
}

/** Does the firewall know its ports? */
export function hasRules(state: NetworkState): boolean {
  return state.ports.length > 0 && !state.proxied;
}

/** Ids of the networks on which others know it, or it knows others by links. */
export function namedOn(state: NetworkState): string[] {
  return state.endpoints.filter((e) => e.dnsNames.length > 0 || e.links.length > 0)
    .map((e) => e.networkId);
}

export const isAnnounced = (state: NetworkState) => hasRules(state) || namedOn(state).length > 0;

/** Tells the firewall and the neighbours about a container whose state is written. */
export async function announce(places: NetPlaces, state: NetworkState): Promise<void> {
  if (!isAnnounced(state)) return;
  const named = namedOn(state);
  const published = hasRules(state);
  await locked(places, async () => {
    if (published) await publishRules(places, state.ports);
    if (named.length > 0) await distributeNames(places, named);
  });
}

/** Takes back what `announce` told, after a failure; whether that was done. */
export async function withdraw(
  places: NetPlaces,
  state: NetworkState,
  announced: Promise<void>,
): Promise<boolean> {
  await announced.catch(() => {}); // the first error is the one to tell
  try {
    writeState(places, { ...state, leaving: true });
    await announce(places, state);
    return true;
  } catch {
    return false;
  }
}
