/**
 * Names between containers: every container of a network of the user's own has the names of its
 * neighbours in its /etc/hosts, which is written again when one comes, goes or is renamed. Any C
 * library reads that file at each lookup. What asks DNS itself is answered by a program of the
 * kernel's (`dns.ts`), which is told of changes here too. So no process has to stay resident.
 */
import { readIfThere } from "../base/files.ts";
import { type HostsLine, withNeighbours } from "./hosts_file.ts";
import { hashOf, type NetPlaces } from "./places.ts";
import { type EndpointState, type NetworkState, readStates } from "./state.ts";

/**
 * The lines for one container: the endpoints of others on its networks. Programs take the first
 * address of a name, so each container has an order of its own, which stays as others come and go:
 * of an alias that several share, one is the first for some and another for others.
 */
export function neighboursOf(state: NetworkState, all: readonly NetworkState[]): HostsLine[] {
  const lines = new Map<string, Set<string>>();
  for (const own of state.endpoints) {
    for (const other of all) {
      if (other.owner.id === state.owner.id) continue;
      for (const endpoint of other.endpoints) {
        if (endpoint.networkId !== own.networkId) continue;
        addLines(lines, endpoint, [...endpoint.dnsNames, ...linkNames(own.links, other)]);
      }
    }
    // Its own aliases: a container may call itself by them as well.
    addLines(lines, own, own.dnsNames);
  }
  const place = (ip: string) => hashOf(`${ip} ${state.owner.id}`);
  return [...lines].map(([ip, names]) => ({ ip, names: [...names] }))
    .sort((a, b) => place(a.ip) - place(b.ip));
}

/** What `links` call a container: the alias, then its own names, as docker writes them. */
export function linkNames(links: readonly string[], other: NetworkState): string[] {
  return links.flatMap((link) => {
    const [target, alias = target] = link.replace(/^\//, "").split(":");
    const meant = other.name === target ||
      (target.length >= 12 && other.owner.id.startsWith(target));
    return meant ? [alias.replace(/^.*\//, ""), other.hostname, other.name] : [];
  });
}

function addLines(
  lines: Map<string, Set<string>>,
  endpoint: EndpointState,
  dnsNames: readonly string[],
): void {
  if (dnsNames.length === 0) return;
  for (const address of [endpoint.ipv4, endpoint.ipv6]) {
    if (address === undefined) continue;
    const names = lines.get(address.ip) ?? new Set();
    for (const name of dnsNames) names.add(name);
    lines.set(address.ip, names);
  }
}

/**
 * Replaces a file's text in place: it is bind-mounted, a new file would not be seen. One write,
 * then the cut, so that a reader never finds the file empty.
 */
export function rewrite(path: string, text: string): void {
  const bytes = new TextEncoder().encode(text);
  using file = Deno.openSync(path, { write: true });
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.truncateSync(bytes.length);
}

/**
 * Brings the hosts files of all containers of these networks up to date, and what is known to the
 * programs that answer DNS. Needs the lock.
 */
export async function distributeNames(
  places: NetPlaces,
  networkIds: readonly string[],
): Promise<void> {
  const all = readStates(places);
  for (const state of all) {
    if (!state.endpoints.some((e) => networkIds.includes(e.networkId))) continue;
    if (state.hostsPath === undefined) continue;
    const text = readIfThere(state.hostsPath);
    if (text === undefined) continue; // its container is being removed
    const wanted = withNeighbours(text, neighboursOf(state, all));
    if (wanted !== text) rewrite(state.hostsPath, wanted);
  }
  if (!all.some(({ dns }) => dns !== undefined)) return;
  const { distributeDns } = await import("./dns.ts");
  distributeDns(places, networkIds, all);
}
