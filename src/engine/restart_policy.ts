/** docker's restart policies: whether a container comes up again, and what that makes of its state. */
import { readIfThere, removeIfThere } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import { writeRecord } from "./containers.ts";
import { stoppedMark } from "./marks.ts";
import { exitCodeOf, readStartNote, type State, stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

/** Whether the policy wants the container up again after it ended with `code`. */
function wantsRestart(
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

/** Where the last back-off of a container is kept, in ms. */
export const delayPath = (id: string): string => `${containerDirectory(id)}/restart-delay`;

/** A start that somebody asked for: the policy's tries and its back-off begin anew. */
export function withoutRestarts(record: ContainerRecord): ContainerRecord {
  removeIfThere(delayPath(record.Id));
  if (record.RestartCount === 0) return record;
  const fresh = { ...record, RestartCount: 0 };
  writeRecord(fresh, false);
  return fresh;
}

/** docker's text for a command that needs a container to run, of one that is about to. */
export const restartingText = (id: string): string =>
  `Container ${id} is restarting, wait until the container is running`;

/** Whether a container that has exited as `state` tells is to come up again by its policy. */
export function comesBack(record: ContainerRecord, state: State): boolean {
  const stopped = readIfThere(stoppedMark(record.Id)) !== undefined;
  return wantsRestart(record, exitCodeOf(state), stopped);
}

/**
 * The state that users are shown. Between an end and the beginning of the wait for a restart,
 * somebody has to clean up; who is about to come back has not exited meanwhile.
 */
export function shownState(record: ContainerRecord): State {
  const state = stateOf(record.Id);
  if (state.kind !== "exited" || state.exit === undefined) return state;
  const isBeingCleanedUp = readStartNote(record.Id) !== undefined;
  return isBeingCleanedUp && comesBack(record, state)
    ? { ...state, kind: "restarting", exit: state.exit }
    : state;
}
