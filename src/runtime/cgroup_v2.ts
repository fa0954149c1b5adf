/** What a new cgroup of version 2 needs: controllers switched on above it, a device program. */
import { EBUSY, EPERM, errnoText, SyscallError } from "../../ffi/errno.ts";
import { isRootless } from "../base/places.ts";
import type { Cgroup } from "./cgroup.ts";
import { deviceList } from "./cgroup_devices.ts";
import { readControl, writeControl } from "./cgroup_files.ts";
import type { DeviceRule, Resources } from "./spec_types.ts";

/** What a container is given where the machine has it. cpuset, hugetlb … only if asked for. */
const USUAL = ["cpu", "io", "memory", "pids"];

/** The controllers that `resources` needs beyond the usual ones. */
function extraControllers({ cpu, hugepageLimits, rdma, unified }: Resources): string[] {
  const wanted = Object.keys(unified ?? {}).map((file) => file.slice(0, file.indexOf(".")));
  if (cpu?.cpus || cpu?.mems) wanted.push("cpuset");
  if (hugepageLimits?.length) wanted.push("hugetlb");
  if (Object.keys(rdma ?? {}).length > 0) wanted.push("rdma");
  return wanted.filter((name) => name !== "cgroup" && !USUAL.includes(name));
}

const words = (text: string | undefined): string[] =>
  (text ?? "").split(/\s+/).filter((word) => word !== "");

/**
 * Switches the controllers on in every cgroup from the mount down to the parent of `cgroup`. A level
 * that refuses (it has processes of its own, or is not ours) is a warning only where a limit was
 * asked for: the container runs without.
 */
export function enableControllers(
  mountPoint: string,
  cgroup: Cgroup,
  limits: Resources,
): string[] {
  const { directory } = cgroup.directories[0];
  const wanted = [...USUAL, ...extraControllers(limits)];
  const have = words(readControl(`${directory}/cgroup.controllers`));
  let missing = wanted.filter((name) => !have.includes(name));
  const parts = directory.slice(mountPoint.length + 1).split("/");
  for (let depth = 0; depth < parts.length && missing.length > 0; depth++) {
    const level = [mountPoint, ...parts.slice(0, depth)].join("/");
    const available = words(readControl(`${level}/cgroup.controllers`));
    missing = missing.filter((name) => available.includes(name));
    const enabled = words(readControl(`${level}/cgroup.subtree_control`));
    const refusal = enable(level, missing.filter((name) => !enabled.includes(name)));
    if (refusal !== undefined && Object.keys(limits).length > 0) return [refusal];
  }
  return [];
}

/** Enables all at once, else one by one. Returns why not, if one was refused. */
function enable(level: string, controllers: readonly string[]): string | undefined {
  if (controllers.length === 0) return undefined;
  const file = `${level}/cgroup.subtree_control`;
  if (writeControl(file, controllers.map((name) => `+${name}`).join(" ")) === 0) return undefined;
  let refusal: string | undefined;
  for (const name of controllers) {
    const result = writeControl(file, `+${name}`);
    if (result < 0) {
      const state = result === -EBUSY ? "it has processes of its own" : errnoText(-result);
      refusal ??= `Cannot enable controller ${name} in cgroup "${level}": ${state}.`;
    }
  }
  return refusal;
}

/** Applies the device rules. Without the right to load programs (rootless) it is a warning. */
export async function setDevicesV2(
  directory: string,
  rules: readonly DeviceRule[],
  warnings: string[],
): Promise<void> {
  const list = deviceList(rules);
  if (list.allowed && list.exceptions.length === 0) return;
  const { attachDeviceList } = await import("./cgroup_device_program.ts");
  try {
    attachDeviceList(directory, list);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EPERM) throw error;
    // An ordinary user cannot make device nodes, nor open what was closed to him before.
    if (!isRootless()) {
      warnings.push("Cannot load the device list of the cgroup: operation not permitted.");
    }
  }
}

/**
 * The uppermost cgroup on the way from the root to `own` that `writable` allows us to use: what
 * systemd delegated to a user. undefined where nothing was delegated.
 */
export function delegatedPath(
  own: string,
  writable: (path: string) => boolean,
): string | undefined {
  const parts = own.split("/").filter((part) => part !== "");
  for (let depth = 1; depth <= parts.length; depth++) {
    const path = `/${parts.slice(0, depth).join("/")}`;
    if (writable(path)) return path;
  }
  return undefined;
}
