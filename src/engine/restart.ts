/**
 * Restarts without a daemon: the process that cleans up after a container decides whether it is
 * started again, and a tiny program waits out the back-off. Policies: docker's.
 */
import type { Fd } from "../../ffi/fd.ts";
import { makeDirectories, readIfThere, removeIfThere, writeAtomic } from "../base/files.ts";
import { containerRunDirectory } from "../base/places.ts";
import { selfCommand } from "../base/self.ts";
import { spawnSleeper } from "../runtime/sleeper.ts";
import { listRecords, lockContainer, readRecord, writeRecord } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { comesBack, delayPath, withoutRestarts } from "./restart_policy.ts";
import { startNoted } from "./start_noted.ts";
import { processStartTime, readStartedAt, sleeperPath, STARTING, stateOf } from "./state.ts";
import { stoppedMark } from "./marks.ts";
import { stopContainer, type StopOptions } from "./stop.ts";
import type { ContainerRecord } from "./types.ts";

/** docker's back-off: 100 ms, doubled up to a minute, forgotten after ten seconds up. */
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 60_000;
const STABLE_MS = 10_000;

/** The next delay after a run of `ranMs`. */
export function nextDelay(lastMs: number | undefined, ranMs: number): number {
  if (lastMs === undefined || ranMs >= STABLE_MS) return FIRST_DELAY_MS;
  return Math.min(lastMs * 2, MAX_DELAY_MS);
}

/** Starts the wait for a restart, if the policy wants one. `_lock` is the container's. */
export function restartIfWanted(record: ContainerRecord, _lock: Fd): void {
  const { Id: id } = record;
  const state = stateOf(id);
  if (state.kind !== "exited") return;
  if (!comesBack(record, state)) return;
  const started = Date.parse(readStartedAt(id) ?? "");
  const last = Number(readIfThere(delayPath(id))) || undefined;
  const delay = nextDelay(last, Date.now() - started);
  writeAtomic(delayPath(id), String(delay));
  makeDirectories(containerRunDirectory(id));
  const [file, ...words] = selfCommand();
  const pid = spawnSleeper(delay, [file, ...words, "__restart", id]);
  writeSleeper(id, pid);
}

/** Notes the process that the restart depends on, and whether it is past the wait. */
function writeSleeper(id: string, pid: number, phase = ""): void {
  writeAtomic(sleeperPath(id), `${pid} ${processStartTime(pid) ?? ""} ${phase}`.trimEnd());
}

/** What the tiny program executes when the back-off is over. */
export async function restartNow(id: string): Promise<void> {
  using lock = lockContainer(id);
  const record = readRecord(id);
  if (stateOf(id).kind === "running" || readIfThere(stoppedMark(id)) !== undefined) return;
  // It stays in the state of waiting until it runs: nobody may take it for one that has ended.
  writeSleeper(id, Deno.pid, STARTING);
  const counted = { ...record, RestartCount: record.RestartCount + 1 };
  writeRecord(counted, false);
  try {
    const { started } = await startNoted(counted, lock, { attached: false, warn: () => {} });
    started.client[Symbol.dispose]();
    removeIfThere(sleeperPath(id));
  } catch (error) {
    removeIfThere(sleeperPath(id));
    restartIfWanted(counted, lock);
    throw error;
  }
}

/** `restart`: stops the container if it runs, and starts it. */
export async function restartContainer(id: string, options: StopOptions): Promise<void> {
  await stopContainer(id, options);
  using lock = lockContainer(id);
  if (stateOf(id).kind === "running") return; // another client was faster
  const record = withoutRestarts(readRecord(id));
  const warn = (text: string) => console.error(`WARNING: ${text}`);
  const { started } = await startNoted(record, lock, { attached: false, warn });
  started.client[Symbol.dispose]();
  emitContainerEvent(record, "restart");
}

/**
 * `system boot`: starts what should run after a reboot. Returns the ids, with an error of those that
 * could not be started, or not be read: the others are started all the same.
 */
export async function startAtBoot(): Promise<{ id: string; error?: Error }[]> {
  const results: { id: string; error?: Error }[] = [];
  for (const { Id: id } of listRecords((id, error) => results.push({ id, error }))) {
    try {
      using lock = lockContainer(id);
      const record = readRecord(id);
      if (!isWantedAtBoot(record)) continue;
      const options = { attached: false, warn: () => {} };
      const { started } = await startNoted(withoutRestarts(record), lock, options);
      started.client[Symbol.dispose]();
      results.push({ id });
    } catch (error) {
      results.push({ id, error: error as Error });
    }
  }
  return results;
}

function isWantedAtBoot({ Id, HostConfig }: ContainerRecord): boolean {
  const state = stateOf(Id);
  if (state.kind !== "exited") return false;
  switch (HostConfig.RestartPolicy.Name) {
    case "always":
      return true;
    case "unless-stopped":
      return readIfThere(stoppedMark(Id)) === undefined;
    case "on-failure":
      // A lost run (the machine went down) has no exit record; docker restarts it as a failure.
      return state.exit === undefined;
    default:
      return false;
  }
}
