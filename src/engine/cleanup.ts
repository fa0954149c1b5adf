/**
 * What is left to do when a container has ended: its cgroup, its networks, its restart or its
 * removal. Whoever saw the end does it: the client that waited, or a process that the monitor
 * executes; what both missed is done by the next command (sweep).
 */
import { SIGKILL } from "../../ffi/constants.ts";
import { messageOf, UserError } from "../base/errors.ts";
import type { Fd } from "../../ffi/fd.ts";
import { removeIfThere } from "../base/files.ts";
import { containerRunDirectory } from "../base/places.ts";
import { removeCgroup } from "../runtime/cgroup.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import {
  containerIds,
  deleteRecord,
  lockContainer,
  readRecord,
  sweepOrphans,
  writeRecord,
} from "./containers.ts";
import { emitContainerEvent, emitVolumeEvent } from "./events.ts";
import { mendHealthChecks } from "./health_mend.ts";
import { hasHealthCheck, keepHealth } from "./health_state.ts";
import { emitDied } from "./life_events.ts";
import { disconnect, sweepNetworkStates } from "./network.ts";
import { withoutAddresses } from "./network_settings.ts";
import { releaseRanges } from "./userns_ranges.ts";
import { leaveMark, noteIfRoom, oomKilledMark } from "./marks.ts";
import {
  exitCodeOf,
  readRunState,
  readStartedAt,
  readStartNote,
  stateOf,
  writeStartedAt,
} from "./state.ts";
import { volumesToMount } from "./volumes.ts";
import type { ContainerRecord } from "./types.ts";

/**
 * Cleans up after a container that has ended; nothing happens when it runs (again). The caller
 * does not hold its lock. Removes the container if it was made with --rm. Starts it again if its
 * restart policy says so. Without `wait` nothing happens either when another process has the
 * lock: that one does what is to be done.
 */
export async function cleanUp(id: string, wait = true): Promise<void> {
  using lock = tryToLock(id, wait);
  if (lock === undefined) return;
  const record = readRecord(id);
  const state = stateOf(id);
  if (state.kind === "running") return;
  const first = readStartNote(id) !== undefined;
  // Its start was cut off, or could not be taken back: no process of it has come so far.
  const isCutOff = first && readRunState(id) === undefined;
  if (isCutOff) {
    await releaseResources(record);
    forgetNetworks(record);
  }
  if (record.HostConfig.AutoRemove && state.kind === "exited") {
    return await removeLocked(record, true);
  }
  if (first && !isCutOff && state.kind === "exited") {
    // A client that was killed right after the start did not get to this.
    const { startedAt } = state;
    if (readStartedAt(id) !== startedAt) noteIfRoom(() => writeStartedAt(id, startedAt));
    await noteOomKills(record, state.exit?.signal);
    emitDied(record, exitCodeOf(state));
    if (hasHealthCheck(record)) noteIfRoom(() => keepHealth(id));
    await releaseResources(record);
    forgetNetworks(record);
  }
  if (!first || state.kind !== "exited") return;
  const { restartIfWanted } = await import("./restart.ts");
  await restartIfWanted(record, lock);
}

function tryToLock(id: string, wait: boolean): Fd | undefined {
  try {
    return lockContainer(id, wait);
  } catch (error) {
    if (error instanceof UserError) return undefined; // removed meanwhile
    throw error;
  }
}

/**
 * Leaves a mark if the OOM killer took a process of the run that has ended. Its counter goes with
 * the cgroup; it is read only where there was a limit of memory, or a death by SIGKILL.
 */
async function noteOomKills(record: ContainerRecord, signal: number | undefined): Promise<void> {
  const note = readStartNote(record.Id);
  if (note === undefined || !(record.HostConfig.Memory > 0 || signal === SIGKILL)) return;
  const { tellOomKills } = await import("./oom_events.ts");
  if (tellOomKills(record, note.cgroup) > 0) leaveMark(oomKilledMark(record.Id));
}

/** Gives back all that a run of the container held outside its directory. */
async function releaseResources(record: ContainerRecord): Promise<void> {
  const { Id: id } = record;
  const note = readStartNote(id);
  if (note !== undefined) await removeCgroup(openCgroup(note.cgroup));
  if (note?.fuse === true) (await import("./fuse_root.ts")).unmountFuse(id);
  if (note?.volumes === true) {
    const { unmountVolume } = await import("./volume_mount.ts");
    volumesToMount(record).forEach((name) => unmountVolume(name, id));
  }
  await disconnect(id);
  releaseRanges(id);
  removeIfThere(containerRunDirectory(id), true);
}

/** Addresses and ports are of the run that ended; what the user asked for stays. */
function forgetNetworks(record: ContainerRecord): void {
  if (record.NetworkSettings.SandboxID === "") return;
  const NetworkSettings = withoutAddresses(record.NetworkSettings);
  noteIfRoom(() => writeRecord({ ...record, NetworkSettings }, false));
}

/** Removes a container that does not run; with `volumes` its anonymous volumes too. */
export async function removeLocked(record: ContainerRecord, volumes: boolean): Promise<void> {
  const state = stateOf(record.Id);
  // Killed to be removed: nobody has told of its end yet.
  if (state.kind === "exited" && readStartNote(record.Id) !== undefined && record.HostConfig) {
    await noteOomKills(record, state.exit?.signal);
    emitDied(record, exitCodeOf(state));
  }
  await releaseResources(record);
  deleteRecord(record.Id, record.Name.slice(1));
  emitContainerEvent(record, "destroy");
  if (record.HostConfig?.Diplodock?.RemoveImage) {
    (await import("./image_users.ts")).removeImageOf(record);
  }
  if (!volumes) return;
  const anonymous = record.Mounts.filter(({ Type, Name }) =>
    Type === "volume" && /^[0-9a-f]{64}$/.test(Name ?? "")
  );
  if (anonymous.length === 0) return;
  const { findVolume, isAnonymous, removeVolume } = await import("./volumes.ts");
  for (const { Name } of anonymous) {
    const volume = findVolume(Name!);
    if (volume === undefined || !isAnonymous(volume)) continue;
    try {
      await removeVolume(Name!);
    } catch (error) {
      if (error instanceof UserError) continue; // another container has it
      throw error;
    }
    emitVolumeEvent(Name!, "destroy");
  }
}

/**
 * Does what was left undone by processes that were killed, for all containers. What cannot be done
 * for one of them is told, and no failure of a command that is about another one.
 */
export async function sweep(): Promise<void> {
  sweepOrphans();
  for (const id of containerIds()) {
    const note = readStartNote(id);
    if (note === undefined) continue;
    const state = stateOf(id);
    const isRunning = state.kind === "running";
    if (isRunning ? !note.health : state.kind === "restarting") continue;
    try {
      if (isRunning) await mendHealthChecks(readRecord(id));
      else await cleanUp(id, false);
    } catch (error) {
      if (error instanceof UserError) continue; // its record is broken: `rm -f` removes it
      console.error(`WARNING: container ${id.slice(0, 12)}: ${messageOf(error as Error)}`);
    }
  }
  await sweepNetworkStates();
}
