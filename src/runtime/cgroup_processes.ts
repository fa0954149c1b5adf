/** The processes of a cgroup: which they are, freezing, thawing, killing. */
import { EBUSY, ENOTEMPTY } from "../../ffi/errno.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { type Cgroup, directoryOf } from "./cgroup_place.ts";
import {
  keyedNumber,
  readControl,
  removeDirectory,
  sleepMillis,
  subtree,
  writeControl,
} from "./cgroup_files.ts";
import { SIGKILL } from "../base/signals.ts";

/** How long the kernel is waited for, in all. */
const PATIENCE_MILLIS = 10_000;

/** Waits until `done`, looking more and more seldom. False where it did not happen in time. */
function waitUntil(done: () => boolean): boolean {
  let waited = 0;
  for (let pause = 0.2; waited < PATIENCE_MILLIS; pause = Math.min(pause * 1.5, 50)) {
    if (done()) return true;
    sleepMillis(pause);
    waited += pause;
  }
  return done();
}

/** The hierarchy to ask about processes: all of them have the same, v2 can do most. */
function processDirectory(cgroup: Cgroup): string | undefined {
  return cgroup.directories.find(({ version }) => version === 2)?.directory ??
    directoryOf(cgroup, "freezer") ?? directoryOf(cgroup, "pids") ??
    cgroup.directories[0]?.directory;
}

/** Processes in the cgroup and those below it, in no order. Empty where it is gone. */
export function cgroupPids(cgroup: Cgroup): number[] {
  const directory = processDirectory(cgroup);
  return directory === undefined ? [] : pidsBelow(directory);
}

/** Processes in the cgroup of one hierarchy and those below it. */
export function pidsBelow(directory: string): number[] {
  const pids = new Set<number>();
  for (const level of subtree(directory)) {
    for (const line of (readControl(`${level}/cgroup.procs`) ?? "").split("\n")) {
      const pid = Number(line);
      if (pid > 0) pids.add(pid); // 0: a process that our pid namespace does not show
    }
  }
  return [...pids];
}

/** Stops every process of the cgroup where it is; returns when they stand. Throws UserError. */
export function freezeCgroup(cgroup: Cgroup): void {
  if (cgroup.version === 2) freezeV2(cgroup);
  else freezeV1(cgroup);
}

function freezerFile(cgroup: Cgroup, file: string): string {
  const directory = directoryOf(cgroup, "freezer");
  if (directory === undefined) {
    throw new UserError("Cannot freeze the container: this machine has no freezer cgroup for it");
  }
  return `${directory}/${file}`;
}

function freezeV2(cgroup: Cgroup): void {
  const file = freezerFile(cgroup, "cgroup.freeze");
  writeState(file, "1");
  const events = freezerFile(cgroup, "cgroup.events");
  if (waitUntil(() => keyedNumber(readControl(events) ?? "", "frozen") === 1)) return;
  writeControl(file, "0");
  throw new UserError(`Cannot freeze cgroup "${cgroup.path}": a process does not stop`);
}

function freezeV1(cgroup: Cgroup): void {
  const file = freezerFile(cgroup, "freezer.state");
  // A process that is being forked can keep the state at FREEZING for ever: write it again.
  const frozen = waitUntil(() => {
    writeState(file, "FROZEN");
    return readControl(file)?.trim() === "FROZEN";
  });
  if (frozen) return;
  writeControl(file, "THAWED");
  throw new UserError(`Cannot freeze cgroup "${cgroup.path}": a process does not stop`);
}

function writeState(file: string, text: string): void {
  const result = writeControl(file, text);
  if (result < 0) throw new UserError(`Cannot write "${text}" to "${file}"`);
}

/** What has to be written where for the processes to go on. Throws UserError without a freezer. */
export function thawingWrite(cgroup: Cgroup): { file: string; text: string } {
  return cgroup.version === 2
    ? { file: freezerFile(cgroup, "cgroup.freeze"), text: "0" }
    : { file: freezerFile(cgroup, "freezer.state"), text: "THAWED" };
}

/** Lets the processes go on. Throws UserError where there is no freezer. */
export function thawCgroup(cgroup: Cgroup): void {
  const { file, text } = thawingWrite(cgroup);
  writeState(file, text);
}

/** Whether `freezeCgroup` was called last. */
export function isFrozen(cgroup: Cgroup): boolean {
  const directory = directoryOf(cgroup, "freezer");
  if (directory === undefined) return false;
  if (cgroup.version === 2) return readControl(`${directory}/cgroup.freeze`)?.trim() === "1";
  return readControl(`${directory}/freezer.state`)?.startsWith("FR") === true;
}

/**
 * Kills every process of the cgroup and those below it, also those that fork meanwhile, also frozen
 * ones; returns when none is left or the patience ends.
 */
export function killCgroup(cgroup: Cgroup): void {
  const v2 = cgroup.directories.find(({ version }) => version === 2)?.directory;
  // cgroup.kill (Linux 5.14) is one step for the kernel.
  const killed = v2 !== undefined && writeControl(`${v2}/cgroup.kill`, "1") === 0;
  const freezer = directoryOf(cgroup, "freezer");
  const thaw = () => {
    if (freezer === undefined) return;
    if (cgroup.version === 2) writeControl(`${freezer}/cgroup.freeze`, "0");
    else for (const level of subtree(freezer)) writeControl(`${level}/freezer.state`, "THAWED");
  };
  waitUntil(() => {
    // Not every process is in every hierarchy: some may have been moved by hand.
    const pids = new Set(cgroup.directories.flatMap(({ directory }) => pidsBelow(directory)));
    if (pids.size === 0) return true;
    if (!killed && freezer !== undefined && cgroup.version === 1) {
      writeControl(`${freezer}/freezer.state`, "FROZEN");
    }
    for (const pid of pids) sys("kill", pid, SIGKILL);
    thaw();
    return false;
  });
}

/**
 * Removes cgroups with all below them, waiting for processes that are about to end. 0, or the
 * negative error number of the last try.
 */
export function removeSubtrees(directories: readonly string[]): number {
  let result = 0;
  waitUntil(() => {
    result = 0;
    for (const level of directories.flatMap(subtree)) {
      const removed = removeDirectory(level);
      if (removed < 0) result = removed;
    }
    return result !== -EBUSY && result !== -ENOTEMPTY;
  });
  return result;
}
