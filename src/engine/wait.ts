/** Waiting for containers to end. */
import { POLLIN } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { DirectoryWatch, IN_DELETE_SELF, IN_MOVE_SELF, IN_MOVED_TO } from "../../ffi/inotify.ts";
import { sys, sysAsync } from "../../ffi/libc.ts";
import { readIfThere } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import { type Exit, readExit } from "../runtime/monitor_protocol.ts";
import { readRecord } from "./containers.ts";
import { eventLogPath, oldEventLogPath } from "./events.ts";
import { readStartError } from "./start_error.ts";
import { exitCodeOf, isAlive, readStartNote, type RunState, stateOf } from "./state.ts";
import { waitForMonitor } from "./stop.ts";

/** Between two looks at a container whose end is being dealt with by another process. */
const PAUSE_MS = 10;
/** A clean-up takes some 20 ms; one that was killed is done by the next command. */
const PATIENCE_MS = 3000;

/** Returns when process `run.pid` has ended. poll(2) of a pidfd. */
async function waitForProcess(run: RunState): Promise<void> {
  const raw = sys("pidfd_open", run.pid, 0);
  if (raw < 0) return;
  using pidfd = new Fd(raw);
  while (isAlive(run.pid, run.startTime)) {
    const poll = new Uint8Array(8);
    const view = new DataView(poll.buffer);
    view.setInt32(0, pidfd.raw, true);
    view.setInt16(4, POLLIN, true);
    await sysAsync("ppoll", poll, 1, null, null, 8);
    if (view.getInt16(6, true) !== 0) return;
  }
}

/**
 * Waits until container `id` does not run, nor is about to run again by its restart policy, and
 * returns its exit code; 0 for one that never ran.
 */
export async function waitForExit(id: string): Promise<number> {
  const { HostConfig } = readRecord(id);
  const restarts = !["", "no"].includes(HostConfig.RestartPolicy.Name);
  let patience = PATIENCE_MS;
  for (;;) {
    const state = stateOf(id);
    if (state.kind === "running") {
      await waitForProcess(state.run);
      await waitForMonitor(state.run);
      patience = PATIENCE_MS;
      continue;
    }
    if (state.kind === "exited" && state.exit !== undefined) {
      const settled = !restarts || readStartNote(id) === undefined;
      if (settled || patience <= 0) return exitCodeOf(state);
    } else {
      // A container that removes itself takes its exit record along; the log of events keeps it.
      const code = isRemoved(id) ? loggedExitCode(id) : undefined;
      if (code !== undefined) return code;
      if (state.kind === "created" && readStartNote(id) === undefined) {
        return readStartError(id)?.code ?? 0;
      }
      if (state.kind === "exited" && patience <= 0) return exitCodeOf(state);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    patience -= PAUSE_MS;
  }
}

const isRemoved = (id: string) =>
  readIfThere(`${containerDirectory(id)}/container.json`) === undefined;

/** Which end is waited for. */
export type WaitCondition = "not-running" | "next-exit" | "removed";

/** A change is looked for so often even if the kernel told of none. */
const RECHECK_MS = 1000;

/**
 * Begins to wait for an end of container `id`, from this moment on; the exit code. One that was
 * removed has the code of its last end.
 */
export function waitForCondition(id: string, condition: WaitCondition): Promise<number> {
  if (condition === "not-running") return waitForExit(id);
  const directory = containerDirectory(id);
  const before = readExit(directory);
  const changes = IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
  return waitForChange(id, new DirectoryWatch(directory, changes), condition, before);
}

async function waitForChange(
  id: string,
  watch: DirectoryWatch,
  condition: WaitCondition,
  before: Exit | undefined,
): Promise<number> {
  using _watch = watch;
  for (let last = before;;) {
    last = readExit(containerDirectory(id)) ?? last;
    const hasEnded = last?.timeNs !== before?.timeNs;
    if (condition === "next-exit" && hasEnded) return last!.code;
    if (isRemoved(id)) {
      return (hasEnded ? last?.code : undefined) ?? loggedExitCode(id) ?? last?.code ?? 0;
    }
    await watch.next(RECHECK_MS);
  }
}

/** The exit code of a container's last end. It has no other life: the clock may have been put back. */
function loggedExitCode(id: string): number | undefined {
  for (const path of [eventLogPath(), oldEventLogPath()]) {
    const lines = (readIfThere(path) ?? "").split("\n");
    for (const line of lines.reverse()) {
      if (!line.includes(id) || !line.includes('"Action":"die"')) continue;
      const code = /"exitCode":"(\d+)"/.exec(line)?.[1];
      if (code !== undefined) return Number(code);
    }
  }
  return undefined;
}
