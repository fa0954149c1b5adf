/** OCI's verbs on a container that was created: start, kill, delete. runtime.md, "Operations". */
import { O_NONBLOCK, O_WRONLY, POLLERR, POLLIN, SIGKILL, WALL } from "../../ffi/constants.ts";
import { ESRCH, SyscallError } from "../../ffi/errno.ts";
import { Fd, openAt, writeAll } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { pollNow } from "../../ffi/poll.ts";
import { UserError } from "../base/errors.ts";
import { removeIfThere } from "../base/files.ts";
import { removeCgroup } from "./cgroup.ts";
import { cgroupPids, thawCgroup } from "./cgroup_processes.ts";
import { isFrozen } from "./freezer.ts";
import { FAILURE_BYTES } from "./launcher.ts";
import { startFailure } from "./oci_failure.ts";
import {
  cgroupOf,
  isAlive,
  type OciRecord,
  type OciStore,
  printedState,
  statusOf,
} from "./oci_state.ts";
import type { Hook, Spec } from "./spec_types.ts";

/** How long a killed init is waited for. */
const PATIENCE_MILLIS = 10_000;

/** What start and delete tell the user without failing. */
export type Warn = (text: string) => void;

/**
 * Lets the init of a created container call execve. Throws UserError: it runs already, it has
 * stopped, a startContainer hook failed (then the container is stopped), execve failed.
 */
export async function startContainer(store: OciStore, id: string, warn: Warn): Promise<void> {
  const record = store.read(id);
  const status = statusOf(store, record);
  if (status === "stopped") {
    throw lateFailure(store, record) ??
      new UserError("cannot start a container that has stopped");
  }
  if (status !== "created") throw new UserError("cannot start an already running container");
  // Most containers have no hooks: their config is not even parsed.
  const spec = hasHooks(store, id) ? store.config(id) : undefined;
  if (spec?.hooks?.startContainer?.length) await runStartHooks(record, spec);
  openGate(store, record);
  if (spec?.hooks?.poststart?.length) {
    await warnOnFailure(spec.hooks.poststart, record, "running", "poststart", warn);
  }
}

/** Whether the kept config has any: a look at its text, which costs less than parsing it. */
function hasHooks(store: OciStore, id: string): boolean {
  return Deno.readTextFileSync(`${store.directory(id)}/config.json`).includes('"hooks":{');
}

async function runStartHooks(record: OciRecord, spec: Spec): Promise<void> {
  const { runHooks } = await import("./hooks.ts");
  const { startAsProcess } = await import("./start_hooks.ts");
  using pidfd = openInit(record);
  try {
    const state = printedState(record, "created");
    const start = startAsProcess(pidfd, record.pid, spec);
    runHooks(spec.hooks!.startContainer!, state, "startContainer", start);
  } catch (error) {
    sys("pidfd_send_signal", pidfd.raw, SIGKILL, null, 0);
    throw error;
  }
}

function openInit(record: OciRecord): Fd {
  return new Fd(check("open the container's init", "pidfd_open", record.pid, 0));
}

/** One byte into the gate; then waits until init has called execve or is gone. */
function openGate(store: OciStore, record: OciRecord): void {
  const path = store.gate(record.id);
  using gate = openAt(null, path, O_WRONLY | O_NONBLOCK);
  writeAll(gate, new Uint8Array(1), "start the container");
  removeIfThere(path);
  // Nobody reads the gate any more when init has called execve, or is gone.
  while (((pollNow([{ fd: gate.raw, events: 0 }], -1)[0] ?? 0) & POLLERR) === 0);
  const failure = lateFailure(store, record);
  if (failure !== undefined) throw failure;
}

/** What init wrote of a step that failed between the gate and execve. */
function lateFailure(store: OciStore, record: OciRecord): unknown {
  const bytes = Deno.readFileSync(store.failures(record.id));
  if (bytes.length < FAILURE_BYTES) return undefined;
  const view = new DataView(bytes.buffer);
  const [call, goal] = record.lateSteps[String(view.getBigUint64(0, true))] ?? ["execve", "start"];
  const error = new SyscallError(call, Number(-view.getBigInt64(8, true)), goal);
  return startFailure(error, store.config(record.id).process!);
}

/** Hooks whose failure changes nothing but what the user is told. */
async function warnOnFailure(
  hooks: readonly Hook[],
  record: OciRecord,
  status: "running" | "stopped",
  kind: string,
  warn: Warn,
): Promise<void> {
  const { runHooks } = await import("./hooks.ts");
  for (const hook of hooks) {
    try {
      runHooks([hook], printedState(record, status), kind);
    } catch (error) {
      warn((error as Error).message);
    }
  }
}

/**
 * Sends `signal` to the container's init, or to all its processes. Throws UserError "container not
 * running", the text engines look for.
 */
export function killContainer(store: OciStore, id: string, signal: number, all: boolean): void {
  const record = store.read(id);
  if (all) {
    const cgroup = cgroupOf(record);
    for (const pid of cgroup === undefined ? [] : cgroupPids(cgroup)) sys("kill", pid, signal);
    return;
  }
  if (!isAlive(record)) throw new UserError("container not running");
  using pidfd = openInit(record);
  // The number may have changed hands between the look and the open.
  const result = isAlive(record) ? sys("pidfd_send_signal", pidfd.raw, signal, null, 0) : -ESRCH;
  if (result === -ESRCH) throw new UserError("container not running");
  if (result < 0) throw new SyscallError("pidfd_send_signal", -result, "signal the container");
}

/**
 * Removes what is left of a container; with `force` also one that runs, or that is not there.
 * A container that was created and never started is ended first.
 */
export async function deleteContainer(
  store: OciStore,
  id: string,
  force: boolean,
  warn: Warn,
): Promise<void> {
  let record: OciRecord;
  try {
    record = store.read(id);
  } catch (error) {
    if (!force) throw error;
    store.remove(id); // what a killed `create` may have left
    return;
  }
  const status = statusOf(store, record);
  if (status !== "stopped" && status !== "created" && !force) {
    throw new UserError(`cannot delete container ${id} that is not stopped: ${status}`);
  }
  if (status !== "stopped") endInit(record);
  const cgroup = cgroupOf(record);
  if (cgroup !== undefined) await removeCgroup(cgroup);
  const spec = hasHooks(store, id) ? store.config(id) : undefined;
  store.remove(id);
  if (spec?.hooks?.poststop?.length) {
    await warnOnFailure(spec.hooks.poststop, record, "stopped", "poststop", warn);
  }
}

/** Kills init and waits for its end. */
function endInit(record: OciRecord): void {
  using pidfd = openInit(record);
  sys("pidfd_send_signal", pidfd.raw, SIGKILL, null, 0);
  const cgroup = cgroupOf(record);
  // A frozen process of cgroup v1 takes no signal.
  if (cgroup !== undefined && isFrozen(cgroup)) thawCgroup(cgroup);
  pollNow([{ fd: pidfd.raw, events: POLLIN }], PATIENCE_MILLIS);
  // When it is our own child, as after `run`: nobody else will.
  sys("wait4", record.pid, 0, WALL, 0);
}
