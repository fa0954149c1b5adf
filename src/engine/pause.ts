/** Freezing and thawing a container's cgroup. */
import { UserError } from "../base/errors.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { guardThaw } from "../runtime/thaw_guard.ts";
import { freezeCgroup, thawCgroup } from "../runtime/cgroup_processes.ts";
import { readRecord, shortId } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { hasFreezer, isFrozen } from "./freeze.ts";
import { stateOf } from "./state.ts";

/** Lets the processes of a cgroup run again; fine when they do. */
export function thaw(cgroup: string): void {
  if (isFrozen(cgroup)) thawCgroup(openCgroup(cgroup));
}

/** Whether container `id` runs and can be stopped where it is. */
export function canPause(id: string): boolean {
  const state = stateOf(id);
  return state.kind === "running" && !state.paused && hasFreezer(openCgroup(state.run.cgroup));
}

/** Stops all processes of container `id` where they are. Throws UserError with docker's texts. */
export function pauseContainer(id: string): void {
  const record = readRecord(id);
  const state = stateOf(id);
  if (state.kind !== "running") throw new UserError(`container ${id} is not running`);
  if (state.paused) throw new UserError(`Container ${id} is already paused`);
  const cgroup = openCgroup(state.run.cgroup);
  if (!hasFreezer(cgroup)) {
    throw new UserError(
      `Cannot pause container ${shortId(id)}: it has no cgroup that can be frozen ` +
        "(an ordinary user needs cgroup v2 with a part of it delegated to him)",
    );
  }
  freezeCgroup(cgroup);
  emitContainerEvent(record, "pause");
}

/** The same until it is disposed of, or until this process is killed. */
export function pauseForNow(id: string): Disposable {
  const state = stateOf(id);
  if (state.kind !== "running") throw new UserError(`container ${id} is not running`);
  using undo = new DisposableStack();
  undo.use(guardThaw(openCgroup(state.run.cgroup)));
  pauseContainer(id);
  undo.defer(() => unpauseContainer(id));
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
