/**
 * Layers of an image once more, with other owners: what an ordinary user's container with ids of its
 * own stands on, as the kernel maps no owners for him. Made at the first start with such ids, kept
 * beside the layer, removed with it.
 */
import { hexOf, parseDigest } from "./digest.ts";
import { readDocument } from "./blobs.ts";
import { parseManifest } from "./documents.ts";
import { type ShiftedOwners, unpackVerified } from "./layers.ts";
import { lock } from "./locks.ts";
import { readRecord } from "./records.ts";
import { Session } from "./session.ts";
import { isThere, Store } from "./store.ts";

/** Who owns what belongs to an id of the image. */
export type OwnerMap = Omit<ShiftedOwners, "lowers">;

/**
 * The lower directories of image `id` with the owners of `map`, topmost first; `key` names the map
 * in file names. Throws UserError.
 */
export async function shiftedLayers(
  root: string,
  id: string,
  key: string,
  map: OwnerMap,
): Promise<string[]> {
  const store = new Store(root);
  const record = readRecord(store, parseDigest(id));
  if (record === undefined) throw new Error(`Cannot read the record of image ${id}`);
  const place = (chainId: typeof record.id) => `${store.layer(chainId)}/owners-${key}`;
  const roots = record.chain.map((chainId) => `${place(chainId)}/fs`);
  if (roots.every(isThere)) return roots.reverse();
  using session = await Session.open(store);
  const { layers } = parseManifest(readDocument(store, record.manifest.digest), record.id);
  for (const [i, chainId] of record.chain.entries()) {
    using _lock = await lock(store.lock(`layer-${hexOf(chainId)}`), "exclusive");
    if (isThere(roots[i])) continue;
    const directory = session.temporary("owners");
    Deno.mkdirSync(`${directory}/fs`, { recursive: true });
    Deno.chmodSync(`${directory}/fs`, 0o755);
    Deno.chownSync(`${directory}/fs`, map.uid(0), map.gid(0));
    const source = {
      blob: layers[i].digest,
      range: { path: store.blob(layers[i].digest), offset: 0, size: layers[i].size },
      diffId: parseDigest(record.config.rootfs.diff_ids[i]),
      chain: record.chain.slice(0, i + 1),
    };
    const lowers = roots.slice(0, i).reverse();
    await unpackVerified(store, source, directory, { lowers, ...map });
    Deno.renameSync(directory, place(chainId));
  }
  return roots.reverse();
}
