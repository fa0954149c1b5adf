/** What builds keep, how much room it takes, and how it goes. */
import { namesIn, removeIfThere } from "../base/files.ts";
import { treeSize } from "../engine/disk_usage.ts";
import { cachedSteps, forgetStep, lastUsedMs, stepSize } from "../image/build_cache.ts";
import { type Digest, hexOf } from "../image/digest.ts";
import { collectGarbage } from "../image/gc.ts";
import { listImages } from "../image/list.ts";
import { tryLock } from "../image/locks.ts";
import { isThere, type Store } from "../image/store.ts";
import { cacheMountsDirectory } from "./place_mounts.ts";
import { sweepBuilds } from "./run_step.ts";

/** Something that builds keep: an instruction's layer, or the directory of a cache mount. */
export interface CacheEntry {
  readonly id: string;
  /** docker's words for the two. */
  readonly kind: "regular" | "exec.cachemount";
  /** Bytes that would be free without it: none where an image has the same layer. */
  readonly size: number;
  readonly isShared: boolean;
  readonly createdMs: number;
  readonly lastUsedMs: number;
  remove(): void;
}

/** Everything that builds keep, used last first. */
export function cacheEntries(store: Store): CacheEntry[] {
  const ofImages = new Set(listImages(store).flatMap(({ record }) => record.chain));
  const counted = new Set<Digest>();
  const steps = cachedSteps(store).map((step): CacheEntry => {
    const { key, chainId } = step;
    const isShared = chainId !== undefined && ofImages.has(chainId);
    const isCounted = isShared || (chainId !== undefined && counted.has(chainId));
    if (chainId !== undefined) counted.add(chainId);
    return {
      id: hexOf(key).slice(0, 25),
      kind: "regular",
      size: isCounted ? 0 : stepSize(store, step),
      isShared,
      createdMs: Date.parse(step.created) || 0,
      lastUsedMs: lastUsedMs(store, key),
      remove: () => forgetStep(store, key),
    };
  });
  return [...steps, ...mountEntries(store)].sort((a, b) => b.lastUsedMs - a.lastUsedMs);
}

function mountEntries(store: Store): CacheEntry[] {
  const top = cacheMountsDirectory(store);
  return namesIn(top).filter((name) => /^[0-9a-f]{32}-\d+$/.test(name)).map((id): CacheEntry => {
    const path = `${top}/${id}`;
    const { mtime, birthtime } = Deno.statSync(path);
    return {
      id,
      kind: "exec.cachemount",
      size: treeSize(path),
      isShared: false,
      createdMs: (birthtime ?? mtime)?.getTime() ?? 0,
      lastUsedMs: mtime?.getTime() ?? 0,
      remove() {
        // One that a build uses at this moment stays.
        using free = tryLock(`${path}.lock`, "exclusive");
        if (free === undefined) return;
        removeIfThere(path, true);
        removeIfThere(`${path}.lock`);
      },
    };
  });
}

/** What to remove. */
export interface CachePrune {
  /** Also what images share: their next build begins anew. */
  readonly all: boolean;
  /** Only what was used last before that, in ms since 1970. */
  readonly untilMs?: number;
  /** As many bytes of what was used last stay. */
  readonly keepBytes?: number;
}

/** Removes what builds keep, and the containers of killed builds. */
export async function pruneBuildCache(
  store: Store,
  { all, untilMs = Infinity, keepBytes = 0 }: CachePrune,
): Promise<{ ids: string[]; bytes: number }> {
  if (!isThere(`${store.root}/build`)) return { ids: [], bytes: 0 };
  await sweepBuilds(store);
  const ids: string[] = [];
  let bytes = 0, kept = 0;
  for (const entry of cacheEntries(store)) {
    const stays = (entry.isShared && !all) || entry.lastUsedMs > untilMs;
    if (!stays && keepBytes > 0 && kept + entry.size <= keepBytes) {
      kept += entry.size;
      continue;
    }
    if (stays) continue;
    entry.remove();
    ids.push(entry.id);
    bytes += entry.size;
  }
  collectGarbage(store);
  return { ids, bytes };
}
