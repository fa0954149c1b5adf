/** DNS of containers that run: when their networks change, or the host's resolvers. */
import { readIfThere } from "../base/files.ts";
import { parseIp } from "./address.ts";
import { beginServing, servedResolver, tellServers } from "./dns.ts";
import type { DnsLink } from "./dns_records.ts";
import { rewrite } from "./names.ts";
import type { NetPlaces } from "./places.ts";
import type { Sandbox } from "./sandbox.ts";
import type { EndpointState, NetworkState } from "./state.ts";

/** The interfaces of a running container. */
function linksOf(sandbox: Sandbox, endpoints: readonly EndpointState[]): DnsLink[] {
  return endpoints.flatMap(({ ifname, ipv4 }) => {
    const link = ipv4 && sandbox.netlink.link(ifname);
    return link === undefined ? [] : [{ source: parseIp(ipv4!.ip)!, index: link.index }];
  });
}

/** Its file, if nobody but us has written it; the state that knows the new text. */
export function replaceResolvConf(state: NetworkState, text: string): NetworkState {
  const file = state.resolvConf!;
  if (text === file.text || readIfThere(file.path) !== file.text) return state;
  rewrite(file.path, text);
  return { ...state, resolvConf: { ...file, text } };
}

/**
 * Serves a running container whose endpoints are now those of `state`, as far as it can be; the
 * state to be written. Not under the lock.
 */
export async function serveLive(
  places: NetPlaces,
  state: NetworkState,
  sandbox: Sandbox,
): Promise<NetworkState> {
  const { owner, resolvConf, endpoints, dns } = state;
  if (resolvConf === undefined) return state;
  using serving = await beginServing(places, owner.id, resolvConf, endpoints, dns);
  if (serving === undefined) return state;
  const served = { ...state, dns: { number: serving.number } };
  const { resolver } = serving;
  if (serving.attach(sandbox, served, linksOf(sandbox, endpoints))) {
    return replaceResolvConf(served, resolver.text);
  }
  if (dns === undefined) serving.forget();
  return state;
}

/** Tells a container that is served of the host's resolvers. */
export function renewServed(
  places: NetPlaces,
  state: NetworkState,
  hostText: string,
): NetworkState {
  const resolver = servedResolver(state.resolvConf!, state.endpoints, hostText);
  tellServers(places, state, resolver);
  return replaceResolvConf(state, resolver.text);
}
