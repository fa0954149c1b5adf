/**
 * Telling running containers of a change of the host's resolvers. Nobody watches for it: the next
 * command that cleans up (run, rm, ps, network …) compares the host's file with a copy.
 */
import { locked } from "./lock.ts";
import type { NetPlaces } from "./places.ts";
import { containerResolvConf, hostResolvConf, toldPath } from "./resolv_conf.ts";
import { type NetworkState, readStates, writeState } from "./state.ts";

/** The state of a container whose file was renewed; the same where there is nothing to renew. */
async function renewed(
  places: NetPlaces,
  state: NetworkState,
  hostText: string,
): Promise<NetworkState> {
  const file = state.resolvConf;
  if (file === undefined) return state;
  const { renewServed, replaceResolvConf } = await import("./dns_live.ts");
  if (state.dns !== undefined) return renewServed(places, state, hostText);
  const ipv6 = () => state.endpoints.some((endpoint) => endpoint.ipv6 !== undefined);
  return replaceResolvConf(state, containerResolvConf(hostText, file, { ipv6 }));
}

/**
 * Writes the resolv.conf of each container on a network again that nobody but us has written;
 * how many. Containers with the host's network or without any get theirs at their next start.
 */
export async function refreshResolvers(
  places: NetPlaces,
  hostText = hostResolvConf(),
): Promise<number> {
  return await locked(places, async () => {
    let count = 0;
    for (const state of readStates(places)) {
      const next = await renewed(places, state, hostText);
      if (next === state) continue;
      writeState(places, next);
      count++;
    }
    Deno.writeTextFileSync(toldPath(places), hostText, { mode: 0o600 });
    return count;
  });
}
