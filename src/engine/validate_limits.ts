/**
 * Checks of limits: numbers that make no sense are refused. What the kernel lacks is another
 * matter: that is found, and said, where the limits are set (runtime/cgroup_table.ts).
 */
import { UserError } from "../base/errors.ts";
import type { HostConfig } from "./types.ts";

/** What the checks have to know of the host. */
export interface HostFacts {
  readonly cpus: number;
  /** As the kernel writes lists: "0-3,5". */
  readonly cpuList: string;
  readonly memoryNodeList: string;
  /** Whether something is at this path of the host. */
  exists(path: string): boolean;
}

/** The least memory a container can live in: docker's 6 MiB. */
const MIN_MEMORY_BYTES = 6 * 1024 * 1024;

/** docker looks no further than to this number, the most CPUs that Linux is built for. */
const MAX_LISTED = 8192;

/** Numbers of "0-3,5"; undefined where it is no such list. */
export function parseCpuList(text: string): Set<number> | undefined {
  const numbers = new Set<number>();
  for (const part of text === "" ? [] : text.split(",")) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim());
    if (match === null) return undefined;
    const first = Number(match[1]), last = Number(match[2] ?? match[1]);
    if (last < first) return undefined;
    for (let n = first; n <= last; n++) numbers.add(n);
  }
  return numbers;
}

/** One rule: the text of what is wrong, or undefined. */
type Rule = (host: HostConfig, facts: HostFacts) => string | undefined | false;

function unavailable(
  asked: string,
  available: string,
  kind: string,
  what: string,
): string | undefined {
  const wanted = parseCpuList(asked);
  if (wanted === undefined) {
    return `Invalid value ${asked} for cpuset ${kind}: invalid format: ${asked}`;
  }
  if ([...wanted].some((number) => number > MAX_LISTED)) {
    const problem = `value of out range, maximum is ${MAX_LISTED}`;
    return `Invalid value ${asked} for cpuset ${kind}: ${problem}`;
  }
  const there = parseCpuList(available) ?? new Set();
  if ([...wanted].every((number) => there.has(number))) return undefined;
  return `Requested ${what} are not available - requested ${asked}, available: ${available}`;
}

/** The kernel takes quotas from 1 ms on, which is 0.01 of docker's period. */
function outOfRange(nanoCpus: number, cpus: number): string | undefined {
  if (nanoCpus >= 1e7 && nanoCpus <= cpus * 1e9) return undefined;
  return `Range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`;
}

const CONFLICT = "Conflicting options: Nano CPUs and";

const RULES: readonly Rule[] = [
  ({ Memory }) =>
    Memory !== 0 && Memory < MIN_MEMORY_BYTES && "Minimum memory limit allowed is 6MB",
  ({ Memory, MemorySwap }) =>
    Memory > 0 && MemorySwap > 0 && MemorySwap < Memory &&
    "Minimum memoryswap limit should be larger than memory limit, see usage",
  ({ Memory, MemorySwap }) =>
    Memory === 0 && MemorySwap > 0 &&
    "You should always set the Memory limit when using Memoryswap limit, see usage",
  ({ MemorySwappiness: value }) =>
    value !== null && (value < 0 || value > 100) &&
    `Invalid value: ${value}, valid memory swappiness range is 0-100`,
  ({ MemoryReservation: value }) =>
    value > 0 && value < MIN_MEMORY_BYTES && "Minimum memory reservation allowed is 6MB",
  ({ Memory, MemoryReservation }) =>
    Memory > 0 && MemoryReservation > Memory &&
    "Minimum memory limit can not be less than memory reservation limit, see usage",
  ({ NanoCpus, CpuPeriod }) =>
    NanoCpus > 0 && CpuPeriod > 0 && `${CONFLICT} CPU Period cannot both be set`,
  ({ NanoCpus, CpuQuota }) =>
    NanoCpus > 0 && CpuQuota > 0 && `${CONFLICT} CPU Quota cannot both be set`,
  ({ NanoCpus }, facts) => NanoCpus !== 0 && outOfRange(NanoCpus, facts.cpus),
  ({ CpuShares }) =>
    CpuShares < 0 && `invalid CPU shares (${CpuShares}): value must be a positive integer`,
  ({ CpuPeriod: value }) =>
    value !== 0 && (value < 1000 || value > 1_000_000) &&
    "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
  ({ CpuQuota }) =>
    CpuQuota > 0 && CpuQuota < 1000 && "CPU cfs quota can not be less than 1ms (i.e. 1000)",
  ({ CpuRealtimePeriod, CpuRealtimeRuntime }) =>
    CpuRealtimePeriod !== 0 && CpuRealtimeRuntime > CpuRealtimePeriod &&
    "cpu real-time runtime cannot be higher than cpu real-time period",
  ({ CpusetCpus }, facts) =>
    CpusetCpus !== "" && unavailable(CpusetCpus, facts.cpuList, "cpus", "CPUs"),
  ({ CpusetMems }, facts) =>
    CpusetMems !== "" &&
    unavailable(CpusetMems, facts.memoryNodeList, "mems", "memory nodes"),
  ({ BlkioWeight: value }) =>
    value !== 0 && (value < 10 || value > 1000) && "Range of blkio weight is from 10 to 1000",
  ({ ShmSize }) => ShmSize < 0 && "SHM size can not be less than 0",
  ({ OomScoreAdj: value }) =>
    (value < -1000 || value > 1000) &&
    `Invalid value ${value}, range for oom score adj is [-1000, 1000]`,
];

/** What is no mistake by itself, and seldom meant: in docker's words. */
export function limitWarnings({ OomKillDisable, Memory }: HostConfig): string[] {
  return OomKillDisable && Memory === 0
    ? [
      "OOM killer is disabled for the container, but no memory limit is set, " +
      "this can result in the system running out of resources.",
    ]
    : [];
}

/** Throws a UserError with docker's text for the first limit that makes no sense. */
export function checkLimits(host: HostConfig, facts: HostFacts): void {
  for (const rule of RULES) {
    const problem = rule(host, facts);
    if (problem) throw new UserError(problem);
  }
}
