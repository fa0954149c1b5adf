/** Removes networks that no container has. */
import {
  listNetworks,
  type NetworkRecord,
  PREDEFINED,
  removeNetwork,
  usedNetworks,
} from "./networks.ts";

/** Removes the user's unused networks that `choose` leaves in the list; the names of what is gone. */
export async function pruneNetworks(
  choose: (networks: NetworkRecord[]) => NetworkRecord[],
  untilMs: readonly number[],
): Promise<string[]> {
  const used = usedNetworks();
  const unused = choose(await listNetworks()).filter((network) =>
    !PREDEFINED.includes(network.Name) && !used.has(network.Id) &&
    untilMs.every((moment) => Date.parse(network.Created) < moment)
  );
  for (const network of unused) await removeNetwork(network.Name);
  return unused.map(({ Name }) => Name);
}
