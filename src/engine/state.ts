/**
 * A container's state is derived, not stored: it runs when the recorded process is alive with the
 * recorded start time; it has exited when there is an exit record. Nothing has to be repaired
 * after a crash or a reboot.
 */
import { readIfThere, writeAtomic } from "../base/files.ts";
import { containerDirectory, containerRunDirectory } from "../base/places.ts";
import { ZERO_TIME } from "../base/time.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { isFrozen } from "../runtime/freezer.ts";
import { type Exit, parseStat, readExit } from "../runtime/monitor_protocol.ts";

/** What a start notes in the run directory before it happens. */
export interface StartNote {
  /** RFC 3339 with nanoseconds. */
  readonly startedAt: string;
  /** The container's cgroup, seen from the roots of the hierarchies. */
  readonly cgroup: string;
  /** Its root is mounted by fuse-overlayfs. */
  readonly fuse?: boolean;
  /** It has volumes that are mounted while it runs. */
  readonly volumes?: boolean;
  /** It has a health check, for which a program has to run beside it. */
  readonly health?: boolean;
}

/** A running container: the note of its start and its first process. */
export interface RunState extends StartNote {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: with the pid it names one process for ever. */
  readonly startTime: string;
  readonly monitorPid: number;
}

/** The life of a container as its commands see it. */
export type State =
  | { kind: "created" }
  | { kind: "running"; run: RunState; paused: boolean }
  | { kind: "restarting"; exit: Exit; startedAt: string }
  /** `exit` is missing when the machine went down under the container. */
  | { kind: "exited"; exit: Exit | undefined; startedAt: string };

/** The identity of a live process: start time, or undefined when it is gone or a zombie. */
export function processStartTime(pid: number): string | undefined {
  const text = readIfThere(`/proc/${pid}/stat`);
  const parsed = text === undefined ? undefined : parseStat(text);
  if (parsed === undefined || parsed.state === "Z" || parsed.state === "X") return undefined;
  return parsed.startTime;
}

/** Whether process `pid` still is the one that started at `startTime`. */
export function isAlive(pid: number, startTime: string): boolean {
  return processStartTime(pid) === startTime;
}

const notePath = (id: string) => `${containerRunDirectory(id)}/start.json`;

/** The file into which the container's first process writes its line of /proc/self/stat. */
export const statPath = (id: string): string => `${containerRunDirectory(id)}/init`;

/** Notes a start that is about to happen. */
export function writeStartNote(id: string, note: StartNote): void {
  writeAtomic(notePath(id), JSON.stringify(note));
}

/** The note of the last start; undefined after a reboot and before the first start. */
export function readStartNote(id: string): StartNote | undefined {
  const text = readIfThere(notePath(id));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as StartNote;
  } catch {
    return undefined; // torn by a crash: as after a reboot
  }
}

/** Who the first process of the last start is or was. */
export function readRunState(id: string): RunState | undefined {
  const note = readStartNote(id);
  const stat = parseStat(readIfThere(statPath(id)) ?? "");
  if (note === undefined || stat === undefined) return undefined;
  return { ...note, pid: stat.pid, startTime: stat.startTime, monitorPid: stat.parent };
}

/** When the container was last started, kept over reboots; undefined before the first start. */
export function readStartedAt(id: string): string | undefined {
  return readIfThere(`${containerDirectory(id)}/started`);
}

/** Notes the time of a start where it survives a reboot. */
export function writeStartedAt(id: string, time: string): void {
  writeAtomic(`${containerDirectory(id)}/started`, time);
}

/** The state of container `id`, found by looking. */
export function stateOf(id: string): State {
  const run = readRunState(id);
  if (run !== undefined && isAlive(run.pid, run.startTime)) {
    return { kind: "running", run, paused: isFrozen(openCgroup(run.cgroup)) };
  }
  const startedAt = run?.startedAt ?? readStartedAt(id);
  const exit = readExit(containerDirectory(id));
  if (startedAt === undefined && exit === undefined) return { kind: "created" };
  const known = { exit, startedAt: startedAt ?? ZERO_TIME };
  return waitsForRestart(id) && exit !== undefined
    ? { kind: "restarting", ...known, exit }
    : { kind: "exited", ...known };
}

/**
 * Where a restart notes its process: "pid start-time" while the back-off lasts, and one word more
 * while the container is started.
 */
export const sleeperPath = (id: string): string => `${containerRunDirectory(id)}/restart`;

/** The word of a restart that is past its back-off: it has the lock, and is not to be killed. */
export const STARTING = "starting";

function waitsForRestart(id: string): boolean {
  const [pid, startTime] = readIfThere(sleeperPath(id))?.split(" ") ?? [];
  return pid !== undefined && startTime !== undefined && isAlive(Number(pid), startTime);
}

/** What a killed machine leaves as the exit code of what ran on it, as docker has it. */
export const LOST_EXIT_CODE = 255;

/** The exit code that `ps`, `inspect` and `wait` show. */
export function exitCodeOf(state: State): number {
  if (state.kind !== "exited" && state.kind !== "restarting") return 0;
  return state.exit?.code ?? LOST_EXIT_CODE;
}

/** docker's word for a state. */
export function statusWord(state: State): string {
  return state.kind === "running" && state.paused ? "paused" : state.kind;
}
