/** POST /build/prune, and what builds keep as docker shows it. */
import { untilMillis } from "../base/filter.ts";
import { type CacheEntry, pruneBuildCache } from "../build/prune.ts";
import { imageStore } from "../engine/image_notes.ts";
import { type Exchange, orNull } from "./exchange.ts";

/** Since then an entry has a list of those it came from. */
const PARENTS_SINCE = 42;

/** docker's row of an entry. What it came from and how often it was used is not noted. */
export function cacheRow(entry: CacheEntry, minor: number): unknown {
  const { id, kind, isShared, size, createdMs, lastUsedMs } = entry;
  return {
    ID: id,
    ...(minor < PARENTS_SINCE && { Parent: "" }),
    Type: kind,
    Description: "",
    InUse: false,
    Shared: isShared,
    Size: size,
    CreatedAt: new Date(createdMs).toISOString(),
    LastUsedAt: new Date(lastUsedMs).toISOString(),
    UsageCount: 1,
  };
}

/** POST /build/prune. */
export async function prune(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const until = untilMillis(query.filters(["until"]));
  const keepBytes = query.integer("reserved-space") ?? query.integer("keep-storage");
  const { ids, bytes } = await pruneBuildCache(imageStore(), {
    all: query.flag("all"),
    ...(until.length > 0 && { untilMs: Math.min(...until) }),
    ...(keepBytes !== undefined && { keepBytes }),
  });
  await exchange.json(200, {
    CachesDeleted: orNull(ids),
    SpaceReclaimed: bytes,
  });
}
