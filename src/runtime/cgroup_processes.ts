/** The processes of a cgroup: which they are, freezing, thawing, killing. */
import { SIGKILL } from "../../ffi/constants.ts";
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
import { type Freezer, freezerOf } from "./freezer.ts";

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
  const freezer = freezerFor(cgroup);
  if (cgroup.version === 2 ? standsV2(freezer) : standsV1(freezer)) return;
  writeControl(freezer.file, freezer.thawed);
  throw new UserError(`Cannot freeze cgroup "${cgroup.path}": a process does not stop`);
}

/** The freezer of a cgroup. Throws UserError where it has none. */
export function freezerFor(cgroup: Cgroup): Freezer {
  const freezer = freezerOf(cgroup);
  if (freezer !== undefined) return freezer;
  throw new UserError("Cannot freeze the container: this machine has no freezer cgroup for it");
}

function standsV2({ directory, file, frozen }: Freezer): boolean {
  writeState(file, frozen);
  const events = `${directory}/cgroup.events`;
  return waitUntil(() => keyedNumber(readControl(events) ?? "", "frozen") === 1);
}

/** A process that is being forked can keep the state at FREEZING for ever: it is written again. */
function standsV1({ file, frozen }: Freezer): boolean {
  return waitUntil(() => {
    writeState(file, frozen);
    return readControl(file)?.trim() === frozen;
  });
}

function writeState(file: string, text: string): void {
  const result = writeControl(file, text);
  if (result < 0) throw new UserError(`Cannot write "${text}" to "${file}"`);
}

/** Lets the processes go on. Throws UserError where there is no freezer. */
export function thawCgroup(cgroup: Cgroup): void {
  const { file, thawed } = freezerFor(cgroup);
  writeState(file, thawed);
}

/**
 * Kills every process of the cgroup and those below it, also those that fork meanwhile, also frozen
 * ones; returns when none is left or the patience ends.
 */
export function killCgroup(cgroup: Cgroup): void {
  const v2 = cgroup.directories.find(({ version }) => version === 2)?.directory;
  // cgroup.kill (Linux 5.14) is one step for the kernel.
  const killed = v2 !== undefined && writeControl(`${v2}/cgroup.kill`, "1") === 0;
  const freezer = freezerOf(cgroup);
  const thaw = () => {
    if (freezer === undefined) return;
    const { directory, name, thawed } = freezer;
    const levels = cgroup.version === 2 ? [directory] : subtree(directory);
    for (const level of levels) writeControl(`${level}/${name}`, thawed);
  };
  waitUntil(() => {
    // Not every process is in every hierarchy: some may have been moved by hand.
    const pids = new Set(cgroup.directories.flatMap(({ directory }) => pidsBelow(directory)));
    if (pids.size === 0) return true;
    if (!killed && freezer !== undefined && cgroup.version === 1) {
      writeControl(freezer.file, freezer.frozen);
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
