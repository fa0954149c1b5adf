import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { cpuWeight, ioWeight } from "../../../src/runtime/cgroup_limit.ts";
import { plannedWrites } from "../../../src/runtime/cgroup_limits.ts";
import { LIMITS } from "../../../src/runtime/cgroup_table.ts";
import type { Resources } from "../../../src/runtime/spec_types.ts";

/** The writes as "file=text", alternatives with "|". */
function written(resources: Resources, version: 1 | 2): string[] {
  return plannedWrites(resources, version).map(({ choices }) =>
    choices.map(({ file, text }) => `${file}=${text}`).join("|")
  );
}

const CASES: [name: string, resources: Resources, v1: string[], v2: string[]][] = [
  ["nothing", {}, [], []],
  ["a memory limit", { memory: { limit: 1000 } }, ["memory.limit_in_bytes=1000"], [
    "memory.max=1000",
  ]],
  ["no memory limit", { memory: { limit: -1, swap: -1 } }, [
    "memory.limit_in_bytes=-1",
    "memory.memsw.limit_in_bytes=-1",
  ], ["memory.max=max", "memory.swap.max=max"]],
  ["memory without swap", { memory: { limit: 1000, swap: 1000 } }, [
    "memory.limit_in_bytes=1000",
    "memory.memsw.limit_in_bytes=1000",
  ], ["memory.max=1000", "memory.swap.max=0"]],
  ["memory and swap", { memory: { limit: 1000, swap: 3000, reservation: 500 } }, [
    "memory.limit_in_bytes=1000",
    "memory.memsw.limit_in_bytes=3000",
    "memory.soft_limit_in_bytes=500",
  ], ["memory.max=1000", "memory.swap.max=2000", "memory.low=500"]],
  ["what v2 does not have", { memory: { swappiness: 0, disableOOMKiller: true } }, [
    "memory.swappiness=0",
    "memory.oom_control=1",
  ], ["", ""]],
  ["an OOM killer that is wanted", { memory: { disableOOMKiller: false } }, [
    "memory.oom_control=0",
  ], []],
  ["a quota", { cpu: { quota: 50000, period: 100000 } }, [
    "cpu.cfs_period_us=100000",
    "cpu.cfs_quota_us=50000",
  ], ["cpu.max=50000 100000"]],
  ["a period alone", { cpu: { period: 20000 } }, ["cpu.cfs_period_us=20000"], [
    "cpu.max=max 20000",
  ]],
  ["a quota taken away", { cpu: { quota: -1 } }, ["cpu.cfs_quota_us=-1"], ["cpu.max=max"]],
  ["shares", { cpu: { shares: 1024 } }, ["cpu.shares=1024"], ["cpu.weight=39"]],
  ["a cpuset", { cpu: { cpus: "0-1", mems: "0" } }, ["cpuset.cpus=0-1", "cpuset.mems=0"], [
    "cpuset.cpus=0-1",
    "cpuset.mems=0",
  ]],
  ["pids", { pids: { limit: 10 } }, ["pids.max=10"], ["pids.max=10"]],
  ["no pids limit", { pids: { limit: 0 } }, ["pids.max=max"], ["pids.max=max"]],
  ["weights", {
    blockIO: { weight: 500, weightDevice: [{ major: 8, minor: 0, weight: 10 }] },
  }, [
    "blkio.bfq.weight=500|blkio.weight=500",
    "blkio.bfq.weight_device=8:0 10|blkio.weight_device=8:0 10",
  ], ["io.bfq.weight=500|io.weight=4950", "io.bfq.weight=8:0 10|io.weight=8:0 1"]],
  [
    "a device's weight taken back",
    {
      blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 0 }] },
    },
    ["blkio.bfq.weight_device=8:0 default|blkio.weight_device=8:0 0"],
    [
      "io.bfq.weight=8:0 default|io.weight=8:0 default",
    ],
  ],
  ["throttles", {
    blockIO: {
      throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1048576 }],
      throttleWriteIOPSDevice: [
        { major: 8, minor: 16, rate: 100 },
        { major: 7, minor: 0, rate: 0 },
      ],
    },
  }, [
    "blkio.throttle.read_bps_device=8:0 1048576",
    "blkio.throttle.write_iops_device=8:16 100",
    "blkio.throttle.write_iops_device=7:0 0",
  ], ["io.max=8:0 rbps=1048576", "io.max=8:16 wiops=100", "io.max=7:0 wiops=max"]],
  ["huge pages", { hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }] }, [
    "hugetlb.2MB.limit_in_bytes=4194304",
    "hugetlb.2MB.rsvd.limit_in_bytes=4194304",
  ], ["hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"]],
  ["network", { network: { classID: 7, priorities: [{ name: "lo", priority: 3 }] } }, [
    "net_cls.classid=7",
    "net_prio.ifpriomap=lo 3",
  ], ["", ""]],
  ["rdma", { rdma: { mlx5_0: { hcaHandles: 3 } } }, [
    "rdma.max=mlx5_0 hca_handle=3 hca_object=max",
  ], ["rdma.max=mlx5_0 hca_handle=3 hca_object=max"]],
];
for (const [name, resources, v1, v2] of CASES) {
  Deno.test(`plannedWrites() writes ${name} on v1`, () => assertEquals(written(resources, 1), v1));
  Deno.test(`plannedWrites() writes ${name} on v2`, () => assertEquals(written(resources, 2), v2));
}

const BAD: [name: string, resources: Resources, message: string][] = [
  ["swap without memory", { memory: { swap: 100 } }, "You should always set the Memory limit"],
  [
    "swap below memory",
    { memory: { limit: 200, swap: 100 } },
    "Minimum memoryswap limit should be larger than memory limit, see usage",
  ],
  ["a page size that is a path", { hugepageLimits: [{ pageSize: "../x", limit: 1 }] }, '"../x"'],
];
for (const [name, resources, message] of BAD) {
  Deno.test(`plannedWrites() refuses ${name} on v2`, () => {
    assertThrows(() => plannedWrites(resources, 2), UserError, message);
  });
}

const WEIGHTS: [shares: number, weight: number][] = [[2, 1], [1024, 39], [262144, 10000], [0, 1]];
for (const [shares, weight] of WEIGHTS) {
  Deno.test(`cpuWeight() turns ${shares} shares into ${weight}`, () => {
    assertEquals(cpuWeight(shares), weight);
  });
}

Deno.test("ioWeight() spans the range of io.weight", () => {
  assertEquals([ioWeight(10), ioWeight(1000)], [1, 10000]);
});

Deno.test("every limit says what it does, and what is missing where it can be", () => {
  for (const { field, does, v1, v2, missing } of LIMITS) {
    assertEquals([does.endsWith("."), v1.length + v2.length > 0], [true, true], field);
    if (v1.length === 0 || v2.length === 0) assertEquals(typeof missing, "string", field);
  }
});
