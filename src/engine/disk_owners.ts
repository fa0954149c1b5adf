/** Whose a container's files are, seen from inside. */
import type { IdMapping } from "../runtime/spec_types.ts";
import type { RootDocument } from "./container_documents.ts";

/** How the ids on the disk of a container are those inside, where they differ. */
export function diskOwners(
  root: Pick<RootDocument, "owners">,
): { uid(onDisk: number): number; gid(onDisk: number): number } | undefined {
  const owners = root.owners;
  if (owners === undefined) return undefined;
  const find = (maps: readonly (readonly IdMapping[])[]) => (id: number) => {
    for (const map of maps) {
      const range = map.find(({ hostID, size }) => hostID <= id && id < hostID + size);
      if (range !== undefined) return range.containerID + id - range.hostID;
    }
    return 0;
  };
  return { uid: find(owners.map(({ uids }) => uids)), gid: find(owners.map(({ gids }) => gids)) };
}
