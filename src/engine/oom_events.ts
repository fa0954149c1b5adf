/**
 * The `oom` events of containers. There is no daemon to see a kill: who follows events looks every
 * second, and what nobody saw is told when the container ends. Each kill is told once.
 */
import { readIfThere, writeAtomic } from "../base/files.ts";
import { containerRunDirectory } from "../base/places.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { oomKills } from "../runtime/oom_kills.ts";
import { listRecords, lockContainer } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { readRunState, stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

/** How many kills of this run were told. */
const toldPath = (id: string) => `${containerRunDirectory(id)}/oom-told`;

function told(id: string): number {
  return Number(readIfThere(toldPath(id)) ?? 0);
}

/**
 * Emits an event for each kill in `cgroup` that was not told yet; how many there were in all. The
 * caller holds the container's lock.
 */
export function tellOomKills(record: ContainerRecord, cgroup: string): number {
  const kills = oomKills(openCgroup(cgroup));
  const known = told(record.Id);
  if (kills <= known) return kills;
  writeAtomic(toldPath(record.Id), String(kills));
  for (let i = known; i < kills; i++) emitContainerEvent(record, "oom");
  return kills;
}

/** Tells of the kills in all containers that run. */
function tellRunning(): void {
  for (const record of listRecords(() => {})) {
    const run = readRunState(record.Id);
    if (run === undefined || oomKills(openCgroup(run.cgroup)) <= told(record.Id)) continue;
    // Whoever has the lock starts it, ends it, or tells of it.
    using lock = lockContainer(record.Id, false);
    if (lock !== undefined && stateOf(record.Id).kind === "running") {
      tellOomKills(record, run.cgroup);
    }
  }
}

const INTERVAL_MS = 1000;

/** Tells of kills as they happen, until disposed. */
export function watchOomKills(): Disposable {
  const timer = setInterval(() => {
    try {
      tellRunning();
    } catch {
      // A container was removed in between; it is not in the next round.
    }
  }, INTERVAL_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
