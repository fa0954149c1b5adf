/** Limits of HostConfig in OCI's words: memory, CPU, pids, block I/O, devices. */
import type { DeviceNumbers } from "../../ffi/device_number.ts";
import type {
  BlockIoResources,
  CpuResources,
  DeviceRule,
  MemoryResources,
  Resources,
  ThrottleRate,
} from "../runtime/spec_types.ts";
import { UserError } from "../base/errors.ts";
import { ALLOWED_DEVICES } from "../runtime/cgroup_devices.ts";
import type { HostDevice } from "./bundle_context.ts";
import type { HostConfig, ThrottleDevice } from "./types.ts";

/** docker's period for `--cpus`: 100 ms. */
const CPU_PERIOD_MICROS = 100_000;

/** The members that have a value; undefined where none has. */
function present<T extends object>(members: T): T | undefined {
  const kept = Object.entries(members).filter(([, value]) =>
    value !== undefined && !(Array.isArray(value) && value.length === 0)
  );
  return kept.length > 0 ? Object.fromEntries(kept) as T : undefined;
}

/** 0 is "not given" in all numbers of HostConfig. */
const given = (value: number) => value === 0 ? undefined : value;

/**
 * All limits of a container. `devices` are those it is given, `numbers` those of the block
 * devices that throttles name.
 */
export function bundleResources(
  host: HostConfig,
  devices: readonly HostDevice[],
  numbers: Readonly<Record<string, DeviceNumbers>>,
): Resources {
  const pids = host.PidsLimit !== null && host.PidsLimit > 0
    ? { limit: host.PidsLimit }
    : undefined;
  return present({
    devices: deviceRules(host, devices),
    memory: memoryResources(host),
    cpu: cpuResources(host),
    pids,
    blockIO: blockIoResources(host, numbers),
  }) ?? {};
}

/** The memory limits; also what `update` changes. */
export function memoryResources(host: HostConfig): MemoryResources | undefined {
  return present({
    limit: given(host.Memory),
    reservation: given(host.MemoryReservation),
    swap: given(host.MemorySwap),
    swappiness: host.MemorySwappiness ?? undefined,
    disableOOMKiller: host.OomKillDisable || undefined,
  });
}

/** The CPU limits; `--cpus` becomes a quota of 100 ms periods. */
export function cpuResources(host: HostConfig): CpuResources | undefined {
  const quota = Math.round(host.NanoCpus * CPU_PERIOD_MICROS / 1e9);
  return present({
    shares: given(host.CpuShares),
    quota: given(quota) ?? given(host.CpuQuota),
    period: quota > 0 ? CPU_PERIOD_MICROS : given(host.CpuPeriod),
    realtimeRuntime: given(host.CpuRealtimeRuntime),
    realtimePeriod: given(host.CpuRealtimePeriod),
    cpus: host.CpusetCpus || undefined,
    mems: host.CpusetMems || undefined,
  });
}

/** The block I/O limits. Throws UserError for a device whose numbers are not known. */
export function blockIoResources(
  host: HostConfig,
  numbers: Readonly<Record<string, DeviceNumbers>>,
): BlockIoResources | undefined {
  const find = (path: string): DeviceNumbers => {
    if (Object.hasOwn(numbers, path)) return numbers[path];
    throw new UserError(`Cannot limit "${path}": it is no block device of this host`);
  };
  const rates = (devices: readonly ThrottleDevice[]): ThrottleRate[] =>
    devices.map(({ Path, Rate }) => ({ ...find(Path), rate: Rate }));
  return present({
    weight: given(host.BlkioWeight),
    weightDevice: host.BlkioWeightDevice.map(({ Path, Weight }) => ({
      ...find(Path),
      weight: Weight,
    })),
    throttleReadBpsDevice: rates(host.BlkioDeviceReadBps),
    throttleWriteBpsDevice: rates(host.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: rates(host.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: rates(host.BlkioDeviceWriteIOps),
  });
}

/**
 * The device rules in the order in which they are applied: nothing, making nodes (they are
 * useless without the right to open them), the default devices, the user's. With --privileged
 * everything.
 */
export function deviceRules(host: HostConfig, devices: readonly HostDevice[]): DeviceRule[] {
  if (host.Privileged) return [{ allow: true, access: "rwm" }];
  return [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", access: "m" },
    { allow: true, type: "b", access: "m" },
    ...ALLOWED_DEVICES.map(([major, minor]) => ({
      allow: true,
      type: "c",
      major,
      ...(minor !== undefined && { minor }),
      access: "rwm",
    })),
    ...devices.map(({ type, major, minor, access }) => ({
      allow: true,
      type: type === "u" ? "c" : type,
      major,
      minor,
      access,
    })),
    ...(host.DeviceCgroupRules ?? []).map(parseDeviceRule),
  ];
}

/** "c 42:* rmw" as a rule. Throws UserError with docker's text. */
export function parseDeviceRule(text: string): DeviceRule {
  const match = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(text);
  if (match === null) throw new UserError(`invalid device cgroup rule format: '${text}'`);
  const [, type, major, minor, access] = match;
  return {
    allow: true,
    ...(type !== "a" && { type }),
    ...(major !== "*" && { major: Number(major) }),
    ...(minor !== "*" && { minor: Number(minor) }),
    access,
  };
}
