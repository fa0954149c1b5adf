/**
 * Restarts without a daemon: the process that cleans up after a container decides whether it is
 * started again, and a tiny program waits out the back-off. Policies: docker's.
 */
import type { Fd } from "../../ffi/fd.ts";
import { makeDirectories, readIfThere, removeIfThere, writeAtomic } from "../base/files.ts";
import { containerDirectory, containerRunDirectory } from "../base/places.ts";
import { selfCommand } from "../base/self.ts";
import { spawnSleeper } from "../runtime/sleeper.ts";
import { containerIds, lockContainer, readRecord, writeRecord } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { startNoted } from "./start_noted.ts";
import { exitCodeOf, processStartTime, readStartedAt, sleeperPath, stateOf } from "./state.ts";
import { stoppedMark } from "./marks.ts";
import { stopContainer, type StopOptions } from "./stop.ts";
import type { ContainerRecord } from "./types.ts";

/** docker's back-off: 100 ms, doubled up to a minute, forgotten after ten seconds up. */
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 60_000;
const STABLE_MS = 10_000;

const delayPath = (id: string) => `${containerDirectory(id)}/restart-delay`;

/** Whether the policy wants the container up again after it ended with `code`. */
export function wantsRestart(
  record: Pick<ContainerRecord, "HostConfig" | "RestartCount">,
  code: number,
  stoppedByUser: boolean,
): boolean {
  const { Name, MaximumRetryCount } = record.HostConfig.RestartPolicy;
  if (stoppedByUser) return false;
  if (Name === "always" || Name === "unless-stopped") return true;
  if (Name !== "on-failure" || code === 0) return false;
  return MaximumRetryCount === 0 || record.RestartCount < MaximumRetryCount;
}

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
  const stopped = readIfThere(stoppedMark(id)) !== undefined;
  if (!wantsRestart(record, exitCodeOf(state), stopped)) return;
  const started = Date.parse(readStartedAt(id) ?? "");
  const last = Number(readIfThere(delayPath(id))) || undefined;
  const delay = nextDelay(last, Date.now() - started);
  writeAtomic(delayPath(id), String(delay));
  makeDirectories(containerRunDirectory(id));
  const [file, ...words] = selfCommand();
  const pid = spawnSleeper(delay, [file, ...words, "__restart", id]);
  writeAtomic(sleeperPath(id), `${pid} ${processStartTime(pid) ?? ""}`);
}

/** What the tiny program executes when the back-off is over. */
export async function restartNow(id: string): Promise<void> {
  using lock = lockContainer(id);
  const record = readRecord(id);
  if (stateOf(id).kind === "running" || readIfThere(stoppedMark(id)) !== undefined) return;
  removeIfThere(sleeperPath(id));
  const counted = { ...record, RestartCount: record.RestartCount + 1 };
  writeRecord(counted, false);
  try {
    const { started } = await startNoted(counted, lock, { attached: false, warn: () => {} });
    started.client[Symbol.dispose]();
  } catch (error) {
    restartIfWanted(counted, lock);
    throw error;
  }
}

/** `restart`: stops the container if it runs, and starts it. */
export async function restartContainer(id: string, options: StopOptions): Promise<void> {
  await stopContainer(id, options);
  using lock = lockContainer(id);
  if (stateOf(id).kind === "running") return; // another client was faster
  const record = readRecord(id);
  const warn = (text: string) => console.error(`WARNING: ${text}`);
  const { started } = await startNoted(record, lock, { attached: false, warn });
  started.client[Symbol.dispose]();
  emitContainerEvent(record, "restart");
}

/** `system boot`: starts what should run after a reboot. Returns the ids with their errors. */
export async function startAtBoot(): Promise<{ id: string; error?: Error }[]> {
  const results: { id: string; error?: Error }[] = [];
  for (const id of containerIds()) {
    const record = readRecord(id);
    const state = stateOf(id);
    if (state.kind !== "exited") continue;
    const stopped = readIfThere(stoppedMark(id)) !== undefined;
    const policy = record.HostConfig.RestartPolicy.Name;
    // A lost run (the machine went down) has no exit record; docker restarts it as a failure.
    const lost = state.exit === undefined;
    const wanted = policy === "always" || (policy === "unless-stopped" && !stopped) ||
      (policy === "on-failure" && lost);
    if (!wanted) continue;
    try {
      using lock = lockContainer(id);
      const { started } = await startNoted(record, lock, { attached: false, warn: () => {} });
      started.client[Symbol.dispose]();
      results.push({ id });
    } catch (error) {
      results.push({ id, error: error as Error });
    }
  }
  return results;
}
