/**
 * Every limit in one table: the flag, OCI's field, the files of cgroup v1 and v2 and how the value
 * is written there. The code that sets limits (cgroup_limits.ts) and docs/cgroups.md both come
 * from it. Sources: the kernel's Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst;
 * runtime-spec config-linux.md.
 */
import {
  cpuShares,
  cpuWeight,
  ioWeight,
  type Limit,
  limit,
  maxIfNegative,
  maxUnlessPositive,
  plain,
  some,
  swapMax,
  target,
} from "./cgroup_limit.ts";
import type { ThrottleRate } from "./spec_types.ts";

const discarded = (what: string, thing: string) =>
  `Your kernel does not support ${what} or the cgroup is not mounted. ${thing} discarded.`;

const MEMORY: Limit[] = [
  limit<number>({
    flags: "-m, --memory",
    field: "memory.limit",
    does: "Most memory, page cache included. Above it the kernel reclaims, then kills.",
    missing: "Your kernel does not support memory limit capabilities or the cgroup is not " +
      "mounted. Limitation discarded.",
    values: ({ memory }) => some(memory?.limit),
    v1: [target("memory", "memory.limit_in_bytes", "bytes, -1: none", plain)],
    v2: [target("memory", "memory.max", "bytes, max: none", maxIfNegative)],
  }),
  limit<number>({
    flags: "--memory-swap",
    field: "memory.swap",
    does: "Most memory and swap together.",
    missing: "Your kernel does not support swap limit capabilities or the cgroup is not mounted. " +
      "Memory limited without swap.",
    values: ({ memory }) => some(memory?.swap || undefined),
    v1: [target("memory", "memory.memsw.limit_in_bytes", "bytes, -1: none", plain)],
    v2: [
      target(
        "memory",
        "memory.swap.max",
        "swap minus memory, max: none",
        (value, { memory }) => swapMax(value, memory?.limit),
      ),
    ],
  }),
  limit<number>({
    flags: "--memory-reservation",
    field: "memory.reservation",
    does: "Memory that is left alone while others can be reclaimed from.",
    missing: "Your kernel does not support memory soft limit capabilities or the cgroup is not " +
      "mounted. Limitation discarded.",
    values: ({ memory }) => some(memory?.reservation),
    v1: [target("memory", "memory.soft_limit_in_bytes", "bytes", plain)],
    v2: [target("memory", "memory.low", "bytes, max: all", maxIfNegative)],
  }),
  limit<number>({
    flags: "--memory-swappiness",
    field: "memory.swappiness",
    does: "How readily anonymous memory is swapped, 0 to 100.",
    missing: discarded("memory swappiness capabilities", "Memory swappiness"),
    values: ({ memory }) => some(memory?.swappiness),
    v1: [target("memory", "memory.swappiness", "the number", plain)],
    v2: [],
  }),
  limit<boolean>({
    flags: "--oom-kill-disable",
    field: "memory.disableOOMKiller",
    does: "Processes that need memory wait instead of being killed.",
    missing: "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    values: ({ memory }) => some(memory?.disableOOMKiller),
    v1: [target("memory", "memory.oom_control", "1, 0: kill", (wait) => wait ? "1" : "0")],
    v2: [],
  }),
  limit<number>({
    flags: "",
    field: "memory.kernelTCP",
    does: "Most memory of TCP buffers.",
    missing: discarded("kernel memory TCP limit capabilities", "Kernel memory TCP limit"),
    values: ({ memory }) => some(memory?.kernelTCP),
    v1: [target("memory", "memory.kmem.tcp.limit_in_bytes", "bytes, -1: none", plain)],
    v2: [],
  }),
];

const noCpuset = "Your kernel does not support cpuset or the cgroup is not mounted. " +
  "Cpuset discarded.";
const noQuota = "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.";
const noRealtime = (what: string) => discarded(`CPU real-time ${what}`, `CPU real-time ${what}`);

const CPU: Limit[] = [
  limit<number>({
    flags: "-c, --cpu-shares",
    field: "cpu.shares",
    does: "Share of the CPU while others want it too; 1024 is one container's normal share.",
    missing: "Your kernel does not support CPU shares or the cgroup is not mounted. " +
      "Shares discarded.",
    values: ({ cpu }) => some(cpu?.shares || undefined),
    v1: [target("cpu", "cpu.shares", "the number", cpuShares)],
    v2: [
      target("cpu", "cpu.weight", "1 + (shares - 2) * 9999 / 262142", (n) => plain(cpuWeight(n))),
    ],
  }),
  limit<number>({
    flags: "--cpu-period",
    field: "cpu.period",
    does: "Length of the interval that the quota is for, in µs.",
    missing: noQuota,
    values: ({ cpu }) => some(cpu?.period || undefined),
    v1: [target("cpu", "cpu.cfs_period_us", "µs", plain)],
    v2: [
      target(
        "cpu",
        "cpu.max",
        "max and µs, unless there is a quota",
        (period, { cpu }) => cpu?.quota ? undefined : `max ${period}`,
      ),
    ],
  }),
  limit<number>({
    flags: "--cpu-quota, --cpus",
    field: "cpu.quota",
    does: "CPU time per interval, in µs; --cpus 1.5 is 150000 of 100000.",
    missing: noQuota,
    values: ({ cpu }) => some(cpu?.quota || undefined),
    v1: [target("cpu", "cpu.cfs_quota_us", "µs, -1: none", plain)],
    v2: [
      target(
        "cpu",
        "cpu.max",
        "quota and period in µs, max: none",
        (quota, { cpu }) => maxIfNegative(quota) + (cpu?.period ? ` ${cpu.period}` : ""),
      ),
    ],
  }),
  limit<number>({
    flags: "",
    field: "cpu.burst",
    does: "Unused quota that may be saved up, in µs.",
    missing: discarded("CPU burst", "CPU burst"),
    values: ({ cpu }) => some(cpu?.burst),
    v1: [target("cpu", "cpu.cfs_burst_us", "µs", plain)],
    v2: [target("cpu", "cpu.max.burst", "µs", plain)],
  }),
  limit<number>({
    flags: "--cpu-rt-period",
    field: "cpu.realtimePeriod",
    does: "Interval of the real-time budget, in µs.",
    missing: noRealtime("period"),
    values: ({ cpu }) => some(cpu?.realtimePeriod || undefined),
    v1: [target("cpu", "cpu.rt_period_us", "µs", plain)],
    v2: [],
  }),
  limit<number>({
    flags: "--cpu-rt-runtime",
    field: "cpu.realtimeRuntime",
    does: "Real-time budget per interval, in µs.",
    missing: noRealtime("runtime"),
    values: ({ cpu }) => some(cpu?.realtimeRuntime || undefined),
    v1: [target("cpu", "cpu.rt_runtime_us", "µs", plain)],
    v2: [],
  }),
  limit<number>({
    flags: "",
    field: "cpu.idle",
    does: "1: runs only when nobody else wants the CPU.",
    missing: discarded("CPU idle", "CPU idle"),
    values: ({ cpu }) => some(cpu?.idle),
    v1: [target("cpu", "cpu.idle", "0 or 1", plain)],
    v2: [target("cpu", "cpu.idle", "0 or 1", plain)],
  }),
  limit<string>({
    flags: "--cpuset-cpus",
    field: "cpu.cpus",
    does: 'CPUs it may run on, e.g. "0-2,7".',
    missing: noCpuset,
    values: ({ cpu }) => some(cpu?.cpus || undefined),
    v1: [target("cpuset", "cpuset.cpus", "the list", plain)],
    v2: [target("cpuset", "cpuset.cpus", "the list", plain)],
  }),
  limit<string>({
    flags: "--cpuset-mems",
    field: "cpu.mems",
    does: "NUMA nodes its memory may be on.",
    missing: noCpuset,
    values: ({ cpu }) => some(cpu?.mems || undefined),
    v1: [target("cpuset", "cpuset.mems", "the list", plain)],
    v2: [target("cpuset", "cpuset.mems", "the list", plain)],
  }),
];

const PIDS: Limit[] = [
  limit<number>({
    flags: "--pids-limit",
    field: "pids.limit",
    does: "Most processes and threads; fork fails with EAGAIN above.",
    missing: discarded("PIDs limit capabilities", "PIDs limit"),
    values: ({ pids }) => some(pids?.limit),
    v1: [target("pids", "pids.max", "the number, max: none", maxUnlessPositive)],
    v2: [target("pids", "pids.max", "the number, max: none", maxUnlessPositive)],
  }),
];

type WeightDevice = { major: number; minor: number; weight?: number };
const deviceWeight =
  (convert: (weight: number) => number | string) => ({ major, minor, weight }: WeightDevice) =>
    weight === undefined ? undefined : `${major}:${minor} ${convert(weight)}`;
/** 0 takes a device's weight back. BFQ wants a word for it. */
const same = (weight: number) => weight;
const orDefault = (weight: number) => weight || "default";
const ioWeightOrDefault = (weight: number) => weight === 0 ? "default" : ioWeight(weight);

/** The four throttles differ in names only. */
function throttle(
  flags: string,
  field: "ReadBps" | "WriteBps" | "ReadIOPS" | "WriteIOPS",
  [v1File, v2Key]: [v1File: string, v2Key: string],
  [does, missing]: [does: string, missing: string],
): Limit {
  return limit<ThrottleRate>({
    flags,
    field: `blockIO.throttle${field}Device`,
    does,
    missing,
    values: ({ blockIO }) => blockIO?.[`throttle${field}Device`] ?? [],
    v1: [
      target("blkio", v1File, "M:m rate", ({ major, minor, rate }) => `${major}:${minor} ${rate}`),
    ],
    v2: [
      target(
        "io",
        "io.max",
        `M:m ${v2Key}=rate, max: none`,
        ({ major, minor, rate }) => `${major}:${minor} ${v2Key}=${maxUnlessPositive(rate)}`,
      ),
    ],
  });
}

const noThrottle = (kind: string, direction: string) =>
  `Your kernel does not support ${kind} Block ${kind === "BPS" ? "I/O " : ""}${direction} limit ` +
  `or the cgroup is not mounted. Block I/O ${kind} ${direction} limit discarded.`;

const BLOCK_IO: Limit[] = [
  limit<number>({
    flags: "--blkio-weight",
    field: "blockIO.weight",
    does: "Share of the disks while others want them too, 10 to 1000. Needs the BFQ scheduler " +
      "or, on v2, io.cost.",
    missing: discarded("Block I/O weight", "Weight"),
    values: ({ blockIO }) => some(blockIO?.weight || undefined),
    v1: [
      target("blkio", "blkio.bfq.weight", "the number", plain),
      target("blkio", "blkio.weight", "the number", plain),
    ],
    v2: [
      target("io", "io.bfq.weight", "the number", plain),
      target("io", "io.weight", "1 + (weight - 10) * 9999 / 990", (n) => plain(ioWeight(n))),
    ],
  }),
  limit<WeightDevice>({
    flags: "--blkio-weight-device",
    field: "blockIO.weightDevice",
    does: "The same for one disk.",
    missing: discarded("Block I/O weight_device", "Weight-device"),
    values: ({ blockIO }) => blockIO?.weightDevice ?? [],
    v1: [
      target("blkio", "blkio.bfq.weight_device", "M:m weight", deviceWeight(orDefault)),
      target("blkio", "blkio.weight_device", "M:m weight", deviceWeight(same)),
    ],
    v2: [
      target("io", "io.bfq.weight", "M:m weight", deviceWeight(orDefault)),
      target("io", "io.weight", "M:m weight, converted as above", deviceWeight(ioWeightOrDefault)),
    ],
  }),
  limit<number>({
    flags: "",
    field: "blockIO.leafWeight",
    does: "Share of the processes beside child cgroups (kernels before 5.0).",
    missing: discarded("Block I/O leaf_weight", "Leaf weight"),
    values: ({ blockIO }) => some(blockIO?.leafWeight || undefined),
    v1: [target("blkio", "blkio.leaf_weight", "the number", plain)],
    v2: [],
  }),
  throttle("--device-read-bps", "ReadBps", ["blkio.throttle.read_bps_device", "rbps"], [
    "Bytes per second read from a disk.",
    noThrottle("BPS", "read"),
  ]),
  throttle("--device-write-bps", "WriteBps", ["blkio.throttle.write_bps_device", "wbps"], [
    "Bytes per second written to a disk.",
    noThrottle("BPS", "write"),
  ]),
  throttle("--device-read-iops", "ReadIOPS", ["blkio.throttle.read_iops_device", "riops"], [
    "Reads per second of a disk.",
    noThrottle("IOPS", "read"),
  ]),
  throttle("--device-write-iops", "WriteIOPS", ["blkio.throttle.write_iops_device", "wiops"], [
    "Writes per second of a disk.",
    noThrottle("IOPS", "write"),
  ]),
];

type Hugepage = { pageSize: string; limit: number };
type Rdma = [device: string, limits: { hcaHandles?: number; hcaObjects?: number }];
const rdmaText = ([device, { hcaHandles, hcaObjects }]: Rdma) =>
  `${device} hca_handle=${hcaHandles ?? "max"} hca_object=${hcaObjects ?? "max"}`;

const OTHER: Limit[] = [
  limit<Hugepage>({
    flags: "",
    field: "hugepageLimits",
    does: "Memory in huge pages of one size.",
    missing: discarded("hugetlb limits of that page size", "Hugepage limit"),
    values: ({ hugepageLimits }) => hugepageLimits ?? [],
    v1: [
      target("hugetlb", "hugetlb.<size>.limit_in_bytes", "bytes", ({ limit }) => plain(limit)),
    ],
    v2: [target("hugetlb", "hugetlb.<size>.max", "bytes", ({ limit }) => plain(limit))],
  }),
  limit<Hugepage>({
    flags: "",
    field: "hugepageLimits",
    does: "The same for pages reserved and not yet used (Linux 5.7).",
    values: ({ hugepageLimits }) => hugepageLimits ?? [],
    v1: [
      target(
        "hugetlb",
        "hugetlb.<size>.rsvd.limit_in_bytes",
        "bytes",
        ({ limit }) => plain(limit),
      ),
    ],
    v2: [target("hugetlb", "hugetlb.<size>.rsvd.max", "bytes", ({ limit }) => plain(limit))],
  }),
  limit<number>({
    flags: "",
    field: "network.classID",
    does: "Class of its packets for tc and iptables.",
    missing: discarded("net_cls", "Network class"),
    values: ({ network }) => some(network?.classID),
    v1: [target("net_cls", "net_cls.classid", "the number", plain)],
    v2: [],
  }),
  limit<{ name: string; priority: number }>({
    flags: "",
    field: "network.priorities",
    does: "Priority of its packets on an interface.",
    missing: discarded("net_prio", "Network priority"),
    values: ({ network }) => network?.priorities ?? [],
    v1: [
      target(
        "net_prio",
        "net_prio.ifpriomap",
        "interface priority",
        ({ name, priority }) => `${name} ${priority}`,
      ),
    ],
    v2: [],
  }),
  limit<Rdma>({
    flags: "",
    field: "rdma",
    does: "Handles and objects of an RDMA device.",
    missing: discarded("rdma limits", "RDMA limit"),
    values: ({ rdma }) => Object.entries(rdma ?? {}),
    v1: [target("rdma", "rdma.max", "device hca_handle=n hca_object=n", rdmaText)],
    v2: [target("rdma", "rdma.max", "device hca_handle=n hca_object=n", rdmaText)],
  }),
];

/** All limits, in the order in which they are written. */
export const LIMITS: readonly Limit[] = [...MEMORY, ...CPU, ...PIDS, ...BLOCK_IO, ...OTHER];
