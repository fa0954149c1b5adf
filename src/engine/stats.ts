/** What containers use of the machine: read from their cgroups and network namespaces. */
import { UserError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { type CgroupStats, cpuPercent, readStats } from "../runtime/cgroup_stats.ts";
import { listRecords, readRecord, resolveContainer } from "./containers.ts";
import { type RunState, stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

/** What a running container uses at one moment. */
export interface Usage {
  /** Of one CPU: 200 is two whole ones. 0 in the first sample, which has nothing before it. */
  readonly cpuPercent: number;
  /** Without page cache that nobody touched lately. */
  readonly memoryBytes: number;
  /** The machine's memory where there is no limit, or a larger one. */
  readonly memoryLimitBytes: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly pids: number;
}

/** One container of a sample. */
export interface ContainerUsage {
  readonly id: string;
  readonly name: string;
  /** As the user typed it; the id where it was not named. */
  readonly reference: string;
  /** "unknown": it runs without a cgroup, as where none may be made; undefined: it does not run. */
  readonly usage: Usage | "unknown" | undefined;
}

/** Sums what all interfaces but lo received and sent, of the text of /proc/PID/net/dev. Pure. */
export function networkBytes(text: string): { receivedBytes: number; sentBytes: number } {
  let receivedBytes = 0, sentBytes = 0;
  for (const [, numbers] of interfaceFigures(text)) {
    receivedBytes += numbers[0] || 0;
    sentBytes += numbers[8] || 0;
  }
  return { receivedBytes, sentBytes };
}

/**
 * All interfaces but lo, of the text of /proc/PID/net/dev: eight figures of what came in (bytes
 * first), eight of what went out. proc_pid_net(5). Pure.
 */
export function interfaceFigures(text: string): [name: string, figures: number[]][] {
  return [...text.matchAll(/^ *([^\s:]+): *(.*)$/gm)].filter(([, name]) => name !== "lo")
    .map(([, name, figures]) => [name, figures.trim().split(/\s+/).map(Number)]);
}

/** Of the machine, bytes. */
export function memoryTotal(): number {
  const kilobytes = /^MemTotal:\s+(\d+) kB$/m.exec(readIfThere("/proc/meminfo") ?? "")?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** Takes samples of the same containers again and again: rates are between one and the next. */
export class StatsSampler {
  readonly #named: { readonly id: string; readonly reference: string }[];
  readonly #before = new Map<string, CgroupStats>();
  readonly #memoryTotal = memoryTotal();

  /**
   * The containers named by `references`; without any, those that run at the moment of a sample,
   * with `all` every one. Throws UserError with docker's text for a name that is none.
   */
  constructor(references: readonly string[], private readonly all: boolean) {
    this.#named = references.map((reference) => ({ id: resolveContainer(reference), reference }));
  }

  /** One reading of each container, newest first, or in the order in which they were named. */
  sample(): ContainerUsage[] {
    const chosen = this.#named.length > 0
      ? this.#named.flatMap(({ id, reference }) => {
        const record = recordOrNone(id);
        return record === undefined ? [] : [{ record, reference }];
      })
      : listRecords(() => {}).map((record) => ({ record, reference: record.Id }));
    return chosen.flatMap(({ record, reference }) => {
      const state = stateOf(record.Id);
      const isUp = state.kind === "running" || state.kind === "restarting";
      if (this.#named.length === 0 && !this.all && !isUp) return [];
      const usage = state.kind === "running"
        ? this.#usageOf(record, state.run) ?? "unknown"
        : undefined;
      return [{ id: record.Id, name: record.Name.replace(/^\//, ""), reference, usage }];
    });
  }

  #usageOf({ Id, HostConfig }: ContainerRecord, run: RunState): Usage | undefined {
    const stats = readStats(openCgroup(run.cgroup));
    if (stats === undefined) return undefined;
    const before = this.#before.get(Id);
    this.#before.set(Id, stats);
    const { memoryBytes, readBytes, writtenBytes, pids } = stats;
    // The host's traffic is not the container's.
    const text = HostConfig.NetworkMode === "host" ? undefined : readDevices(run.pid);
    return {
      cpuPercent: before === undefined ? 0 : cpuPercent(before, stats),
      memoryBytes,
      memoryLimitBytes: Math.min(stats.memoryLimitBytes, this.#memoryTotal),
      ...networkBytes(text ?? ""),
      readBytes,
      writtenBytes,
      pids,
    };
  }
}

/** The record, or undefined where the container was removed meanwhile. */
function recordOrNone(id: string): ContainerRecord | undefined {
  try {
    return readRecord(id);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** /proc/PID/net/dev; undefined where the process has just ended, or is another user's. */
function readDevices(pid: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/net/dev`);
  } catch {
    return undefined;
  }
}
