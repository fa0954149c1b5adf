/** Removes containers that don't run. */
import { UserError } from "../base/errors.ts";
import { type Filters, passesLabels } from "../base/filter.ts";
import { parseMoment, parseTime } from "../base/time.ts";
import { containerDirectory } from "../base/places.ts";
import { listRecords } from "./containers.ts";
import { treeSize } from "./disk_usage.ts";
import { emitEvent } from "./events.ts";
import { stateOf } from "./state.ts";
import { removeContainer } from "./stop.ts";

/**
 * Removes all containers that were made or have ended, as far as `filters` (until, label,
 * label!) let them through. Returns their ids and how many bytes they had written.
 */
export async function pruneContainers(
  filters: Filters,
): Promise<{ ids: string[]; bytes: number }> {
  const [until] = moments(filters);
  const ids: string[] = [];
  let bytes = 0;
  for (const record of listRecords(() => {})) {
    const { kind } = stateOf(record.Id);
    const { Labels } = record.Config;
    if (kind !== "created" && kind !== "exited") continue;
    if (until !== undefined && (parseTime(record.Created) ?? 0n) > until) continue;
    if (!passesLabels(filters, Labels)) continue;
    const size = treeSize(`${containerDirectory(record.Id)}/upper`);
    try {
      await removeContainer(record.Id, { force: false, volumes: false });
    } catch (error) {
      if (error instanceof UserError) continue; // started or removed meanwhile
      throw error;
    }
    ids.push(record.Id);
    bytes += size;
  }
  const attributes = { reclaimed: String(bytes) };
  emitEvent({ Type: "container", Action: "prune", id: "", attributes });
  return { ids, bytes };
}

/** The moment of `until=`; docker takes one only. */
function moments(filters: Filters): bigint[] {
  const texts = filters.get("until") ?? [];
  if (texts.length > 1) throw new UserError("more than one until filter specified");
  return texts.map((text) => {
    try {
      return parseMoment(text);
    } catch (error) {
      throw new UserError((error as Error).message);
    }
  });
}
