/** What of a container's files becomes a layer: commit, and RUN of a build. */
import { fromText, toText } from "../image/byte_string.ts";
import type { CommitOptions } from "../image/commit.ts";
import { isThere } from "../image/store.ts";
import { markOf } from "../image/whiteout.ts";
import { containerChanges } from "./diff.ts";
import { rootDocument, writtenTree } from "./foundation.ts";
import type { ContainerRecord } from "./types.ts";
import { diskOwners } from "./disk_owners.ts";

/** Where a container's changes are, and what of it counts. */
export function changesToPack(
  record: ContainerRecord,
): Pick<CommitOptions, "upper" | "owners" | "deleted" | "exclude"> {
  const root = rootDocument(record.Id), { storage } = root;
  const owners = diskOwners(root);
  const upper = writtenTree(record.Id, storage);
  return {
    ...(isThere(upper) && { upper }),
    ...(owners && { owners }),
    ...(storage === "copy" && { deleted: () => deletedPaths(record) }),
    exclude() {
      // What diff shows is what is kept: not the stubs of mount points and of the engine's files.
      const changed = new Set(containerChanges(record).map((change) => change.path));
      return (path) => !changed.has(`/${toText(markedPath(path))}`);
    },
  };
}

/** What a mark of fuse-overlayfs that is a file speaks of; of all else the path itself. */
function markedPath(path: string): string {
  const slash = path.lastIndexOf("/");
  const mark = markOf(path.slice(slash + 1));
  if (mark.kind === "whiteout") return path.slice(0, slash + 1) + mark.name;
  return mark.kind === "opaque" ? path.slice(0, Math.max(slash, 0)) : path;
}

/** A copy has no marks of what is gone. Paths as byte strings. */
function deletedPaths(record: ContainerRecord): string[] {
  return containerChanges(record).filter(({ kind }) => kind === "D")
    .map(({ path }) => fromText(path.slice(1)));
}
