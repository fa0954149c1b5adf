/**
 * DNS for containers on networks of the user's own, without a process: a program of the kernel's
 * answers in the container's network namespace (`dns_question_program.ts`). Here it is put there,
 * and told of names and servers. Where the kernel takes no such program, names are lines of the
 * hosts file only.
 */
import {
  addElement,
  elementOf,
  elementsOf,
  removeElement,
  setElement,
} from "../../ffi/bpf_maps.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { Netlink } from "../../ffi/netlink.ts";
import type { Message } from "../../ffi/netlink_message.ts";
import { ipv4Settings } from "../../ffi/rtnetlink.ts";
import { addClsact, addProgram } from "../../ffi/traffic_control.ts";
import { readIfThere, removeIfThere, writeAtomic } from "../base/files.ts";
import { isLoopback } from "./address.ts";
import { CONTAINER_VALUE, NAME_KEY, NAME_VALUE, NUMBER_BYTES } from "./dns_layout.ts";
import { LOOPBACK_INDEX } from "./dns_packet.ts";
import { type DnsPrograms, ensureDns, openDns } from "./dns_programs.ts";
import {
  containerValue,
  type DnsLink,
  type Elements,
  keyText,
  linkedNames,
  linksIn,
  networkNames,
  reachableServers,
  scopeOf,
  scopesOf,
} from "./dns_records.ts";
import { gatewayEndpoint } from "./endpoint.ts";
import { hashOf, type NetPlaces } from "./places.ts";
import { hostResolvConf, servedResolvConf, type ServedResolver } from "./resolv_conf.ts";
import type { Sandbox } from "./sandbox.ts";
import type { DnsState, EndpointState, NetworkState, ResolvConfState } from "./state.ts";

const MOST_NUMBERS = 0xffff;

const errorPath = (places: NetPlaces) => `${places.run}/dns.error`;

/** Why the last container that should have had DNS has none; undefined if it has. */
export function readDnsError(places: NetPlaces): string | undefined {
  return readIfThere(errorPath(places));
}

function numberKey(number: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(NUMBER_BYTES);
  new DataView(key.buffer).setUint32(0, number, true);
  return key;
}

/** A container's resolver as docker has it, from what the user asked for. */
export function servedResolver(
  file: Pick<ResolvConfState, "dns" | "search" | "options">,
  endpoints: readonly EndpointState[],
  hostText = hostResolvConf(),
): ServedResolver {
  const ipv6 = () => endpoints.some((endpoint) => endpoint.ipv6 !== undefined);
  return servedResolvConf(hostText, file, { ipv6 });
}

/** Why other names cannot be asked for; undefined if they can, or if there is no way to anybody. */
function whyNot({ servers }: ServedResolver, endpoints: readonly EndpointState[]) {
  if (servers.some(isLoopback)) {
    return "a DNS server is within the container: only it can ask there";
  }
  const leads = ([4, 6] as const).some((version) => gatewayEndpoint(endpoints, version));
  return servers.length > 0 || !leads ? undefined : "no DNS server has an IPv4 address";
}

/** A container that is to be served. Disposing closes descriptors and changes nothing. */
export interface Serving extends Disposable {
  readonly number: number;
  readonly resolver: ServedResolver;
  /** Puts the programs on its interfaces; false where the kernel does not let us. */
  attach(sandbox: Sandbox, state: NetworkState, links: readonly DnsLink[]): boolean;
  /** Gives the number back. */
  forget(): void;
}

/**
 * Begins to serve a container, or goes on under the number it has; undefined where that cannot be,
 * and `readDnsError` says why.
 */
export async function beginServing(
  places: NetPlaces,
  id: string,
  file: ResolvConfState,
  endpoints: readonly EndpointState[],
  known?: DnsState,
): Promise<Serving | undefined> {
  const resolver = servedResolver(file, endpoints);
  const reason = whyNot(resolver, endpoints);
  if (reason !== undefined) {
    note(places, reason);
    return undefined;
  }
  try {
    const programs = await ensureDns(places);
    const number = known?.number ?? takeNumber(programs, id);
    return {
      number,
      resolver,
      attach: (sandbox, state, links) => attach(places, programs, sandbox, state, resolver, links),
      forget: () => removeElement(programs.containers, numberKey(number)),
      [Symbol.dispose]: () => programs[Symbol.dispose](),
    };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    note(places, error.message);
    return undefined;
  }
}

function note(places: NetPlaces, reason: string): void {
  if (readDnsError(places) !== reason) writeAtomic(errorPath(places), reason);
}

/** The first number from a place of the container's own on that nobody has. */
function takeNumber({ containers }: DnsPrograms, id: string): number {
  const empty = new Uint8Array(CONTAINER_VALUE.bytes);
  const first = hashOf(id) % MOST_NUMBERS;
  for (let i = 0; i < MOST_NUMBERS; i++) {
    const number = 1 + (first + i) % MOST_NUMBERS;
    if (addElement("number a container", containers, numberKey(number), empty)) return number;
  }
  throw new SyscallError("bpf", 7, "number a container");
}

function attach(
  places: NetPlaces,
  programs: DnsPrograms,
  sandbox: Sandbox,
  state: NetworkState,
  resolver: ServedResolver,
  links: readonly DnsLink[],
): boolean {
  tellContainer(programs, state, resolver, links);
  const indexes = links.map(({ index }) => index);
  const refused = sandbox.netlink.tryBatch(hookMessages(programs, state.dns!.number, indexes));
  if (refused !== undefined) {
    note(places, refused.message);
    return false;
  }
  removeIfThere(errorPath(places));
  if (programs.isNew) hold(programs, state.endpoints);
  return true;
}

/** A chain of filters that no packet comes to. */
const HOLDING_CHAIN = 1;

/**
 * Has the bridges hold the programs, which run nowhere there: a bridge stays as long as its network
 * does, and the next container, when no other runs, need not bring them again, which takes more
 * than all else that is done here.
 */
function hold({ question, reply }: DnsPrograms, endpoints: readonly EndpointState[]): void {
  using host = Netlink.open();
  for (const { bridge, dnsNames } of endpoints) {
    const link = dnsNames.length > 0 ? host.link(bridge) : undefined;
    if (link === undefined) continue;
    const { index } = link;
    const held = { index, name: "diplodock-dns", chain: HOLDING_CHAIN };
    host.batch([
      addClsact(index),
      addProgram({ ...held, way: "in", programFd: question.raw }),
      addProgram({ ...held, way: "out", programFd: reply.raw }),
    ]);
  }
}

/** Puts the programs on a namespace's loopback interface and others. */
function hookMessages(
  { question, reply }: DnsPrograms,
  number: number,
  indexes: readonly number[],
): Message[] {
  const hook = { name: "diplodock-dns", number };
  return [
    // Answers of other servers come in by the loopback interface, from one of its own addresses.
    ipv4Settings(LOOPBACK_INDEX, ["route_localnet", "accept_local"]),
    addClsact(LOOPBACK_INDEX),
    addProgram({ ...hook, index: LOOPBACK_INDEX, way: "out", programFd: question.raw }),
    ...indexes.flatMap((index) => [
      addClsact(index),
      addProgram({ ...hook, index, way: "in", programFd: reply.raw }),
    ]),
  ];
}

/** Does it where nobody is: in a namespace that ends at once. Throws SyscallError. */
export async function tryDns(sandbox: Sandbox): Promise<void> {
  const { loadPrograms } = await import("./dns_load.ts");
  using programs = loadPrograms((part) => `dd_try_${part}`);
  sandbox.netlink.batch(hookMessages(programs, 1, [LOOPBACK_INDEX]));
}

function tellContainer(
  { containers }: DnsPrograms,
  state: NetworkState,
  { servers, keepsBareNames }: ServedResolver,
  links: readonly DnsLink[],
): void {
  const value = containerValue({
    scopes: scopesOf(state),
    servers: reachableServers(servers, state.endpoints, links),
    keepsBareNames,
    links,
  });
  setElement("tell a container's servers", containers, numberKey(state.dns!.number), value);
}

/** Tells the program of a running container's new servers. */
export function tellServers(
  places: NetPlaces,
  state: NetworkState,
  resolver: ServedResolver,
): void {
  using programs = openDns(places);
  if (programs === undefined || state.dns === undefined) return;
  const value = elementOf(programs.containers, numberKey(state.dns.number), CONTAINER_VALUE.bytes);
  if (value !== undefined) tellContainer(programs, state, resolver, linksIn(value));
}

/** Forgets containers that have ended. */
export function forgetServed(places: NetPlaces, states: readonly NetworkState[]): void {
  using programs = openDns(places);
  if (programs === undefined) return;
  for (const { dns } of states) {
    if (dns !== undefined) removeElement(programs.containers, numberKey(dns.number));
  }
}

/** Brings the names on these networks up to date, and forgets what nobody knows. Needs the lock. */
export function distributeDns(
  places: NetPlaces,
  networkIds: readonly string[],
  all: readonly NetworkState[],
): void {
  using programs = openDns(places);
  if (programs === undefined) return;
  const changed = all.filter(({ endpoints }) =>
    endpoints.some(({ networkId }) => networkIds.includes(networkId))
  );
  const wanted: Elements = new Map();
  for (const id of networkIds) networkNames(wanted, id, all);
  for (const state of changed) linkedNames(wanted, state, all);
  const scopes = (ids: readonly string[]) => new Set(ids.map((id) => keyText(scopeOf(id))));
  const written = scopes([...networkIds, ...changed.map(({ owner }) => owner.id)]);
  const known = scopes(all.flatMap(scopesOf));
  for (const [key, value] of elementsOf(programs.names, SHAPE)) {
    const want = wanted.get(keyText(key));
    const scope = keyText(key.subarray(0, NAME_KEY.name));
    if (want === undefined) {
      if (written.has(scope) || !known.has(scope)) removeElement(programs.names, key);
    } else if (want.value.every((byte, i) => byte === value[i])) wanted.delete(keyText(key));
  }
  try {
    for (const { key, value } of wanted.values()) setElement(TELL, programs.names, key, value);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    note(places, error.message); // full: the hosts files have all of them
  }
}

const SHAPE = { keyBytes: NAME_KEY.bytes, valueBytes: NAME_VALUE.bytes };
const TELL = "tell the programs a container's names";
