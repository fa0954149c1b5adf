/** The little grammars inside HostConfig's mode strings. */

import type { HostConfig } from "./types.ts";

const CONTAINER = "container:";

/** The name or id in "container:NAME"; undefined where the mode is another. */
export function joinedContainer(mode: string): string | undefined {
  if (!mode.startsWith(CONTAINER) || mode.length === CONTAINER.length) return undefined;
  return mode.slice(CONTAINER.length);
}

/** Whether the network mode names a network that the user made. */
export function isUserDefinedNetwork(mode: string): boolean {
  const predefined = ["", "default", "bridge", "host", "none"];
  return !predefined.includes(mode) && !mode.startsWith(CONTAINER);
}

/** A mode without its options: "keep-id:uid=5" is "keep-id". */
export function modeName(mode: string): string {
  const colon = mode.indexOf(":");
  return colon < 0 ? mode : mode.slice(0, colon);
}

/** Whether the container has a network namespace of its own. */
export function isPrivateNetwork(mode: string): boolean {
  return mode !== "host" && joinedContainer(mode) === undefined;
}

/** Whether the container is to be in a user namespace that is not ours. */
export function asksUserNamespace({ UsernsMode, Diplodock = {} }: HostConfig): boolean {
  return UsernsMode !== "" && UsernsMode !== "host" ||
    Diplodock.UidMaps !== undefined || Diplodock.GidMaps !== undefined;
}
