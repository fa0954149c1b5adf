/** Marks that commands leave for one another beside a container's record. */
import { containerDirectory } from "../base/places.ts";

/**
 * Tells the restart policy, also after a reboot, that the user wants the container to stay down.
 * The next start takes the mark away.
 */
export function stoppedMark(id: string): string {
  return `${containerDirectory(id)}/stopped`;
}

/** The mark of a run in which the OOM killer took a process; the next start takes it away. */
export function oomKilledMark(id: string): string {
  return `${containerDirectory(id)}/oom-killed`;
}
