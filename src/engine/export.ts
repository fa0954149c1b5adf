/** `export`: a container's root file system as an archive. */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import { containerDirectory } from "../base/places.ts";
import { detachedOverlay } from "../image/mount.ts";
import { packTree } from "../image/pack.ts";
import { isThere, type Store } from "../image/store.ts";
import { readLayers } from "./bundle_facts.ts";
import type { ContainerRecord } from "./types.ts";
import { diskOwners } from "./userns.ts";

/** The container's files as it sees them, without what is mounted into it. */
function openRoot(store: Store, record: ContainerRecord): Fd {
  const own = record.HostConfig.Diplodock;
  if (own?.RootfsDir !== undefined && own.RootfsOverlay !== true) {
    return openAt(null, own.RootfsDir, O_RDONLY | O_DIRECTORY);
  }
  if (diskOwners(record) !== undefined) {
    throw new UserError(
      `Cannot export container ${record.Name.slice(1)}: its files have other owners on the disk; ` +
        "commit it and export a container of the new image",
    );
  }
  const upper = `${containerDirectory(record.Id)}/upper`;
  const layers = [...(isThere(upper) ? [upper] : []), ...readLayers(record.Id)];
  return detachedOverlay(store, layers, `export container ${record.Name.slice(1)}`);
}

/**
 * Gives the container's files as one archive, in pieces that are valid during the call. What is
 * mounted into it is left out, as docker does.
 */
export function exportContainer(
  store: Store,
  record: ContainerRecord,
  write: (chunk: Uint8Array) => void,
): void {
  using root = openRoot(store, record);
  // An O_PATH descriptor of a mount cannot be listed; its "." can.
  using top = openAt(root, ".", O_RDONLY | O_DIRECTORY);
  packTree(top.raw, { marks: "none" }, write);
}
