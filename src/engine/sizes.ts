/** How much of the disk a container takes. */
import { rootDirectory } from "../base/places.ts";
import { readRoot } from "./container_documents.ts";
import { treeSize } from "./disk_usage.ts";
import { writtenTree } from "./foundation.ts";
import type { Sizes } from "./summary.ts";
import type { ContainerRecord } from "./types.ts";

/**
 * Walks what the container wrote; its image counts with the size noted when it was stored. The
 * image `host` and a root directory are the machine's, and count nothing.
 */
export async function containerSizes(record: ContainerRecord): Promise<Sizes> {
  const own = treeSize(writtenTree(record.Id, readRoot(record.Id)?.storage));
  if (record.Image === "") return { own, all: own };
  const [{ Store }, { readRecord }, { sizeOf }, { parseDigest }] = await Promise.all([
    import("../image/store.ts"),
    import("../image/records.ts"),
    import("../image/list.ts"),
    import("../image/digest.ts"),
  ]);
  const image = readRecord(new Store(rootDirectory()), parseDigest(record.Image));
  return { own, all: own + (image === undefined ? 0 : sizeOf(image)) };
}
