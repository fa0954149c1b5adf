/** Removes volumes that no container has. */
import { UserError } from "../base/errors.ts";
import { type Filters, passesLabels } from "../base/filter.ts";
import { treeSize } from "./disk_usage.ts";
import { emitEvent, emitVolumeEvent } from "./events.ts";
import {
  isAnonymous,
  listVolumes,
  removeVolume,
  sweepVolumes,
  volumeData,
  volumeUsers,
} from "./volumes.ts";

/**
 * Removes unused volumes whose labels pass `filters`; those with a name only when `all` is set.
 * Returns what is gone, and how many bytes were in it.
 */
export async function pruneVolumes(
  all: boolean,
  filters: Filters,
): Promise<{ names: string[]; bytes: number }> {
  sweepVolumes();
  const users = volumeUsers();
  const names: string[] = [];
  let bytes = 0;
  // One that cannot be read stays: it may be in use, and the file may be restored.
  for (const volume of listVolumes(() => {})) {
    if (
      users.has(volume.Name) || (!all && !isAnonymous(volume)) ||
      !passesLabels(filters, volume.Labels)
    ) continue;
    const size = treeSize(volumeData(volume.Name));
    try {
      await removeVolume(volume.Name);
    } catch (error) {
      if (error instanceof UserError) continue; // a container got it meanwhile
      throw error;
    }
    emitVolumeEvent(volume.Name, "destroy");
    names.push(volume.Name);
    bytes += size;
  }
  emitEvent({
    Type: "volume",
    Action: "prune",
    id: "",
    attributes: { reclaimed: String(bytes) },
  });
  return { names, bytes };
}
