/**
 * All figures of a container's cgroup in the shape that `events` prints for engines. Figures have
 * 64 bits, so they are bigints until they are text. Files that are not there are left out.
 */
import { type Cgroup, directoryOf } from "./cgroup_place.ts";
import { readControl, subtree } from "./cgroup_files.ts";
import { cpuList } from "./cpu_list.ts";

/** "max" of cgroup v2, as engines that count in uint64 have it. */
const NO_LIMIT = 2n ** 64n - 1n;
/** The kernel shows CPU time of user and system on v1 in ticks of 10 ms (USER_HZ). */
const TICK_NANOS = 10_000_000n;

/** A figure, or a group of them. */
export type Figures = { [name: string]: bigint | bigint[] | Figures | BlockEntry[] | null };

/** One figure of one block device. */
export interface BlockEntry {
  major: bigint;
  minor: bigint;
  op: string;
  value: bigint;
}

/** Reads the figures; undefined where the cgroup is gone. */
export function readFigures(cgroup: Cgroup): Figures | undefined {
  const at = directoryOf(cgroup, "pids") ?? directoryOf(cgroup, "memory");
  if (at === undefined || readControl(`${at}/cgroup.procs`) === undefined) return undefined;
  const parts = cgroup.version === 2 ? figuresV2(at) : figuresV1(cgroup);
  return { ...parts, intel_rdt: {}, network_interfaces: null };
}

/** The JSON of figures; bigints are written as numbers. */
export function figuresText(value: unknown): string {
  // No other value of the figures has "#" in it.
  return JSON.stringify(value, (_, v) => typeof v === "bigint" ? `#${v}#` : v)
    .replace(/"#(\d+)#"/g, "$1");
}

type Read = (file: string) => string | undefined;

const reader = (directory: string | undefined): Read => (file) =>
  directory === undefined ? undefined : readControl(`${directory}/${file}`)?.trim();

/** A file of one number; undefined where there is none. */
function one(text: string | undefined): bigint | undefined {
  if (text === "max") return NO_LIMIT;
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : undefined;
}

const orZero = (text: string | undefined): bigint => one(text) ?? 0n;

/** Lines "key value". */
export function keyed(text: string | undefined): Record<string, bigint> {
  const found: Record<string, bigint> = {};
  for (const [, key, value] of (text ?? "").matchAll(/^(\S+) (\d+)$/gm)) found[key] = BigInt(value);
  return found;
}

function present(figures: Record<string, bigint | undefined>): Figures {
  return Object.fromEntries(
    Object.entries(figures).filter(([, value]) => value !== undefined),
  ) as Figures;
}

function figuresV1(cgroup: Cgroup): Figures {
  const of = (controller: string) => reader(directoryOf(cgroup, controller));
  const cpuacct = of("cpuacct"), blkio = of("blkio");
  const ticks = keyed(cpuacct("cpuacct.stat"));
  const cpus = cpuacct("cpuacct.usage_percpu")?.split(/\s+/).filter(Boolean).map(BigInt);
  return {
    cpu: {
      usage: {
        total: orZero(cpuacct("cpuacct.usage")),
        ...(cpus && { percpu: cpus }),
        kernel: (ticks.system ?? 0n) * TICK_NANOS,
        user: (ticks.user ?? 0n) * TICK_NANOS,
      },
      throttling: throttling(keyed(of("cpu")("cpu.stat")), "throttled_time", 1n),
    },
    cpuset: cpusetFigures(of("cpuset"), "cpuset.cpus", "cpuset.mems"),
    memory: memoryV1(of("memory")),
    pids: pidsFigures(of("pids")),
    blkio: blockV1(blkio),
    hugetlb: hugetlbFigures(directoryOf(cgroup, "hugetlb"), "usage_in_bytes", "max_usage_in_bytes"),
  };
}

function throttling(stat: Record<string, bigint>, time: string, unit: bigint): Figures {
  const { nr_periods, nr_throttled } = stat;
  if (!nr_periods) return {};
  return { periods: nr_periods, throttledPeriods: nr_throttled, throttledTime: stat[time] * unit };
}

function cpusetFigures(read: Read, cpus: string, mems: string): Figures {
  const list = (file: string) => cpuList(read(file) ?? "").map(BigInt);
  return { cpus: list(cpus), mems: list(mems) };
}

function memoryV1(read: Read): Figures {
  const entry = (name: string): Figures =>
    present({
      limit: one(read(`memory.${name}limit_in_bytes`)),
      usage: one(read(`memory.${name}usage_in_bytes`)),
      max: one(read(`memory.${name}max_usage_in_bytes`)),
      failcnt: orZero(read(`memory.${name}failcnt`)),
    });
  const raw = keyed(read("memory.stat"));
  return {
    cache: raw.cache ?? 0n,
    usage: entry(""),
    swap: entry("memsw."),
    kernel: entry("kmem."),
    kernelTCP: entry("kmem.tcp."),
    raw,
  };
}

function pidsFigures(read: Read): Figures {
  const limit = read("pids.max");
  return present({
    current: orZero(read("pids.current")),
    limit: limit === "max" ? undefined : one(limit),
  });
}

/** Names in the output, and the files of v1 that may have them: BFQ's, then the others'. */
const BLOCK_FILES: readonly [name: string, file: string][] = [
  ["ioServiceBytesRecursive", "io_service_bytes_recursive"],
  ["ioServicedRecursive", "io_serviced_recursive"],
  ["ioQueueRecursive", "io_queued_recursive"],
  ["ioServiceTimeRecursive", "io_service_time_recursive"],
  ["ioWaitTimeRecursive", "io_wait_time_recursive"],
  ["ioMergedRecursive", "io_merged_recursive"],
  ["ioTimeRecursive", "time_recursive"],
  ["sectorsRecursive", "sectors_recursive"],
];

function blockV1(read: Read): Figures {
  const found: Figures = {};
  for (const [name, file] of BLOCK_FILES) {
    for (const prefix of ["blkio.bfq.", "blkio.", "blkio.throttle."]) {
      const entries = blockLines(read(prefix + file) ?? "");
      if (entries.length === 0) continue;
      found[name] = entries;
      break;
    }
  }
  return found;
}

/** Lines "8:0 Read 10" and "8:0 10". */
export function blockLines(text: string): BlockEntry[] {
  return [...text.matchAll(/^(\d+):(\d+) (?:(\w+) )?(\d+)$/gm)]
    .map(([, major, minor, op = "", value]) => (
      { major: BigInt(major), minor: BigInt(minor), op, value: BigInt(value) }
    ));
}

function hugetlbFigures(directory: string | undefined, usage: string, max: string): Figures {
  const found: Figures = {};
  if (directory === undefined) return found;
  const read = reader(directory);
  for (const { name } of Deno.readDirSync(directory)) {
    const size = /^hugetlb\.(\w+)\.(?:usage_in_bytes|current)$/.exec(name)?.[1];
    if (size === undefined) continue;
    const failed = read(`hugetlb.${size}.failcnt`) ??
      String(keyed(read(`hugetlb.${size}.events`)).max ?? 0n);
    found[size] = present({
      usage: orZero(read(`hugetlb.${size}.${usage}`)),
      max: one(read(`hugetlb.${size}.${max}`)),
      failcnt: orZero(failed),
    });
  }
  return found;
}

function figuresV2(directory: string): Figures {
  const read = reader(directory);
  const cpu = keyed(read("cpu.stat"));
  return {
    cpu: {
      usage: {
        total: (cpu.usage_usec ?? 0n) * 1000n,
        kernel: (cpu.system_usec ?? 0n) * 1000n,
        user: (cpu.user_usec ?? 0n) * 1000n,
      },
      throttling: throttling(cpu, "throttled_usec", 1000n),
    },
    cpuset: cpusetFigures(read, "cpuset.cpus.effective", "cpuset.mems.effective"),
    memory: memoryV2(read),
    pids: pidsFigures(read),
    blkio: blockV2(read("io.stat") ?? ""),
    hugetlb: hugetlbFigures(directory, "current", "max"),
  };
}

/** Swap counts memory and swap together, as on v1. */
function memoryV2(read: Read): Figures {
  const raw = keyed(read("memory.stat"));
  const events = keyed(read("memory.events"));
  const usage = orZero(read("memory.current")), limit = one(read("memory.max")) ?? NO_LIMIT;
  const swapLimit = one(read("memory.swap.max"));
  const both = (swapLimit ?? NO_LIMIT) + limit;
  return {
    cache: raw.file ?? 0n,
    usage: present({ limit, usage, max: one(read("memory.peak")), failcnt: events.max ?? 0n }),
    swap: {
      limit: both > NO_LIMIT ? NO_LIMIT : both,
      usage: usage + orZero(read("memory.swap.current")),
      failcnt: keyed(read("memory.swap.events")).max ?? 0n,
    },
    raw,
  };
}

const BLOCK_KEYS: Record<string, [name: string, op: string]> = {
  rbytes: ["ioServiceBytesRecursive", "Read"],
  wbytes: ["ioServiceBytesRecursive", "Write"],
  rios: ["ioServicedRecursive", "Read"],
  wios: ["ioServicedRecursive", "Write"],
};

/** Lines "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6". */
export function blockV2(text: string): Figures {
  const found: Record<string, BlockEntry[]> = {};
  for (const [, major, minor, rest] of text.matchAll(/^(\d+):(\d+) (.*)$/gm)) {
    for (const [, key, value] of rest.matchAll(/(\w+)=(\d+)/g)) {
      const [name, op] = BLOCK_KEYS[key] ?? [];
      if (name === undefined || op === undefined) continue;
      const entry = { major: BigInt(major), minor: BigInt(minor), op, value: BigInt(value) };
      (found[name] ??= []).push(entry);
    }
  }
  return found;
}

/** How often the kernel killed for want of memory in this cgroup and those below it. */
export function oomKills(cgroup: Cgroup): bigint {
  const memory = directoryOf(cgroup, "memory");
  if (memory === undefined) return 0n;
  const file = cgroup.version === 2 ? "memory.events" : "memory.oom_control";
  const levels = cgroup.version === 2 ? [memory] : subtree(memory);
  return levels.reduce(
    (sum, level) => sum + (keyed(readControl(`${level}/${file}`)).oom_kill ?? 0n),
    0n,
  );
}
