/** Ends containers: signals, waiting, removal. */
import { POLLIN, SIGKILL, SIGTERM } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { ESRCH } from "../../ffi/errno.ts";
import { check, sys } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";
import { UserError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import { parseSignal, RTMAX } from "../base/signals.ts";
import { cleanUp, removeLocked } from "./cleanup.ts";
import { lockContainer, nameOf, readRecord, resolveContainer } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { openProcess } from "./first_process.ts";
import { leaveMark, stoppedMark } from "./marks.ts";
import { emptyContainerConfig } from "./host_config.ts";
import { shownState } from "./restart_policy.ts";
import { isAlive, type RunState, sleeperPath, STARTING, type State, stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

const DEFAULT_GRACE_SECONDS = 10;

/** Sends a signal to the first process; false when it is gone. */
function signalContainer(run: RunState, signal: number): boolean {
  using process = openProcess(run);
  if (process === undefined) return false;
  const result = sys("pidfd_send_signal", process.raw, signal, null, 0);
  if (result < 0 && result !== -ESRCH) {
    check("send a signal", "pidfd_send_signal", process.raw, signal, null, 0);
  }
  return result === 0;
}

/** Waits until a process ends, at most `timeoutMs` (-1: for ever); whether it ended. pidfd_open(2). */
async function waitForEnd(process: Fd, timeoutMs: number): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const left = timeoutMs < 0 ? -1 : Math.max(0, until - performance.now());
    const [events] = await poll([{ fd: process.raw, events: POLLIN }], left);
    if (events !== 0) return true;
    if (timeoutMs >= 0 && performance.now() >= until) return false;
  }
}

/** Waits until the container's monitor has written the exit record and let go of everything. */
export async function waitForMonitor(run: RunState): Promise<void> {
  const raw = sys("pidfd_open", run.monitorPid, 0);
  if (raw < 0) return;
  using monitor = new Fd(raw);
  const name = readIfThere(`/proc/${run.monitorPid}/comm`)?.trim();
  if (name !== "diplodock-mon") return; // gone, or already executing the clean-up
  await waitForEnd(monitor, 2000);
}

/** How a stop is wanted; what is absent is the container's own setting. */
export interface StopOptions {
  readonly signal?: string;
  /** Seconds until SIGKILL; negative: never. */
  readonly timeoutSeconds?: number;
}

/**
 * Stops container `id`: its stop signal, then SIGKILL. Returns when it is down and cleaned up. A
 * container that does not run is fine; one that waits for its restart stays down.
 */
export async function stopContainer(id: string, options: StopOptions = {}): Promise<void> {
  const record = readRecord(id);
  const state = markStopped(id);
  if (state.kind !== "running") return;
  const { Config } = record;
  const signal = parseSignal(options.signal ?? (Config.StopSignal || "SIGTERM"));
  const grace = options.timeoutSeconds ?? Config.StopTimeout ?? DEFAULT_GRACE_SECONDS;
  await endProcess(record, state.run, signal, grace);
  await cleanUp(id);
  emitContainerEvent(record, "stop");
}

/**
 * Leaves the mark that keeps the container down, and returns its state. One that does not run may
 * be about to, by another client or its policy: the lock says when that is decided.
 */
function markStopped(id: string): State {
  const running = stateOf(id).kind === "running";
  using _lock = running ? undefined : lockContainer(id);
  leaveMark(stoppedMark(id));
  cancelRestart(id);
  return stateOf(id);
}

/** Sends a signal and tells of it. */
function tellKill(record: ContainerRecord, run: RunState, signal: number): void {
  signalContainer(run, signal);
  emitContainerEvent(record, "kill", { signal: String(signal) });
}

async function endProcess(
  record: ContainerRecord,
  run: RunState,
  signal: number,
  graceSeconds: number,
): Promise<void> {
  using process = openProcess(run);
  if (process !== undefined) {
    const { thaw } = await import("./pause.ts");
    if (graceSeconds !== 0) {
      tellKill(record, run, signal);
      thaw(run.cgroup); // a frozen process gets its signal when it runs again
      if (graceSeconds < 0) await waitForEnd(process, -1);
    }
    if (graceSeconds === 0 || !await waitForEnd(process, graceSeconds * 1000)) {
      tellKill(record, run, SIGKILL);
      thaw(run.cgroup);
      await waitForEnd(process, -1);
    }
  }
  await waitForMonitor(run);
}

/** Ends the wait for a restart, if there is one. */
function cancelRestart(id: string): void {
  const [pid, startTime, phase] = readIfThere(sleeperPath(id))?.split(" ") ?? [];
  if (pid === undefined || phase === STARTING || !isAlive(Number(pid), startTime)) return;
  sys("kill", Number(pid), SIGKILL);
}

/**
 * Sends `signal` to the first process of the container that `reference` means. Throws UserError
 * with docker's texts for a signal that is none and a container that does not run.
 */
export async function killContainer(reference: string, signal: string): Promise<void> {
  // A number that no signal has is refused by the container, not by the parser.
  const number = /^\d{2,3}$/.test(signal) ? Number(signal) : parseSignal(signal);
  try {
    await kill(resolveContainer(reference), number);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`Cannot kill container: ${reference}: ${error.message}`);
  }
}

async function kill(id: string, signal: number): Promise<void> {
  const record = readRecord(id);
  const state = shownState(record);
  if (state.kind === "restarting") {
    markStopped(id); // nobody to signal: all it takes is that it does not come back
    return;
  }
  if (state.kind !== "running") throw new UserError(`container ${id} is not running`);
  if (signal > RTMAX) throw new UserError(`The linux daemon does not support signal ${signal}`);
  if (signal === SIGKILL || signal === SIGTERM) leaveMark(stoppedMark(id));
  tellKill(record, state.run, signal);
  if (signal !== SIGKILL) return;
  const { thaw } = await import("./pause.ts");
  thaw(state.run.cgroup);
  using process = openProcess(state.run);
  if (process) await waitForEnd(process, -1);
  await waitForMonitor(state.run);
  await cleanUp(id);
}

/** How a removal is wanted. */
export interface RemoveOptions {
  readonly force: boolean;
  readonly volumes: boolean;
}

/** Removes container `id`. Throws UserError with docker's text when it runs and `force` is not set. */
export async function removeContainer(id: string, options: RemoveOptions): Promise<void> {
  const state = stateOf(id);
  const removesItself = readRecordEvenIfBroken(id).HostConfig?.AutoRemove === true;
  if (options.force) await killForRemoval(id);
  using lock = lockForRemoval(id);
  if (lock === undefined) {
    if (options.force && removesItself) return; // and its end was all that was waited for
    throw new UserError(`removal of container ${id} is already in progress`);
  }
  const record = readRecordEvenIfBroken(id);
  const now = stateOf(id);
  if (now.kind === "running" && !options.force) {
    const what = state.kind === "running" && state.paused ? "paused" : "running";
    const advice = what === "paused"
      ? "unpause and stop the container before removing or force remove"
      : "stop the container before removing or force remove";
    throw new UserError(
      `cannot remove container "${record.Name}": container is ${what}: ${advice}`,
    );
  }
  if (now.kind === "running") await endProcess(record, now.run, SIGKILL, 0);
  await removeLocked(record, options.volumes);
}

/** The container's lock; undefined when it was removed while we waited for it. */
function lockForRemoval(id: string): Fd | undefined {
  try {
    return lockContainer(id);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Kills what runs of a container before its lock is taken: a start may be waiting for it. */
async function killForRemoval(id: string): Promise<void> {
  cancelRestart(id);
  const state = stateOf(id);
  if (state.kind === "running") {
    leaveMark(stoppedMark(id));
    await endProcess(readRecordEvenIfBroken(id), state.run, SIGKILL, 0);
  }
}

/** A record that cannot be read must not keep its container from being removed. */
function readRecordEvenIfBroken(id: string): ContainerRecord {
  try {
    return readRecord(id);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return brokenRecord(id);
  }
}

/** As much of a record as its removal needs: the name is known by its link. */
function brokenRecord(id: string): ContainerRecord {
  const record: Partial<ContainerRecord> = {
    Id: id,
    Name: `/${nameOf(id) ?? ""}`,
    Image: "",
    Mounts: [],
    Config: { ...emptyContainerConfig(""), Labels: {} },
  };
  return record as ContainerRecord;
}
