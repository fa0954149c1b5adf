/** Volumes of containers whose owners nothing maps: their files have the owners of one of them. */
import { lockFile } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import { readIfThere, removeIfThere, writeAtomic } from "../base/files.ts";
import { type DiskOwners } from "./container_documents.ts";
import { keyOf } from "./own_layers.ts";
import { PLAIN_OWNERS, shiftOwners } from "./shift_owners.ts";
import type { ContainerRecord } from "./types.ts";
import { mayRun } from "./volume_mount.ts";
import {
  findVolume,
  hasMount,
  volumeData,
  volumeDirectory,
  volumeOwnersPath,
  volumeUsers,
} from "./volumes.ts";

/**
 * Gives the files of the container's volumes the owners that its ids are on this machine (without
 * `owners`: its own). Throws UserError while a container with other ids uses one.
 */
export function giveVolumes(record: ContainerRecord, owners: DiskOwners = PLAIN_OWNERS): void {
  for (const { Type, Name } of record.Mounts) {
    const volume = Type === "volume" && Name !== undefined ? findVolume(Name) : undefined;
    if (volume !== undefined && !hasMount(volume)) giveVolume(volume.Name, record.Id, owners);
  }
}

function giveVolume(name: string, id: string, owners: DiskOwners): void {
  using _lock = lockFile(`${volumeDirectory(name)}/lock`);
  const known = readOwners(name);
  if (known.length === 1 && keyOf(known[0]) === keyOf(owners)) return;
  const other = (volumeUsers().get(name) ?? []).find((user) => user !== id && mayRun(user));
  if (other !== undefined) {
    throw new UserError(
      `Cannot use volume ${name}: container ${other.slice(0, 12)} uses it with other ids, and ` +
        "its file system shows no other owners; give both the same --uidmap, or stop that one",
      125,
    );
  }
  const path = volumeOwnersPath(name), from = [owners, ...known];
  writeAtomic(path, JSON.stringify(from), true);
  shiftOwners(volumeData(name), from, owners);
  if (keyOf(owners) === keyOf(PLAIN_OWNERS)) removeIfThere(path);
  else writeAtomic(path, JSON.stringify([owners]), true);
}

/** Whose owners the files have, the latest first. Throws UserError for a damaged file. */
function readOwners(name: string): DiskOwners[] {
  const text = readIfThere(volumeOwnersPath(name));
  if (text === undefined) return [PLAIN_OWNERS];
  try {
    return JSON.parse(text) as DiskOwners[];
  } catch {
    throw new UserError(
      `Cannot use volume ${name}: ${volumeOwnersPath(name)} is damaged; remove the file if the ` +
        "volume's files have the owners that they shall have",
      125,
    );
  }
}
