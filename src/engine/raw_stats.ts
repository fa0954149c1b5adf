/** What a container uses, as docker's API tells it: counters, of which clients make rates. */
import { readIfThere } from "../base/files.ts";
import { presentTime, ZERO_TIME } from "../base/time.ts";
import { cgroupLayout } from "../runtime/cgroup_layout.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { type BlockEntry, type Figures, readFigures } from "../runtime/oci_stats.ts";
import { type RunState, stateOf } from "./state.ts";
import { interfaceFigures, memoryTotal } from "./stats.ts";
import type { ContainerRecord } from "./types.ts";

/** Nanoseconds of a tick of /proc/stat: USER_HZ is 100 everywhere. */
const TICK_NANOS = 10_000_000;
/** Above this a number means "no limit", and is more than JavaScript can tell apart. */
const NO_LIMIT = 2n ** 62n;

/** The part that is compared with that of the next sample. */
export type CpuStats = Record<string, unknown>;

/** One sample. */
export interface RawStats extends Record<string, unknown> {
  readonly read: string;
  readonly cpu_stats: CpuStats;
}

/** What was sampled before: nothing, at first. */
export type Before = Pick<RawStats, "read" | "cpu_stats"> | undefined;

const NO_CPU: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** A sample of the container of `record`; of one that does not run, zeros. */
export function rawStats(record: ContainerRecord, before: Before): RawStats {
  const state = stateOf(record.Id);
  const run = state.kind === "running" ? state.run : undefined;
  const figures = run && readFigures(openCgroup(run.cgroup));
  const hasNetwork = !["host", "none"].includes(record.HostConfig.NetworkMode);
  return {
    id: record.Id,
    name: record.Name,
    os_type: "linux",
    read: run === undefined ? ZERO_TIME : presentTime(),
    cpu_stats: figures === undefined ? NO_CPU : cpuStats(figures),
    memory_stats: figures === undefined ? {} : memoryStats(figures),
    blkio_stats: blockStats(figures),
    pids_stats: figures === undefined ? {} : numbers(figures.pids),
    num_procs: 0,
    storage_stats: {},
    ...(run !== undefined && hasNetwork && { networks: networkStats(run) }),
    preread: before?.read ?? ZERO_TIME,
    precpu_stats: before?.cpu_stats ?? NO_CPU,
  };
}

const part = (figures: Figures, ...path: string[]): Figures =>
  path.reduce((at, name) => (at[name] ?? {}) as Figures, figures);

/** Figures as numbers; those that mean "no limit" are left out. */
function numbers(figures: unknown): Record<string, number> {
  const pairs = Object.entries((figures ?? {}) as Figures);
  return Object.fromEntries(
    pairs.filter(([, value]) => typeof value === "bigint" && value < NO_LIMIT)
      .map(([name, value]) => [name, Number(value)]),
  );
}

function cpuStats(figures: Figures): CpuStats {
  const { total = 0, kernel = 0, user = 0 } = numbers(part(figures, "cpu", "usage"));
  const { percpu } = part(figures, "cpu", "usage");
  const throttled = numbers(part(figures, "cpu", "throttling"));
  return {
    cpu_usage: {
      total_usage: total,
      ...(Array.isArray(percpu) && { percpu_usage: percpu.map(Number) }),
      usage_in_kernelmode: kernel,
      usage_in_usermode: user,
    },
    system_cpu_usage: machineTicks(readIfThere("/proc/stat") ?? "") * TICK_NANOS,
    online_cpus: navigator.hardwareConcurrency,
    throttling_data: {
      periods: throttled.periods ?? 0,
      throttled_periods: throttled.throttledPeriods ?? 0,
      throttled_time: throttled.throttledTime ?? 0,
    },
  };
}

/** Ticks that the machine's CPUs have had, idle ones too; not those of guests, which are in "user". */
export function machineTicks(stat: string): number {
  const words = /^cpu +(.*)$/m.exec(stat)?.[1].split(" ").slice(0, 8) ?? [];
  return words.reduce((sum, word) => sum + Number(word), 0);
}

function memoryStats(figures: Figures): Record<string, unknown> {
  const memory = part(figures, "memory");
  const { usage, max, failcnt, limit } = numbers(part(memory, "usage"));
  return {
    usage: usage ?? 0,
    ...(max !== undefined && { max_usage: max }),
    ...(failcnt && { failcnt }),
    stats: numbers(part(memory, "raw")),
    limit: Math.min(limit ?? Infinity, memoryTotal()),
  };
}

const BLOCK_NAMES = [
  ["io_service_bytes_recursive", "ioServiceBytesRecursive"],
  ["io_serviced_recursive", "ioServicedRecursive"],
  ["io_queue_recursive", "ioQueueRecursive"],
  ["io_service_time_recursive", "ioServiceTimeRecursive"],
  ["io_wait_time_recursive", "ioWaitTimeRecursive"],
  ["io_merged_recursive", "ioMergedRecursive"],
  ["io_time_recursive", "ioTimeRecursive"],
  ["sectors_recursive", "sectorsRecursive"],
] as const;

/** Of what is not counted docker tells an empty list with cgroup v1, else null. */
function blockStats(figures: Figures | undefined): Record<string, unknown> {
  const found = part(figures ?? {}, "blkio");
  const nothing = figures !== undefined && cgroupLayout().version === 1 ? [] : null;
  return Object.fromEntries(BLOCK_NAMES.map(([name, figure]) => {
    const entries = found[figure] as unknown as BlockEntry[] | undefined;
    return [
      name,
      entries?.map(({ major, minor, op, value }) => ({
        major: Number(major),
        minor: Number(minor),
        op,
        value: Number(value),
      })) ?? nothing,
    ];
  }));
}

const NETWORK_FIELDS = [
  ...["rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "", "", "", ""],
  ...["tx_bytes", "tx_packets", "tx_errors", "tx_dropped"],
];

function networkStats({ pid }: RunState): Record<string, unknown> {
  return interfaceStats(readIfThere(`/proc/${pid}/net/dev`) ?? "");
}

/** As docker's API names them, of the text of /proc/PID/net/dev. Pure. */
export function interfaceStats(text: string): Record<string, Record<string, number>> {
  return Object.fromEntries(
    interfaceFigures(text).map(([name, values]) => [
      name,
      Object.fromEntries(
        NETWORK_FIELDS.map((field, i) => [field, values[i] || 0]).filter(([field]) => field !== ""),
      ),
    ]),
  );
}
