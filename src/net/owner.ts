/**
 * Who holds a lease or a state: a container, and until it runs the client that starts it. A
 * process is named by its id and start time, so that a reused number is not mistaken for it.
 */

/** A container's id and the process that set its network up. */
export interface Owner {
  readonly id: string;
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTime: string;
}

/** The start time of a process; undefined if there is none of that id. proc(5). */
export function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch {
    return undefined;
  }
  // The second field is the name in parentheses and may itself have any of these characters.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

let self: { pid: number; startTime: string } | undefined;

/** This process as the owner of what container `id` gets. */
export function ownedBy(id: string): Owner {
  self ??= { pid: Deno.pid, startTime: startTimeOf(Deno.pid) ?? "0" };
  return { id, ...self };
}

export function showOwner(owner: Owner): string {
  return `${owner.id}:${owner.pid}:${owner.startTime}`;
}

export function parseOwner(text: string): Owner {
  const [id, pid, startTime] = text.split(":");
  return { id, pid: Number(pid), startTime };
}

/** Does the container run, or is the client that starts it still there? */
export function isHeld(owner: Owner, isLive: (id: string) => boolean): boolean {
  return isLive(owner.id) || startTimeOf(owner.pid) === owner.startTime;
}
