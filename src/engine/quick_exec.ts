/**
 * Leaves the program of a quick exec beside a running container (src/runtime/quick_exec.ts): the
 * first exec without options does, and the next ones find it.
 */
import { readIfThere, writeAtomic } from "../base/files.ts";
import { doorPaths } from "../runtime/cgroup.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { freezerOf } from "../runtime/freezer.ts";
import { type ExpectedFile, quickExecFile } from "../runtime/quick_exec.ts";
import { readRecord } from "./containers.ts";
import { containerEvent } from "./events.ts";
import { execPlan, type ExecRequest, processOf, readBundle, runningContainer } from "./exec.ts";
import { forgetQuickExec, quickExecPath } from "./quick_exec_file.ts";
import { quickNotesPath } from "./quick_notes.ts";
import { isAlive, type RunState } from "./state.ts";

/** What the program can do: any command, as the container's own user. */
const PLAIN: ExecRequest = {
  args: ["command"],
  env: [],
  user: "",
  workingDir: "",
  tty: false,
  privileged: false,
};

/** Leaves the program beside container `id`. Throws what kept it from that; then there is none. */
export function leaveQuickExec(id: string): void {
  const { record, run } = runningContainer(id);
  const expected = expectedFiles(id, run);
  if (expected === undefined) return;
  const spec = readBundle(id);
  const { process, filter, userNamespace } = execPlan(
    spec,
    processOf(spec, PLAIN, run, []),
    false,
    { pidfd: -1, cgroupTasks: [], streams: [0, 1, 2], deathSignal: 0 },
  );
  const bytes = quickExecFile({
    exec: { process, userNamespace, ...(filter && { filter }) },
    pid: run.pid,
    expected,
    doors: doorPaths(openCgroup(run.cgroup)),
    notes: { path: quickNotesPath(), document: JSON.stringify(containerEvent(record, "")) },
  });
  writeAtomic(quickExecPath(id), bytes, false, 0o700);
  // It tells the name: a rename that saw no program yet has not removed it.
  if (readRecord(id).Name !== record.Name) forgetQuickExec(id);
}

/** By what the program knows the container; undefined where it could not. */
function expectedFiles(id: string, run: RunState): ExpectedFile[] | undefined {
  const path = `/proc/${run.pid}/cgroup`;
  const text = readIfThere(path);
  // No other container's first process has this id in the names of its cgroups.
  if (text === undefined || !text.includes(id) || !isAlive(run.pid, run.startTime)) {
    return undefined;
  }
  const freezer = freezerOf(openCgroup(run.cgroup));
  if (freezer === undefined) return [{ path, text }];
  return [{ path, text }, { path: freezer.file, text: `${freezer.thawed}\n` }];
}
