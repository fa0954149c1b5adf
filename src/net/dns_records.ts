/** What the maps of names hold, as bytes: see `dns_packet.ts` for their layout. Pure. */
import { contains, type Ip, parseIp, parseSubnet, sameIp, showIp } from "./address.ts";
import { CONTAINER_VALUE, NAME_KEY, NAME_VALUE } from "./dns_layout.ts";
import { gatewayEndpoint } from "./endpoint.ts";
import { linkNames } from "./names.ts";
import type { EndpointState, NetworkState } from "./state.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const LONGEST_LABEL = 63;

/** A name in a packet's form, in lower case; undefined if it has none or more than `most` bytes. */
export function wireName(name: string, most: number): Bytes | undefined {
  const labels = name.replace(/\.$/, "").toLowerCase().split(".").map((l) => encoder.encode(l));
  if (labels.some((label) => label.length === 0 || label.length > LONGEST_LABEL)) return undefined;
  const bytes = labels.flatMap((label) => [label.length, ...label]);
  return bytes.length + 1 > most ? undefined : new Uint8Array([...bytes, 0]);
}

/** Who knows a name: a network or a container, by the first 16 digits of its id. */
export function scopeOf(id: string): Bytes {
  return new Uint8Array(new BigUint64Array([BigInt(`0x${id.slice(0, 16)}`)]).buffer);
}

/** The key of a name; undefined for one that no map takes. */
export function nameKey(scope: Uint8Array, name: string): Bytes | undefined {
  const wire = wireName(name, NAME_KEY.nameBytes);
  if (wire === undefined) return undefined;
  const key = new Uint8Array(NAME_KEY.bytes);
  key.set(scope, NAME_KEY.scope);
  key.set(wire, NAME_KEY.name);
  return key;
}

/** The name that stands for an address in questions for its name: RFC 1035 3.5, RFC 3596 2.5. */
export function reverseName(ip: Ip): string {
  if (ip.length === 4) return `${[...ip].reverse().join(".")}.in-addr.arpa`;
  const digits = Array.from(ip, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}

/** Addresses as a value; those that are too many are left out. */
export function addressesValue(ips: readonly Ip[]): Bytes {
  const value = new Uint8Array(NAME_VALUE.bytes);
  const { most4, most6, addresses4, addresses6 } = NAME_VALUE;
  const of4 = ips.filter((ip) => ip.length === 4).slice(0, most4);
  const of6 = ips.filter((ip) => ip.length === 16).slice(0, most6);
  value[NAME_VALUE.count4] = of4.length;
  value[NAME_VALUE.count6] = of6.length;
  of4.forEach((ip, i) => value.set(ip, addresses4 + i * 4));
  of6.forEach((ip, i) => value.set(ip, addresses6 + i * 16));
  return value;
}

/** The name of an address as a value; undefined for a name that is too long. */
function pointerValue(name: string): Bytes | undefined {
  const wire = wireName(name, NAME_VALUE.mostPointer);
  if (wire === undefined) return undefined;
  const value = new Uint8Array(NAME_VALUE.bytes);
  value[NAME_VALUE.pointerLength] = wire.length;
  value.set(wire, NAME_VALUE.addresses4);
  return value;
}

/** Keys and values of one map; a key in a form that can be compared. */
export type Elements = Map<string, { key: Bytes; value: Bytes }>;

/** A key as a text. */
export const keyText = (key: Uint8Array) => String.fromCharCode(...key);

function put(elements: Elements, key: Bytes | undefined, value: Bytes | undefined): void {
  if (key !== undefined && value !== undefined) elements.set(keyText(key), { key, value });
}

const ipsOf = ({ ipv4, ipv6 }: EndpointState): Ip[] =>
  [ipv4, ipv6].flatMap((address) => address === undefined ? [] : parseIp(address.ip) ?? []);

/** Collects who is called what, then writes it for one scope. */
class Names {
  readonly #ips = new Map<string, Ip[]>();
  add(names: readonly string[], ips: readonly Ip[]): void {
    for (const name of new Set(names)) {
      const known = this.#ips.get(name) ?? [];
      this.#ips.set(name, [...known, ...ips.filter((ip) => !known.some((k) => sameIp(k, ip)))]);
    }
  }
  write(elements: Elements, scope: Uint8Array): void {
    for (const [name, ips] of this.#ips) {
      ips.sort((a, b) => showIp(a) < showIp(b) ? -1 : 1); // states are read in no order
      put(elements, nameKey(scope, name), addressesValue(ips));
    }
  }
}

/** The names on a network: of everybody, short and with the network's; and of the addresses. */
export function networkNames(elements: Elements, id: string, all: readonly NetworkState[]): void {
  const scope = scopeOf(id);
  const names = new Names();
  for (const endpoint of all.flatMap((state) => state.endpoints)) {
    if (endpoint.networkId !== id || endpoint.dnsNames.length === 0) continue;
    const { network, dnsNames } = endpoint;
    const ips = ipsOf(endpoint);
    names.add(dnsNames.flatMap((name) => [name, `${name}.${network}`]), ips);
    for (const ip of ips) {
      put(elements, nameKey(scope, reverseName(ip)), pointerValue(`${dnsNames[0]}.${network}`));
    }
  }
  names.write(elements, scope);
}

/** What a container alone calls others by `--link`. */
export function linkedNames(
  elements: Elements,
  state: NetworkState,
  all: readonly NetworkState[],
): void {
  const names = new Names();
  for (const own of state.endpoints) {
    if (own.links.length === 0) continue;
    for (const other of all) {
      const endpoint = other.endpoints.find((e) => e.networkId === own.networkId);
      if (endpoint === undefined || other.owner.id === state.owner.id) continue;
      names.add(linkNames(own.links, other), ipsOf(endpoint));
    }
  }
  names.write(elements, scopeOf(state.owner.id));
}

/** Where a container's names come from: its own links, then its networks in their order. */
export function scopesOf({ owner, endpoints }: NetworkState): string[] {
  const linked = endpoints.some(({ links }) => links.length > 0);
  const networks = endpoints.filter(({ dnsNames }) => dnsNames.length > 0);
  return [...(linked ? [owner.id] : []), ...networks.map(({ networkId }) => networkId)];
}

/** An address of a container's and the number of its interface. */
export interface DnsLink {
  readonly source: Ip;
  readonly index: number;
}

/** What a container may ask. */
export interface ContainerNames {
  /** Ids, of which the first 16 digits count. */
  readonly scopes: readonly string[];
  readonly servers: readonly (DnsLink & { readonly ip: Ip })[];
  readonly keepsBareNames: boolean;
  readonly links: readonly DnsLink[];
}

/** Of `servers`, those that one of the links leads to. */
export function reachableServers(
  servers: readonly Ip[],
  endpoints: readonly EndpointState[],
  links: readonly DnsLink[],
): ContainerNames["servers"] {
  const linkOf = (endpoint: EndpointState | undefined) => {
    const source = endpoint?.ipv4 && parseIp(endpoint.ipv4.ip);
    return source && links.find((link) => sameIp(link.source, source));
  };
  return servers.flatMap((ip) => {
    const near = endpoints.find(({ ipv4 }) =>
      ipv4 !== undefined && contains(parseSubnet(`${ipv4.ip}/${ipv4.prefix}`)!, ip)
    );
    const link = linkOf(near ?? gatewayEndpoint(endpoints, 4));
    return link === undefined ? [] : [{ ...link, ip }];
  });
}

/** The value for a container; what is too much is left out. */
export function containerValue(names: ContainerNames): Bytes {
  const at = CONTAINER_VALUE;
  const value = new Uint8Array(at.bytes);
  const view = new DataView(value.buffer);
  const scopes = names.scopes.slice(0, at.mostScopes);
  const servers = names.servers.slice(0, at.mostServers);
  value[at.scopeCount] = scopes.length;
  value[at.serverCount] = servers.length;
  value[at.keepsBareNames] = names.keepsBareNames ? 1 : 0;
  scopes.forEach((id, i) => value.set(scopeOf(id), at.scopes + i * 8));
  servers.forEach(({ ip, source, index }, i) => {
    const start = at.servers + i * at.server.bytes;
    value.set(ip, start + at.server.ip);
    value.set(source, start + at.server.source);
    view.setUint32(start + at.server.index, index, true);
  });
  names.links.slice(0, at.mostLinks).forEach(({ source, index }, i) => {
    const start = at.links + i * at.link.bytes;
    value.set(source, start + at.link.source);
    view.setUint32(start + at.link.index, index, true);
  });
  return value;
}

/** The links in a container's value. */
export function linksIn(value: Uint8Array): DnsLink[] {
  const { links, link, mostLinks } = CONTAINER_VALUE;
  const view = new DataView(value.buffer, value.byteOffset);
  return Array.from({ length: mostLinks }, (_, i) => links + i * link.bytes)
    .map((start) => ({
      source: value.slice(start + link.source, start + link.source + 4),
      index: view.getUint32(start + link.index, true),
    }))
    .filter(({ index }) => index !== 0);
}
