/**
 * Where images lie on disk. Free of `node:` imports: the hot path reads with it.
 *
 * ```
 * <root>/images/oci-layout index.json blobs/sha256/<hex>   an OCI image-layout
 *        images/index.flushed.json    the list before it was last changed, for a power cut
 *        images/records/<id>.json     what run and images need of an image, read at once
 *        images/parts/<hex>           interrupted downloads
 *        images/unsynced/<boot>.<minute>/… marks of what was written but not yet flushed
 *        layers/<chain id>/fs         unpacked layer, a lower directory of overlayfs
 *        layers/<chain id>/layer.json its diff id and size
 *        layers/l/<short>             link to it, for option strings that must be short
 *        tmp/<session>/               half-made things; an orphan when nobody holds its lock
 *        locks/<name>                 flock files
 * ```
 */
import { lstatIfThere, namesIn, readIfThere, writeAtomic } from "../base/files.ts";
import { type Digest, hexOf } from "./digest.ts";
import { LAYOUT } from "./types.ts";

/** Roots where this process has made all directories. */
const created = new Set<string>();

/** The paths of one store. Making it touches nothing. */
export class Store {
  constructor(readonly root: string) {}
  get images(): string {
    return `${this.root}/images`;
  }
  get layers(): string {
    return `${this.root}/layers`;
  }
  get tmp(): string {
    return `${this.root}/tmp`;
  }
  get index(): string {
    return `${this.images}/index.json`;
  }
  /** An earlier version of it that is on the disk. */
  get flushedIndex(): string {
    return `${this.images}/index.flushed.json`;
  }
  get parts(): string {
    return `${this.images}/parts`;
  }
  get unsynced(): string {
    return `${this.images}/unsynced`;
  }
  get records(): string {
    return `${this.images}/records`;
  }
  get blobs(): string {
    return `${this.images}/blobs/sha256`;
  }
  blob(digest: Digest): string {
    return `${this.blobs}/${hexOf(digest)}`;
  }
  record(id: Digest): string {
    return `${this.records}/${hexOf(id)}.json`;
  }
  layer(chainId: Digest): string {
    return `${this.layers}/${hexOf(chainId)}`;
  }
  /** The lower directory of a layer. */
  layerRoot(chainId: Digest): string {
    return `${this.layer(chainId)}/fs`;
  }
  /** The short name of it, relative to `layers`. */
  shortLayer(chainId: Digest): string {
    return `l/${hexOf(chainId).slice(0, 16)}`;
  }
  lock(name: string): string {
    return `${this.root}/locks/${name}`;
  }
  /** Makes the directories that a writer needs, and the mark of the layout; once in a process. */
  create(): void {
    if (created.has(this.root)) return;
    // Whoever made the store made the mark last.
    if (!this.#isWhole()) this.#make();
    created.add(this.root);
  }

  /** Are the directories there, those of which somebody may have tidied away the empty ones too? */
  #isWhole(): boolean {
    const images = namesIn(this.images), root = namesIn(this.root);
    return ["oci-layout", "blobs", "records", "parts", "unsynced"].every((n) =>
      images.includes(n)
    ) &&
      ["layers", "tmp", "locks"].every((name) => root.includes(name)) &&
      isThere(this.blobs) && isThere(`${this.layers}/l`);
  }

  #make(): void {
    const directories = [
      this.blobs,
      this.records,
      this.parts,
      this.unsynced,
      `${this.layers}/l`,
      this.tmp,
      `${this.root}/locks`,
    ];
    for (const directory of directories) Deno.mkdirSync(directory, { recursive: true });
    // Layers hold setuid programs and other people's secrets: only root walks in.
    for (const directory of [this.layers, this.images, this.tmp]) Deno.chmodSync(directory, 0o700);
    const layout = `${this.images}/oci-layout`;
    if (readIfThere(layout) === undefined) {
      writeAtomic(layout, JSON.stringify(LAYOUT));
    }
  }
}

/** Whether something is there, links not followed. */
export function isThere(path: string): boolean {
  return lstatIfThere(path) !== undefined;
}
