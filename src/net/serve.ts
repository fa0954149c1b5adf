/**
 * DNS as a start of a container sees it: what is needed to decide whether it is served at all,
 * without the code of the programs.
 */
import { parseIp } from "./address.ts";
import type { ConnectRequest } from "./attach.ts";
import type { Serving } from "./dns.ts";
import type { DnsLink } from "./dns_records.ts";
import type { NetPlaces } from "./places.ts";
import { type EndpointState, type NetworkState, writeState } from "./state.ts";
import type { WiredLink } from "./wiring.ts";

/** What the programs have to know of interfaces. */
export function dnsLinks(
  endpoints: readonly EndpointState[],
  links: readonly WiredLink[],
): DnsLink[] {
  return endpoints.flatMap(({ ipv4 }, i) =>
    ipv4 === undefined ? [] : [{ source: parseIp(ipv4.ip)!, index: links[i].index }]
  );
}

/** Begins to answer a container's DNS questions, where docker would and the kernel can. */
export async function serve(
  places: NetPlaces,
  { id, resolvConf }: ConnectRequest,
  endpoints: readonly EndpointState[],
): Promise<Serving | undefined> {
  const isNamed = endpoints.some(({ dnsNames }) => dnsNames.length > 0);
  if (!isNamed || resolvConf === undefined) return undefined;
  const { beginServing } = await import("./dns.ts");
  return beginServing(places, id, resolvConf, endpoints);
}

/** The state of a container that is served; its file has docker's server. */
export function servedState(state: NetworkState, serving: Serving | undefined): NetworkState {
  if (serving === undefined) return state;
  const { number, resolver: { text } } = serving;
  return { ...state, dns: { number }, resolvConf: { ...state.resolvConf!, text } };
}

/** Gives up what was begun, where the kernel did not take the programs. */
export function unserved(
  places: NetPlaces,
  plain: NetworkState,
  serving: Serving | undefined,
): NetworkState {
  if (serving === undefined) return plain;
  serving.forget();
  writeState(places, plain);
  return plain;
}

/** Writes the file that becomes a starting container's /etc/resolv.conf. */
export function writeResolvConf({ resolvConf }: NetworkState): void {
  if (resolvConf !== undefined) Deno.writeTextFileSync(resolvConf.path, resolvConf.text);
}

/** Forgets what the programs that answer DNS know of containers that have ended. */
export async function forgetNumbers(
  places: NetPlaces,
  states: readonly NetworkState[],
): Promise<void> {
  if (!states.some(({ dns }) => dns !== undefined)) return;
  const { forgetServed } = await import("./dns.ts");
  forgetServed(places, states);
}
