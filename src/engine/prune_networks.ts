/** Removes networks that no container has. */
import { type Filters, passesLabels } from "../base/filter.ts";
import { listNetworks, PREDEFINED, removeNetwork, usedNetworks } from "./networks.ts";

/**
 * Removes the user's unused networks whose labels pass `filters` and that were made before all of
 * `untilMs`; the names of what is gone. One that cannot be read stays: its labels and its age are
 * unknown, and the file may be restored.
 */
export async function pruneNetworks(
  filters: Filters,
  untilMs: readonly number[],
): Promise<string[]> {
  const used = usedNetworks();
  const unused = (await listNetworks(() => {})).filter((network) =>
    passesLabels(filters, network.Labels) &&
    !PREDEFINED.includes(network.Name) && !used.has(network.Id) &&
    untilMs.every((moment) => Date.parse(network.Created) < moment)
  );
  for (const network of unused) await removeNetwork(network.Name);
  return unused.map(({ Name }) => Name);
}
