import { assertEquals } from "@std/assert";
import { emptyHostConfig } from "../../../src/engine/host_config.ts";
import type { HostConfig } from "../../../src/engine/types.ts";
import {
  changedConfig,
  type LimitChanges,
  limitConflict,
  liveResources,
  onlyLimits,
  realChanges,
} from "../../../src/engine/update_limits.ts";
import type { Resources } from "../../../src/runtime/spec_types.ts";

const MIB = 1 << 20;
const host = (set: Partial<HostConfig> = {}): HostConfig => ({ ...emptyHostConfig(), ...set });

Deno.test("realChanges() leaves out what is to stay", () => {
  const limits: LimitChanges = {
    Memory: 0,
    CpuShares: undefined,
    CpusetCpus: "",
    BlkioDeviceReadBps: [],
    PidsLimit: 0,
    MemorySwappiness: 0,
    OomKillDisable: false,
    CpuQuota: 5000,
  };
  assertEquals(realChanges(limits), {
    PidsLimit: 0,
    MemorySwappiness: 0,
    OomKillDisable: false,
    CpuQuota: 5000,
  });
});

const CONFLICTS: [now: Partial<HostConfig>, change: LimitChanges, want: string | undefined][] = [
  [{}, { NanoCpus: 1e9 }, undefined],
  [
    { CpuPeriod: 1000 },
    { NanoCpus: 1e9 },
    "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
  ],
  [
    { CpuQuota: 1000 },
    { NanoCpus: 1e9 },
    "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
  ],
  [
    { NanoCpus: 1e9 },
    { CpuPeriod: 1000 },
    "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
  ],
  [
    { NanoCpus: 1e9 },
    { CpuQuota: 1000 },
    "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
  ],
  [
    { Memory: 64 * MIB, MemorySwap: 128 * MIB },
    { Memory: 256 * MIB },
    "Memory limit should be smaller than already set memoryswap limit, " +
    "update the memoryswap at the same time",
  ],
  [{ MemorySwap: 128 * MIB }, { Memory: 256 * MIB, MemorySwap: 512 * MIB }, undefined],
  [{ MemorySwap: -1 }, { Memory: 256 * MIB }, undefined],
  [{ IpcMode: "private" }, { ShmSize: MIB }, undefined],
  [
    { IpcMode: "container:x" },
    { ShmSize: MIB },
    "the container has no /dev/shm of its own (--ipc container:x)",
  ],
  [
    { Privileged: true },
    { DeviceCgroupRules: ["c 1:1 r"] },
    "a privileged container may use every device, there is no rule to add",
  ],
];
for (const [now, change, want] of CONFLICTS) {
  Deno.test(`limitConflict() of ${JSON.stringify(change)} with ${JSON.stringify(now)}`, () => {
    assertEquals(limitConflict(host(now), change), want);
  });
}

Deno.test("onlyLimits() has nothing of before that could be at odds with a change", () => {
  const now = host({ Memory: 64 * MIB, MemorySwap: 128 * MIB, CpusetCpus: "1", CpuPeriod: 1000 });
  const { Memory, MemorySwap, CpusetCpus, CpuPeriod, CpuQuota } = onlyLimits(now, {
    MemorySwap: 32 * MIB,
    CpuQuota: 5000,
  });
  assertEquals([Memory, MemorySwap, CpusetCpus, CpuPeriod, CpuQuota], [0, 0, "", 0, 5000]);
});

Deno.test("changedConfig() replaces rates by device, and 0 takes one away", () => {
  const now = host({
    BlkioDeviceReadBps: [{ Path: "/dev/a", Rate: 1 }, { Path: "/dev/b", Rate: 2 }],
    BlkioWeightDevice: [{ Path: "/dev/a", Weight: 10 }],
    DeviceCgroupRules: ["c 1:1 r"],
    Ulimits: [{ Name: "nofile", Soft: 1, Hard: 1 }, { Name: "core", Soft: 0, Hard: 0 }],
  });
  const next = changedConfig(now, {
    BlkioDeviceReadBps: [{ Path: "/dev/a", Rate: 0 }, { Path: "/dev/c", Rate: 3 }],
    BlkioWeightDevice: [{ Path: "/dev/a", Weight: 20 }],
    DeviceCgroupRules: ["b 7:* rw"],
    CpuShares: 5,
    Ulimits: [{ Name: "nofile", Soft: 2, Hard: 3 }],
  });
  assertEquals(next.Ulimits, [
    { Name: "core", Soft: 0, Hard: 0 },
    { Name: "nofile", Soft: 2, Hard: 3 },
  ]);
  assertEquals(next.BlkioDeviceReadBps, [{ Path: "/dev/b", Rate: 2 }, { Path: "/dev/c", Rate: 3 }]);
  assertEquals(next.BlkioWeightDevice, [{ Path: "/dev/a", Weight: 20 }]);
  assertEquals(next.DeviceCgroupRules, ["c 1:1 r", "b 7:* rw"]);
  assertEquals(next.CpuShares, 5);
});

const BOTH = { Memory: 64 * MIB, MemorySwap: 128 * MIB };
const LIVE: [name: string, now: Partial<HostConfig>, change: LimitChanges, want: Resources][] = [
  ["nothing", BOTH, {}, {}],
  ["memory, with the swap that goes with it", BOTH, { Memory: 32 * MIB }, {
    memory: { limit: 32 * MIB, swap: 128 * MIB, checkBeforeUpdate: true },
  }],
  ["swap, with the memory that goes with it", BOTH, { MemorySwap: -1 }, {
    memory: { limit: 64 * MIB, swap: -1 },
  }],
  ["a period, with its quota", { CpuQuota: 5000 }, { CpuPeriod: 20000 }, {
    cpu: { quota: 5000, period: 20000 },
  }],
  ["--cpus", {}, { NanoCpus: 5e8 }, { cpu: { quota: 50000, period: 100000 } }],
  ["no pids limit", { PidsLimit: 5 }, { PidsLimit: 0 }, { pids: { limit: -1 } }],
  ["the OOM killer, which kills again", { OomKillDisable: true }, { OomKillDisable: false }, {
    memory: { disableOOMKiller: false },
  }],
  ["swappiness 0", {}, { MemorySwappiness: 0 }, { memory: { swappiness: 0 } }],
  [
    "the rate that changes alone",
    { BlkioWeight: 10, BlkioDeviceWriteBps: [{ Path: "/dev/b", Rate: 2 }] },
    { BlkioDeviceWriteBps: [{ Path: "/dev/a", Rate: 0 }] },
    { blockIO: { throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 0 }] } },
  ],
];
for (const [name, now, change, want] of LIVE) {
  Deno.test(`liveResources() of ${name}`, () => {
    const next = changedConfig(host(now), change);
    assertEquals(liveResources(change, next, { "/dev/a": { major: 8, minor: 0 } }), want);
  });
}
