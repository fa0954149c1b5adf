/**
 * What is kept of a container that an engine runs through the OCI commands: one directory with
 * state.json, a copy of config.json, and until its start the gate. Status is derived from the
 * process, never stored.
 */
import { UserError } from "../base/errors.ts";
import {
  lstatIfThere,
  makeDirectories,
  namesIn,
  readIfThere,
  removeIfThere,
  writeAtomic,
} from "../base/files.ts";
import { type Cgroup, openCgroup } from "./cgroup_place.ts";
import { isFrozen } from "./freezer.ts";
import { parseStat } from "./monitor_protocol.ts";
import { parseSpec } from "./spec.ts";
import type { Spec } from "./spec_types.ts";

/** runtime.md, "State". */
export type Status = "creating" | "created" | "running" | "paused" | "stopped";

/** state.json: all that cannot be read from the bundle's config again. */
export interface OciRecord {
  readonly ociVersion: string;
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339, nanoseconds. */
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: a number that was given to another process is not ours. */
  readonly startTime: string;
  /** undefined where this machine has no cgroups for us. */
  readonly cgroup?: string;
  /** What a failure between start and execve means: the goal of the step by its address. */
  readonly lateSteps: Readonly<Record<string, readonly [call: string, goal: string]>>;
  /** The numeric user who created it. */
  readonly owner: number;
}

/** Where the containers of one `--root` are. */
export class OciStore {
  constructor(readonly root: string) {}
  directory(id: string): string {
    return `${this.root}/${id}`;
  }
  /** The fifo on which init waits; gone once it was started. */
  gate(id: string): string {
    return `${this.directory(id)}/gate`;
  }
  /** Where init writes the failure of a step after the gate. */
  failures(id: string): string {
    return `${this.directory(id)}/failure`;
  }
  /** Makes the directory that claims the id. Throws UserError where it is taken. */
  claim(id: string): void {
    checkId(id);
    makeDirectories(this.root, 0o711);
    try {
      Deno.mkdirSync(this.directory(id), { mode: 0o711 });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      throw new UserError("container with given ID already exists");
    }
  }
  write(record: OciRecord): void {
    writeAtomic(`${this.directory(record.id)}/state.json`, JSON.stringify(record));
  }
  /** Throws UserError "container does not exist", the text engines look for. */
  read(id: string): OciRecord {
    checkId(id);
    const text = readIfThere(`${this.directory(id)}/state.json`);
    if (text === undefined) throw new UserError("container does not exist");
    return JSON.parse(text);
  }
  writeConfig(id: string, text: string): void {
    writeAtomic(`${this.directory(id)}/config.json`, text);
  }
  config(id: string): Spec {
    return parseSpec(Deno.readTextFileSync(`${this.directory(id)}/config.json`));
  }
  remove(id: string): void {
    removeIfThere(this.directory(id), true);
  }
  /** All records, by id; directories without one are starts under way. */
  list(): OciRecord[] {
    return namesIn(this.root).sort().flatMap((name) => {
      const text = readIfThere(`${this.directory(name)}/state.json`);
      return text === undefined ? [] : [JSON.parse(text) as OciRecord];
    });
  }
}

/** runc's rule for ids, because they become directories and cgroups. Throws UserError. */
function checkId(id: string): void {
  if (!/^[\w+\-.]{1,1024}$/.test(id) || id === "." || id === "..") {
    throw new UserError("invalid container ID format");
  }
}

/** Whether the container's init is there and no zombie. */
export function isAlive({ pid, startTime }: Pick<OciRecord, "pid" | "startTime">): boolean {
  const line = readIfThere(`/proc/${pid}/stat`);
  const stat = line === undefined ? undefined : parseStat(line);
  return stat !== undefined && stat.startTime === startTime && !/^[ZX]$/.test(stat.state);
}

/** What a container is doing now. */
export function statusOf(store: OciStore, record: OciRecord): Status {
  if (!isAlive(record)) return "stopped";
  if (lstatIfThere(store.gate(record.id)) !== undefined) return "created";
  const cgroup = cgroupOf(record);
  return cgroup !== undefined && isFrozen(cgroup) ? "paused" : "running";
}

/** The container's cgroup as it was made. */
export function cgroupOf({ cgroup }: OciRecord): Cgroup | undefined {
  return cgroup === undefined ? undefined : openCgroup(cgroup);
}

/** The state as hooks read it on stdin and `state` prints it, with runc's two fields besides. */
export interface PrintedState {
  readonly ociVersion: string;
  readonly id: string;
  readonly pid: number;
  readonly status: Status;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner: string;
}

/** `pid` is 0 for a container that has stopped. */
export function printedState(record: OciRecord, status: Status): PrintedState {
  const { ociVersion, id, bundle, rootfs, created, annotations } = record;
  return {
    ociVersion,
    id,
    pid: status === "stopped" ? 0 : record.pid,
    status,
    bundle,
    rootfs,
    created,
    ...(annotations !== undefined && Object.keys(annotations).length > 0 && { annotations }),
    owner: "",
  };
}
