/**
 * Telling running containers of a change of the host's resolvers. Nobody watches for it: the next
 * command that cleans up (run, rm, ps, network …) compares the host's file with a copy.
 */
import { locked } from "./lock.ts";
import { rewrite } from "./names.ts";
import type { NetPlaces } from "./places.ts";
import { containerResolvConf, hostResolvConf, toldPath } from "./resolv_conf.ts";
import { type NetworkState, readStates, writeState } from "./state.ts";

/** The file a container would get now; the state's own text if the container wrote its file. */
function renewed(state: NetworkState, hostText: string): string | undefined {
  const file = state.resolvConf;
  if (file === undefined) return undefined;
  const ipv6 = () => state.endpoints.some((endpoint) => endpoint.ipv6 !== undefined);
  const text = containerResolvConf(hostText, file, { ipv6 });
  if (text === file.text) return undefined;
  try {
    return Deno.readTextFileSync(file.path) === file.text ? text : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // it is being removed
    throw error;
  }
}

/**
 * Writes the resolv.conf of each container on a network again that nobody but us has written;
 * how many. Containers with the host's network or without any get theirs at their next start.
 */
export async function refreshResolvers(
  places: NetPlaces,
  hostText = hostResolvConf(),
): Promise<number> {
  return await locked(places, () => {
    let count = 0;
    for (const state of readStates(places)) {
      const text = renewed(state, hostText);
      if (text === undefined) continue;
      rewrite(state.resolvConf!.path, text);
      writeState(places, { ...state, resolvConf: { ...state.resolvConf!, text } });
      count++;
    }
    Deno.writeTextFileSync(toldPath(places), hostText, { mode: 0o600 });
    return count;
  });
}
