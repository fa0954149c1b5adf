/**
 * Owners on the disk in place of mapped ones: for an ordinary user's containers with ids of their
 * own, and for root's where the file system or the kernel has no idmapped mounts.
 */
import { UserError } from "../base/errors.ts";
import { rootDirectory } from "../base/places.ts";
import type { IdMapping } from "../runtime/spec_types.ts";
import { type DiskOwners, writeRoot } from "./container_documents.ts";
import {
  makeOverlayDirectories,
  overlayDirectories,
  rootDocument,
  writtenTree,
} from "./foundation.ts";
import { idOnDisk, PLAIN_OWNERS, shiftOwners } from "./shift_owners.ts";
import type { ContainerRecord } from "./types.ts";

/**
 * Sees that the container's layers and its own files have the owners that its ids are here. The
 * layers are unpacked once more for each map, the container's own files change theirs.
 */
export async function ownLayers(record: ContainerRecord, owners: DiskOwners): Promise<void> {
  if (record.Image === "") {
    throw new UserError(
      `Cannot use --userns=${record.HostConfig.UsernsMode} with the machine's own root or a ` +
        "directory: nothing maps the owners of its files here; use an image",
      125,
    );
  }
  const root = rootDocument(record.Id);
  const { shiftedLayers } = await import("../image/shifted_layers.ts");
  const shifted = await shiftedLayers(rootDirectory(), record.Image, keyOf(owners), {
    uid: (id) => idOnDisk(owners.uids, id) ?? 0,
    gid: (id) => idOnDisk(owners.gids, id) ?? 0,
    root: idOnDisk(owners.uids, 0) ?? 0,
  });
  if (root.owners?.length === 1 && keyOf(root.owners[0]) === keyOf(owners)) return;
  // A walk that was cut off has left files with the owners of one before: those come first then.
  const before = root.owners ?? [PLAIN_OWNERS];
  const from = before.length > 1 ? [owners, ...before] : before;
  writeRoot(record.Id, { ...root, shifted, owners: [owners, ...before] });
  if (root.storage !== "copy") makeOverlayDirectories(overlayDirectories(record.Id, []));
  shiftOwners(writtenTree(record.Id, root.storage), from, owners);
  writeRoot(record.Id, { ...root, shifted, owners: [owners] });
}

/** A map as part of a file name. */
export function keyOf({ uids, gids }: DiskOwners): string {
  const text = (map: readonly IdMapping[]) =>
    map.map(({ containerID, hostID, size }) => `${containerID}.${hostID}.${size}`).join("+");
  return `${text(uids)}-${text(gids)}`;
}
