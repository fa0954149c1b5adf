/** Freezing and thawing a container's cgroup. */
import { UserError } from "../base/errors.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { guardThaw } from "../runtime/thaw_guard.ts";
import { freezeCgroup, thawCgroup } from "../runtime/cgroup_processes.ts";
import { freezerOf, isFrozen } from "../runtime/freezer.ts";
import { readRecord, shortId } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

/** Lets the processes of a cgroup run again; fine when they do. */
export function thaw(path: string): void {
  const cgroup = openCgroup(path);
  if (isFrozen(cgroup)) thawCgroup(cgroup);
}

/** Stops all processes of container `id` where they are. Throws UserError with docker's texts. */
export function pauseContainer(id: string): void {
  const record = readRecord(id);
  const state = stateOf(id);
  if (state.kind !== "running") throw new UserError(`container ${id} is not running`);
  if (state.paused) throw new UserError(`Container ${id} is already paused`);
  const cgroup = openCgroup(state.run.cgroup);
  if (freezerOf(cgroup) === undefined) {
    throw new UserError(
      `Cannot pause container ${shortId(id)}: it has no cgroup that can be frozen ` +
        "(an ordinary user needs cgroup v2 with a part of it delegated to him)",
    );
  }
  freezeCgroup(cgroup);
  emitContainerEvent(record, "pause");
}

/**
 * The same until it is disposed of, or until this process is killed. Undefined where there is
 * nothing that runs and can be frozen. Who thaws or kills the container meanwhile is not in the way.
 */
export function pauseForNow(record: ContainerRecord): Disposable | undefined {
  const state = stateOf(record.Id);
  if (state.kind !== "running" || state.paused) return undefined;
  const cgroup = openCgroup(state.run.cgroup);
  if (freezerOf(cgroup) === undefined) return undefined;
  using undo = new DisposableStack();
  undo.use(guardThaw(cgroup));
  freezeCgroup(cgroup);
  emitContainerEvent(record, "pause");
  undo.defer(() => {
    if (!isFrozen(cgroup)) return;
    thawCgroup(cgroup);
    emitContainerEvent(record, "unpause");
  });
  return undo.move();
}

/** Lets them go on. Throws UserError with docker's text when they do already. */
export function unpauseContainer(id: string): void {
  const record = readRecord(id);
  const state = stateOf(id);
  if (state.kind !== "running" || !state.paused) {
    throw new UserError(`Container ${id} is not paused`);
  }
  thawCgroup(openCgroup(state.run.cgroup));
  emitContainerEvent(record, "unpause");
}
