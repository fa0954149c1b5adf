/** Marks that commands leave for one another beside a container's record. */
import { messageOf } from "../base/errors.ts";
import { writeAtomic } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";

/**
 * Tells the restart policy, also after a reboot, that the user wants the container to stay down.
 * The next start takes the mark away.
 */
export function stoppedMark(id: string): string {
  return `${containerDirectory(id)}/stopped`;
}

/** Leaves a mark, if there is room for one. */
export function leaveMark(path: string): void {
  noteIfRoom(() => writeAtomic(path, ""));
}

/**
 * Notes something for later commands. Where that fails it is told and the note is lost: a full disk
 * must not keep a container from being ended, nor what it held from being given back.
 */
export function noteIfRoom(note: () => void): void {
  try {
    note();
  } catch (error) {
    console.error(`WARNING: ${messageOf(error as Error)}`);
  }
}

/** The mark of a run in which the OOM killer took a process; the next start takes it away. */
export function oomKilledMark(id: string): string {
  return `${containerDirectory(id)}/oom-killed`;
}
