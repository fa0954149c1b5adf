/** Where networks keep things. Pure. */

/** Directories; `run` is gone after a reboot, as bridges, leases and rules are. */
export interface NetPlaces {
  /** Records of networks, one JSON file each. */
  readonly networks: string;
  /** Leases, states of containers' networks, what the firewall was told, the lock. */
  readonly run: string;
  /**
   * Empty for the machine's engine. An engine with another runtime directory has a tag of its
   * own in the names of bridges and chains, so that two never touch each other's.
   */
  readonly tag: string;
}

const DEFAULT_RUN = "/run/diplodock";

/** The places of the engine with these root and runtime directories. */
export function netPlaces(root: string, run: string): NetPlaces {
  return {
    networks: `${root}/networks`,
    run: `${run}/net`,
    tag: run === DEFAULT_RUN ? "" : tagOf(run),
  };
}

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return hash;
}

/** Four hex digits. */
function tagOf(text: string): string {
  const hash = hashOf(text);
  return ((hash >>> 16) ^ (hash & 0xffff)).toString(16).padStart(4, "0");
}

/** The bridge of the default network. */
export function defaultBridgeName(places: NetPlaces): string {
  return places.tag === "" ? "diplodock0" : `diplodock-${places.tag}`;
}

/** The bridge of a user's network, from its id: 15 bytes, the most the kernel takes. */
export function bridgeName(networkId: string): string {
  return `dd-${networkId.slice(0, 12)}`;
}

/** The host's end of a container's nth interface. */
export function hostLinkName(containerId: string, number: number): string {
  return `dd${containerId.slice(0, 11)}${number.toString(36).padStart(2, "0")}`;
}

export const lockPath = (places: NetPlaces) => `${places.run}/lock`;
export const statesDir = (places: NetPlaces) => `${places.run}/containers`;
export const leasesDir = (places: NetPlaces, networkId: string) =>
  `${places.run}/leases/${networkId.slice(0, 12)}`;
/** The state of one container's networks. */
export const statePath = (places: NetPlaces, id: string) => `${statesDir(places)}/${id}.json`;
