/** Which volumes a list is to have, as docker's filters say. */
import type { UserError } from "../base/errors.ts";
import { booleanFilter, type Filters, matchAny, matchLabels, matchName } from "../base/filter.ts";
import { listVolumes, type VolumeRecord, volumeUsers } from "./volumes.ts";

/** The filters there are. */
export const VOLUME_FILTERS: readonly string[] = ["dangling", "driver", "label", "name"];

/** Those that `filters` let through. Throws UserError. */
export function volumesWanted(
  filters: Filters,
  onBroken: (error: UserError) => void,
): VolumeRecord[] {
  const dangling = booleanFilter(filters, "dangling");
  const users = dangling === undefined ? undefined : volumeUsers();
  return listVolumes(onBroken).filter((volume) =>
    (users === undefined || users.has(volume.Name) !== dangling) &&
    matchAny(filters, "driver", (driver) => driver === volume.Driver) &&
    matchLabels(filters, volume.Labels) && matchName(filters, [volume.Name])
  );
}
