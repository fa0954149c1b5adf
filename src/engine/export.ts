/** `export`: a container's root file system as an archive. */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { detachedOverlay } from "../image/mount.ts";
import { packTree } from "../image/pack.ts";
import { isThere, type Store } from "../image/store.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { isRootless } from "../base/places.ts";
import { openHostRoot } from "./container_tree.ts";
import { lockContainer } from "./containers.ts";
import { readFoundation, rootDocument, rootOf } from "./foundation.ts";
import { mountFuse, unmountFuse } from "./fuse_root.ts";
import { stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";
import { diskOwners } from "./disk_owners.ts";

/** The container's files as it sees them, without what is mounted into it. */
function openRoot(store: Store, record: ContainerRecord, undo: DisposableStack): Fd {
  const { layers, storage } = readFoundation(record.Id);
  const { path, overlay } = rootOf(record, { layers, storage });
  if (overlay?.lower[0] === "/" && ownUserNamespace() !== undefined) {
    return undo.use(openHostRoot(record)).root;
  }
  if (overlay !== undefined) {
    const all = [...(isThere(overlay.upper) ? [overlay.upper] : []), ...layers];
    return detachedOverlay(store, all, `export container ${record.Name.slice(1)}`);
  }
  if (storage === "fuse") {
    undo.use(lockContainer(record.Id));
    if (stateOf(record.Id).kind !== "running") undo.defer(() => unmountFuse(record.Id));
    mountFuse(record.Id, layers);
  }
  return openAt(null, path, O_RDONLY | O_DIRECTORY);
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
  using undo = new DisposableStack();
  const root = undo.use(openRoot(store, record, undo));
  // An O_PATH descriptor of a mount cannot be listed; its "." can.
  const top = undo.use(openAt(root, ".", O_RDONLY | O_DIRECTORY));
  const owners = diskOwners(rootDocument(record.Id));
  let unreadable = 0;
  packTree(top.raw, {
    marks: "none",
    ...(owners && { owners }),
    // Of the machine's own root an ordinary user may not read all.
    ...(record.Image === "" && isRootless() && { onUnreadable: () => unreadable++ }),
  }, write);
  if (unreadable > 0) console.error(`NOTE: left out what you may not read: ${unreadable} files`);
}
