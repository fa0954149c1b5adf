/** Figures of a running container, for `stats`. The texts of the files are parsed by pure functions. */
import { type Cgroup, directoryOf } from "./cgroup_place.ts";
import { keyedNumber, readControl, readNumber } from "./cgroup_files.ts";

/** What one reading says. A figure whose controller is not there is 0, a limit Infinity. */
export interface CgroupStats {
  /** When it was read, of a clock that only moves forward. */
  readonly atNanos: number;
  /** CPU time since the start. */
  readonly cpuNanos: number;
  /** Memory without page cache that nobody touched lately: docker's "MEM USAGE". */
  readonly memoryBytes: number;
  readonly memoryLimitBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly pids: number;
  readonly pidsLimit: number;
}

/** Above this v1 means "no limit" (PAGE_COUNTER_MAX in bytes, a little below 2^63). */
const NO_LIMIT_V1 = 2 ** 62;

/** Reads the figures of `cgroup`; undefined where it is gone. */
export function readStats(cgroup: Cgroup): CgroupStats | undefined {
  const directory = directoryOf(cgroup, "pids") ?? directoryOf(cgroup, "memory");
  if (directory === undefined || readControl(`${directory}/cgroup.procs`) === undefined) {
    return undefined;
  }
  const atNanos = performance.now() * 1e6;
  return cgroup.version === 2 ? statsV2(directory, atNanos) : statsV1(cgroup, atNanos);
}

function statsV2(directory: string, atNanos: number): CgroupStats {
  const used = readNumber(`${directory}/memory.current`) ?? 0;
  const stat = readControl(`${directory}/memory.stat`) ?? "";
  const cpu = readControl(`${directory}/cpu.stat`) ?? "";
  return {
    atNanos,
    cpuNanos: (keyedNumber(cpu, "usage_usec") ?? 0) * 1000,
    memoryBytes: withoutCache(used, keyedNumber(stat, "inactive_file")),
    memoryLimitBytes: readNumber(`${directory}/memory.max`) ?? Infinity,
    ...ioStat(readControl(`${directory}/io.stat`) ?? ""),
    pids: readNumber(`${directory}/pids.current`) ?? 0,
    pidsLimit: readNumber(`${directory}/pids.max`) ?? Infinity,
  };
}

function statsV1(cgroup: Cgroup, atNanos: number): CgroupStats {
  const file = (controller: string, name: string) =>
    `${directoryOf(cgroup, controller) ?? "/nonexistent"}/${name}`;
  const used = readNumber(file("memory", "memory.usage_in_bytes")) ?? 0;
  const stat = readControl(file("memory", "memory.stat")) ?? "";
  const limit = readNumber(file("memory", "memory.limit_in_bytes")) ?? Infinity;
  return {
    atNanos,
    cpuNanos: readNumber(file("cpuacct", "cpuacct.usage")) ?? 0,
    memoryBytes: withoutCache(used, keyedNumber(stat, "total_inactive_file")),
    memoryLimitBytes: limit > NO_LIMIT_V1 ? Infinity : limit,
    ...blkioBytes(blkioText((name) => readControl(file("blkio", name)))),
    pids: readNumber(file("pids", "pids.current")) ?? 0,
    pidsLimit: readNumber(file("pids", "pids.max")) ?? Infinity,
  };
}

function withoutCache(used: number, inactive: number | undefined): number {
  return inactive !== undefined && inactive < used ? used - inactive : used;
}

interface IoBytes {
  readBytes: number;
  writtenBytes: number;
}

/** The first of the files that counts anything: BFQ, CFQ and throttling each have their own. */
function blkioText(read: (name: string) => string | undefined): string {
  const names = [
    "blkio.bfq.io_service_bytes_recursive",
    "blkio.io_service_bytes_recursive",
    "blkio.throttle.io_service_bytes_recursive",
    "blkio.throttle.io_service_bytes",
  ];
  for (const name of names) {
    const text = read(name);
    if (text?.includes(" Read ")) return text;
  }
  return "";
}

/** Sums lines "M:m Read N", "M:m Write N" of v1. Pure. */
export function blkioBytes(text: string): IoBytes {
  let readBytes = 0, writtenBytes = 0;
  for (const [, kind, bytes] of text.matchAll(/^\d+:\d+ (Read|Write) (\d+)$/gm)) {
    if (kind === "Read") readBytes += Number(bytes);
    else writtenBytes += Number(bytes);
  }
  return { readBytes, writtenBytes };
}

/** Sums lines "M:m rbytes=N wbytes=N …" of v2. Pure. */
export function ioStat(text: string): IoBytes {
  let readBytes = 0, writtenBytes = 0;
  for (const [, kind, bytes] of text.matchAll(/ ([rw])bytes=(\d+)/g)) {
    if (kind === "r") readBytes += Number(bytes);
    else writtenBytes += Number(bytes);
  }
  return { readBytes, writtenBytes };
}

/** CPU use between two readings in percent of one CPU: 200 is two whole CPUs. */
export function cpuPercent(before: CgroupStats, after: CgroupStats): number {
  const elapsed = after.atNanos - before.atNanos;
  const used = after.cpuNanos - before.cpuNanos;
  return elapsed > 0 && used > 0 ? used / elapsed * 100 : 0;
}
