/** Which networks a list is to have, as docker's filters say. */
import { UserError } from "../base/errors.ts";
import { booleanFilter, type Filters, matchAny, matchLabels, matchName } from "../base/filter.ts";
import { type NetworkRecord, PREDEFINED, usedNetworks } from "./networks.ts";

/** The filters there are. */
export const NETWORK_FILTERS: readonly string[] = [
  "dangling",
  "driver",
  "id",
  "label",
  "name",
  "scope",
  "type",
];

/** Those that `filters` let through. Throws UserError. */
export function networksWanted(
  networks: readonly NetworkRecord[],
  filters: Filters,
): NetworkRecord[] {
  const dangling = booleanFilter(filters, "dangling");
  const used = dangling === undefined ? undefined : usedNetworks();
  for (const type of filters.get("type") ?? []) {
    if (!["custom", "builtin"].includes(type)) {
      throw new UserError(`invalid filter: 'type'='${type}'`);
    }
  }
  return networks.filter((network) => {
    const isBuiltIn = PREDEFINED.includes(network.Name);
    const isDangling = !isBuiltIn && !used?.has(network.Id);
    return (dangling === undefined || dangling === isDangling) &&
      matchAny(filters, "driver", (value) => value === network.Driver) &&
      matchAny(filters, "scope", (value) => value === network.Scope) &&
      matchAny(filters, "id", (value) => network.Id.startsWith(value)) &&
      matchAny(filters, "type", (value) => (value === "builtin") === isBuiltIn) &&
      matchName(filters, [network.Name]) &&
      matchLabels(filters, network.Labels);
  });
}
