/** The networks that are always there. */

export const PREDEFINED: readonly string[] = ["bridge", "host", "none"];

/** "host" and "none" are the same everywhere: their ids spell their names. */
export function constantNetworkId(name: "host" | "none"): string {
  return Array.from(name, (char) => char.charCodeAt(0).toString(16)).join("").padEnd(64, "0");
}
