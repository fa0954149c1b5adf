/** Networks on disk: one record each, in the shape of docker's `network inspect`. */
import { constantNetworkId, PREDEFINED } from "./predefined.ts";
import { UserError } from "../base/errors.ts";
import { makeDirectories, namesIn, removeIfThere, writeAtomic } from "../base/files.ts";
import { parseNetwork } from "./network_shape.ts";
import { bridgeName, defaultBridgeName, type NetPlaces } from "./places.ts";

/** One subnet of a network. */
export interface IpamConfig {
  Subnet: string;
  IPRange?: string;
  Gateway: string;
  AuxiliaryAddresses?: Record<string, string>;
}

/** What `network inspect` shows; `Containers` is filled in when it is shown. */
export interface NetworkRecord {
  Name: string;
  Id: string;
  Created: string;
  Scope: "local";
  Driver: "bridge" | "host" | "null";
  EnableIPv4: boolean;
  EnableIPv6: boolean;
  IPAM: { Driver: string; Options: Record<string, string> | null; Config: IpamConfig[] | null };
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  ConfigFrom: { Network: string };
  ConfigOnly: boolean;
  Containers: Record<string, NetworkContainer>;
  Options: Record<string, string> | null;
  Labels: Record<string, string> | null;
}

/** A container as `network inspect` lists it. */
export interface NetworkContainer {
  Name: string;
  EndpointID: string;
  MacAddress: string;
  IPv4Address: string;
  IPv6Address: string;
}

export const BRIDGE_NAME = "com.docker.network.bridge.name";
export const BRIDGE_DEFAULT = "com.docker.network.bridge.default_bridge";
export const BRIDGE_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade";
export const BRIDGE_ICC = "com.docker.network.bridge.enable_icc";
export const BRIDGE_HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4";
/** As a host binding: every address, of IPv6 as well, as docker understands it. */
export const ANY_ADDRESS = "0.0.0.0";
export const DRIVER_MTU = "com.docker.network.driver.mtu";
export const INTERFACE_PREFIX = "com.docker.network.container_iface_prefix";

/** The names nobody may give or remove. */
export { PREDEFINED };

function constantNetwork(name: "host" | "none"): NetworkRecord {
  return {
    ...emptyNetwork(name, constantNetworkId(name)),
    Created: "1970-01-01T00:00:00Z",
    Driver: name === "host" ? "host" : "null",
    IPAM: { Driver: "default", Options: null, Config: null },
  };
}

/** A record with nothing chosen but its name. */
export function emptyNetwork(name: string, id: string): NetworkRecord {
  return {
    Name: name,
    Id: id,
    Created: new Date().toISOString(),
    Scope: "local",
    Driver: "bridge",
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
  };
}

/** The interface of the host that a network is. */
export function bridgeOf(network: NetworkRecord, places: NetPlaces): string {
  const named = network.Options?.[BRIDGE_NAME];
  if (named) return named;
  return network.Name === "bridge" ? defaultBridgeName(places) : bridgeName(network.Id);
}

/** Is the option on? Absent means `otherwise`. */
export function optionOn(network: NetworkRecord, key: string, otherwise: boolean): boolean {
  const value = network.Options?.[key];
  return value === undefined ? otherwise : /^(1|t|T|true|TRUE|True)$/.test(value);
}

/** May a network have this name? No other text comes into a path. */
const isName = (text: string) => /^[\w.-]+$/.test(text);

const pathOf = (places: NetPlaces, name: string) => `${places.networks}/${name}.json`;

/** The network of exactly this name; undefined if there is none (the default bridge before use). */
export function readNetwork(places: NetPlaces, name: string): NetworkRecord | undefined {
  if (name === "host" || name === "none") return constantNetwork(name);
  const path = pathOf(places, name);
  let network: NetworkRecord | undefined;
  try {
    network = parseNetwork(Deno.readTextFileSync(path), name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (!(error instanceof Deno.errors.IsADirectory)) throw error;
  }
  if (network !== undefined) return network;
  throw new UserError(
    `Cannot read network ${name}: ${path} is damaged; restore the file, ` +
      `or remove the network: network rm ${name}`,
  );
}

/** Is there a record of this name that cannot be read? */
export function isDamaged(places: NetPlaces, name: string): boolean {
  try {
    if (isName(name)) readNetwork(places, name);
    return false;
  } catch (error) {
    if (error instanceof UserError) return true;
    throw error;
  }
}

/** Is told of a record that cannot be read, which is left out then. */
export type OnBroken = (error: UserError, name: string) => void;

/**
 * All networks on disk, without "host" and "none", oldest first. What is about one network does
 * not fail for another's record: `onBroken` is told of those that cannot be read.
 */
export function readNetworks(places: NetPlaces, onBroken: OnBroken): NetworkRecord[] {
  const found: NetworkRecord[] = [];
  const read = (name: string) => {
    try {
      return readNetwork(places, name);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      onBroken(error, name);
    }
  };
  for (const file of namesIn(places.networks)) {
    const name = file.endsWith(".json") ? file.slice(0, -".json".length) : "";
    if (name === "" || name === "host" || name === "none") continue;
    const network = read(name);
    if (network !== undefined) found.push(network);
  }
  return found.sort((a, b) => a.Created < b.Created ? -1 : a.Created > b.Created ? 1 : 0);
}

/** All networks, with "host" and "none". The default bridge only once it was used. */
export function allNetworks(places: NetPlaces, onBroken: OnBroken): NetworkRecord[] {
  return [...readNetworks(places, onBroken), constantNetwork("host"), constantNetwork("none")];
}

/**
 * The network by name, id or unique beginning of an id. Throws UserError "network x not found"
 * or docker's text for an ambiguous beginning.
 */
export function findNetwork(places: NetPlaces, reference: string): NetworkRecord {
  const byName = isName(reference) ? readNetwork(places, reference) : undefined;
  if (byName !== undefined) return byName;
  if (/^[0-9a-f]+$/.test(reference)) {
    const broken: UserError[] = [];
    const matching = allNetworks(places, (error) => broken.push(error))
      .filter((network) => network.Id.startsWith(reference));
    const exact = matching.find((network) => network.Id === reference);
    if (exact !== undefined || matching.length === 1) return exact ?? matching[0];
    if (matching.length > 1) {
      throw new UserError(
        `network ${reference} is ambiguous (${matching.length} matches found based on ID prefix)`,
      );
    }
    // It may be the one whose id nobody can read.
    if (broken.length > 0) throw broken[0];
  }
  throw new UserError(`network ${reference} not found`);
}

/**
 * Writes a network; readers see the old record or the new one, also after a power cut. The caller
 * holds the lock, so that what has a temporary name is of a writer that was killed.
 */
export function writeNetwork(places: NetPlaces, network: NetworkRecord): void {
  makeDirectories(places.networks, 0o711);
  for (const name of namesIn(places.networks)) {
    if (!name.endsWith(".json")) removeIfThere(`${places.networks}/${name}`);
  }
  writeAtomic(pathOf(places, network.Name), JSON.stringify(network, null, 2), true, 0o644);
}

/** Does the user want IPv6 on the default network too? DIPLODOCK_IPV6=1, for it has no flags. */
export function wantsDefaultIpv6(): boolean {
  return Deno.env.get("DIPLODOCK_IPV6") === "1";
}

/** Removes a network's record; fine if it is gone. */
export function forgetNetwork(places: NetPlaces, name: string): void {
  removeIfThere(pathOf(places, name), true);
}

/** 64 hex digits nobody else has. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
