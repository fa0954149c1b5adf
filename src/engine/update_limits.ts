/** What `update` makes of a container's limits, and what of that goes to a running one. Pure. */
import type { CpuResources, MemoryResources, Resources } from "../runtime/spec_types.ts";
import type { DeviceNumbers } from "../../ffi/device_number.ts";
import { blockIoResources, cpuResources, memoryResources } from "./bundle_resources.ts";
import type { HostConfig, ThrottleDevice, WeightDevice } from "./types.ts";

/** The limits that can be changed. What is absent, 0 or empty stays as it is. */
export type LimitChanges = Partial<
  Pick<
    HostConfig,
    | "BlkioDeviceReadBps"
    | "BlkioDeviceReadIOps"
    | "BlkioDeviceWriteBps"
    | "BlkioDeviceWriteIOps"
    | "BlkioWeight"
    | "BlkioWeightDevice"
    | "CpuPeriod"
    | "CpuQuota"
    | "CpuRealtimePeriod"
    | "CpuRealtimeRuntime"
    | "CpuShares"
    | "CpusetCpus"
    | "CpusetMems"
    | "DeviceCgroupRules"
    | "Memory"
    | "MemoryReservation"
    | "MemorySwap"
    | "MemorySwappiness"
    | "NanoCpus"
    | "OomKillDisable"
    | "OomScoreAdj"
    | "PidsLimit"
    | "ShmSize"
    | "Ulimits"
  >
>;

/** Lists of devices, of which a change replaces those that it names. */
const DEVICE_LISTS = [
  "BlkioWeightDevice",
  "BlkioDeviceReadBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceWriteIOps",
] as const;

type DeviceEntry = Partial<WeightDevice & ThrottleDevice> & { readonly Path: string };

/** Fields of which 0 or false is a value; they are absent where they are not to change. */
const ZERO_COUNTS: ReadonlySet<string> = new Set([
  "MemorySwappiness",
  "OomKillDisable",
  "OomScoreAdj",
  "PidsLimit",
]);

/** Without what is to stay: absent, 0 (docker's way to say "leave it") and empty. */
export function realChanges(limits: LimitChanges): LimitChanges {
  return Object.fromEntries(
    Object.entries(limits).filter(([name, value]) =>
      ZERO_COUNTS.has(name)
        ? value !== undefined && value !== null
        : Array.isArray(value)
        ? value.length > 0
        : Boolean(value)
    ),
  );
}

/** `now` with no limits but those that change: what is wrong with them is wrong in any case. */
export function onlyLimits(now: HostConfig, limits: LimitChanges): HostConfig {
  const none = Object.fromEntries(
    Object.entries(now).map(([name, value]) => [name, typeof value === "number" ? 0 : value]),
  ) as unknown as HostConfig;
  // A swap limit is one of memory and swap together.
  const swap = limits.Memory === undefined ? { MemorySwap: 0 } : {};
  return { ...none, CpusetCpus: "", CpusetMems: "", MemorySwappiness: null, ...limits, ...swap };
}

/** What docker refuses of a change, in its words and its order; undefined: nothing. */
export function limitConflict(now: HostConfig, limits: LimitChanges): string | undefined {
  const { NanoCpus = 0, CpuPeriod = 0, CpuQuota = 0, Memory = 0, MemorySwap = 0 } = limits;
  const conflict = "Conflicting options:";
  if (NanoCpus > 0 && now.CpuPeriod > 0) {
    return `${conflict} Nano CPUs cannot be updated as CPU Period has already been set`;
  }
  if (NanoCpus > 0 && now.CpuQuota > 0) {
    return `${conflict} Nano CPUs cannot be updated as CPU Quota has already been set`;
  }
  if (CpuPeriod > 0 && now.NanoCpus > 0) {
    return `${conflict} CPU Period cannot be updated as NanoCPUs has already been set`;
  }
  if (CpuQuota > 0 && now.NanoCpus > 0) {
    return `${conflict} CPU Quota cannot be updated as NanoCPUs has already been set`;
  }
  if (limits.DeviceCgroupRules?.length && now.Privileged) {
    return "a privileged container may use every device, there is no rule to add";
  }
  if (limits.ShmSize && !["", "private", "shareable"].includes(now.IpcMode)) {
    return `the container has no /dev/shm of its own (--ipc ${now.IpcMode})`;
  }
  if (Memory > 0 && now.MemorySwap > 0 && Memory > now.MemorySwap && MemorySwap === 0) {
    return "Memory limit should be smaller than already set memoryswap limit, " +
      "update the memoryswap at the same time";
  }
  return undefined;
}

/** The settings after a change. A rate or weight of 0 takes a device out of its list. */
export function changedConfig(now: HostConfig, limits: LimitChanges): HostConfig {
  const next: HostConfig = { ...now, ...limits };
  for (const name of DEVICE_LISTS) {
    const changes: readonly DeviceEntry[] | undefined = limits[name];
    if (changes === undefined) continue;
    const named = new Set(changes.map(({ Path }) => Path));
    const before: readonly DeviceEntry[] = now[name];
    const kept = before.filter(({ Path }) => !named.has(Path));
    const isLimit = ({ Rate, Weight }: DeviceEntry) => (Rate ?? Weight) !== 0;
    Object.assign(next, { [name]: [...kept, ...changes.filter(isLimit)] });
  }
  if (limits.Ulimits) {
    const named = new Set(limits.Ulimits.map(({ Name }) => Name));
    next.Ulimits = [...now.Ulimits.filter(({ Name }) => !named.has(Name)), ...limits.Ulimits];
  }
  if (limits.DeviceCgroupRules) {
    next.DeviceCgroupRules = [...(now.DeviceCgroupRules ?? []), ...limits.DeviceCgroupRules];
  }
  return next;
}

/**
 * What has to be written to a running container's cgroup: the limits that change, and those which
 * the kernel or the conversion between cgroup versions sees together with them. `numbers` are
 * those of the devices that `limits` names.
 */
export function liveResources(
  limits: LimitChanges,
  next: HostConfig,
  numbers: Readonly<Record<string, DeviceNumbers>>,
): Resources {
  const has = (...names: (keyof LimitChanges)[]) => names.some((name) => name in limits);
  const memory = memoryResources(next) ?? {}, cpu = cpuResources(next) ?? {};
  const newMemory: MemoryResources = {
    ...(has("Memory", "MemorySwap") && { limit: memory.limit, swap: memory.swap }),
    // v2 would kill to get below a limit that v1 refuses.
    ...(has("Memory") && { checkBeforeUpdate: true }),
    ...(has("MemoryReservation") && { reservation: memory.reservation }),
    ...(has("MemorySwappiness") && { swappiness: memory.swappiness }),
    ...(has("OomKillDisable") && { disableOOMKiller: next.OomKillDisable === true }),
  };
  const newCpu: CpuResources = {
    ...(has("CpuShares") && { shares: cpu.shares }),
    ...(has("NanoCpus", "CpuQuota", "CpuPeriod") && { quota: cpu.quota, period: cpu.period }),
    ...(has("CpuRealtimeRuntime") && { realtimeRuntime: cpu.realtimeRuntime }),
    ...(has("CpuRealtimePeriod") && { realtimePeriod: cpu.realtimePeriod }),
    ...(has("CpusetCpus") && { cpus: cpu.cpus }),
    ...(has("CpusetMems") && { mems: cpu.mems }),
  };
  const blockIO = blockIoResources(onlyChanged(limits, next), numbers);
  return {
    ...(Object.keys(newMemory).length > 0 && { memory: newMemory }),
    ...(Object.keys(newCpu).length > 0 && { cpu: newCpu }),
    ...(has("PidsLimit") && { pids: { limit: next.PidsLimit || -1 } }),
    ...(blockIO !== undefined && { blockIO }),
  };
}

/** The settings with those block I/O limits alone that change; 0 is written as well. */
export function onlyChanged(limits: LimitChanges, next: HostConfig): HostConfig {
  const lists = Object.fromEntries(DEVICE_LISTS.map((name) => [name, limits[name] ?? []]));
  return { ...next, BlkioWeight: limits.BlkioWeight ?? 0, ...lists };
}
