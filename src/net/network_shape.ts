/** Is a text the record of a network? What a power cut or an editor left may be anything. */
import type { IpamConfig, NetworkRecord } from "./networks.ts";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const hasTexts = (value: unknown): boolean =>
  value === null || value === undefined ||
  (isObject(value) && Object.values(value).every((text) => typeof text === "string"));

const isConfig = (value: unknown): value is IpamConfig =>
  isObject(value) && typeof value.Subnet === "string" && typeof value.Gateway === "string";

/** The network `name` that `text` tells of; undefined if it tells of none. Pure. */
export function parseNetwork(text: string, name: string): NetworkRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value.Name !== name || value.Driver !== "bridge") return undefined;
  const { Id, Created, IPAM, Options, Labels } = value;
  const sound = typeof Id === "string" && /^[0-9a-f]{64}$/.test(Id) &&
    typeof Created === "string" && !Number.isNaN(Date.parse(Created)) &&
    isObject(IPAM) && Array.isArray(IPAM.Config) && IPAM.Config.every(isConfig) &&
    hasTexts(Options) && hasTexts(Labels);
  return sound ? value as unknown as NetworkRecord : undefined;
}
