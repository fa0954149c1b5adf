/** What a running container has of networks, on disk as long as it runs. */
import {
  makeDirectories,
  namesIn,
  readIfThere,
  removeIfThere,
  writeAtomic,
} from "../base/files.ts";
import { type Owner, startTimeOf } from "./owner.ts";
import { type NetPlaces, statePath, statesDir } from "./places.ts";
import type { PublishedPort } from "./ports.ts";
import type { Shaping } from "./shaping.ts";

/** An address of an interface. */
export interface EndpointAddress {
  readonly ip: string;
  readonly prefix: number;
  /** Empty on an internal network. */
  readonly gateway: string;
}

/** One interface of a container. */
export interface EndpointState {
  readonly network: string;
  readonly networkId: string;
  readonly endpointId: string;
  readonly bridge: string;
  readonly internal: boolean;
  /** The host's end of the pair. */
  readonly hostLink: string;
  /** The container's end: "eth0". */
  readonly ifname: string;
  readonly mac: string;
  readonly ipv4?: EndpointAddress;
  readonly ipv6?: EndpointAddress;
  readonly gwPriority: number;
  /** What the user gave. */
  readonly aliases: readonly string[];
  /** "container" or "container:alias". */
  readonly links: readonly string[];
  /** What neighbours can call it; none on the default network. */
  readonly dnsNames: readonly string[];
}

/** A process that forwards one published port. */
export interface ProxyProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly protocol: string;
  readonly hostIp: string;
  readonly hostPort: number;
}

/** All networks of one container. */
export interface NetworkState {
  readonly owner: Owner;
  /**
   * It has ended: rules and names are made as if it were gone. The state goes after them, so that
   * whoever comes after a killed process still finds what is to be taken away.
   */
  readonly leaving?: true;
  /** Without the leading slash. */
  readonly name: string;
  readonly hostname: string;
  readonly endpoints: readonly EndpointState[];
  /** "80/tcp". */
  readonly exposed: readonly string[];
  readonly ports: readonly PublishedPort[];
  /** The ports are forwarded by `proxies`, not by rules. */
  readonly proxied: boolean;
  readonly proxies: readonly ProxyProcess[];
  /** What becomes of the packets it sends, on all its networks. */
  readonly shaping?: Shaping;
  /** The file that is the container's /etc/hosts; absent: not ours to write. */
  readonly hostsPath?: string;
  /** The file that is its /etc/resolv.conf, and how to make it again. */
  readonly resolvConf?: ResolvConfState;
  /** Its questions are answered in its network namespace; absent: it has the hosts file only. */
  readonly dns?: DnsState;
}

/** A container as the programs know it that answer its DNS questions. */
export interface DnsState {
  /** Of 16 bits; of no other container of the engine. */
  readonly number: number;
}

/** A resolv.conf of ours. */
export interface ResolvConfState {
  readonly path: string;
  /** What we wrote: the file is only replaced while it still says this. */
  readonly text: string;
  readonly dns: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** The state of a container's networks; undefined if it has none. */
export function readState(places: NetPlaces, id: string): NetworkState | undefined {
  const text = readIfThere(statePath(places, id));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // torn by a power cut: nothing that it told of is there any more
  }
}

/** Ids of all containers that have a state. */
export function stateIds(places: NetPlaces): string[] {
  return namesIn(statesDir(places)).filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length));
}

/** States that were being written by processes which are gone. */
export function tornStates(places: NetPlaces): string[] {
  return namesIn(statesDir(places)).filter((name) => {
    const [, pid] = /\.tmp-(\d+)-\d+$/.exec(name) ?? [];
    return pid !== undefined && startTimeOf(Number(pid)) === undefined;
  }).map((name) => `${statesDir(places)}/${name}`);
}

/** The states of all containers, without those that are leaving. */
export function readStates(places: NetPlaces): NetworkState[] {
  return stateIds(places).flatMap((id) => readState(places, id) ?? [])
    .filter((state) => state.leaving !== true);
}

/** Writes a state so that readers see the old one or the new one. */
export function writeState(places: NetPlaces, state: NetworkState): void {
  const path = statePath(places, state.owner.id);
  const text = JSON.stringify(state);
  try {
    writeAtomic(path, text);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    makeDirectories(statesDir(places));
    writeAtomic(path, text);
  }
}

/** Removes a state; fine if it is gone. */
export function forgetState(places: NetPlaces, id: string): void {
  removeIfThere(statePath(places, id));
}
