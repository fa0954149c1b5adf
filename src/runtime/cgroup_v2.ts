/** What a new cgroup of version 2 needs: controllers switched on above it, a device program. */
import { EBUSY, EPERM, errnoText, SyscallError } from "../../ffi/errno.ts";
import { isRootless } from "../base/places.ts";
import type { Cgroup } from "./cgroup_place.ts";
import { deviceList } from "./cgroup_devices.ts";
import { readControl, writeControl } from "./cgroup_files.ts";
import type { DeviceRule, Resources } from "./spec_types.ts";

/** What a container is given where the machine has it. cpuset, hugetlb … only if asked for. */
const USUAL = ["cpu", "io", "memory", "pids"];

/** The controllers that `resources` needs. */
function neededControllers(resources: Resources): Set<string> {
  const { cpu = {}, memory, pids, blockIO, hugepageLimits, rdma, unified } = resources;
  const { cpus, mems, ...time } = cpu ?? {};
  const given = (group: object | null | undefined) => Object.keys(group ?? {}).length > 0;
  const wanted = Object.keys(unified ?? {}).map((file) => file.slice(0, file.indexOf(".")));
  if (given(time)) wanted.push("cpu");
  if (cpus || mems) wanted.push("cpuset");
  if (given(memory)) wanted.push("memory");
  if (given(pids)) wanted.push("pids");
  if (given(blockIO)) wanted.push("io");
  if (hugepageLimits?.length) wanted.push("hugetlb");
  if (given(rdma)) wanted.push("rdma");
  return new Set(wanted.filter((name) => name !== "cgroup"));
}

const words = (text: string | undefined): string[] =>
  (text ?? "").split(/\s+/).filter((word) => word !== "");

function wantedControllers(needed: ReadonlySet<string>): string[] {
  return [...new Set([...USUAL, ...needed])];
}

/** The cgroups from the mount down to the parent of `directory`. */
function levelsAbove(mountPoint: string, directory: string): string[] {
  const parts = directory.slice(mountPoint.length + 1).split("/");
  return parts.map((_, depth) => [mountPoint, ...parts.slice(0, depth)].join("/"));
}

/**
 * What `enableControllers` would write: files and texts, from the mount down. A cgroup that is yet
 * to be made has nothing switched on.
 */
export function plannedControllers(
  mountPoint: string,
  { directories: [{ directory }] }: Cgroup,
  limits: Resources,
): { path: string; text: string }[] {
  const available = words(readControl(`${mountPoint}/cgroup.controllers`));
  const wanted = wantedControllers(neededControllers(limits))
    .filter((name) => available.includes(name));
  return levelsAbove(mountPoint, directory).flatMap((level) => {
    const path = `${level}/cgroup.subtree_control`;
    const enabled = words(readControl(path));
    const names = wanted.filter((name) => !enabled.includes(name));
    return names.length === 0 ? [] : [{ path, text: names.map((name) => `+${name}`).join(" ") }];
  });
}

/**
 * Switches the controllers on in every cgroup from the mount down to the parent of `cgroup`. A level
 * that refuses one (it has processes of its own, or is not ours) is a warning only where a limit
 * needs it: the container runs without.
 */
export function enableControllers(
  mountPoint: string,
  cgroup: Cgroup,
  limits: Resources,
): string[] {
  const { directory } = cgroup.directories[0];
  const needed = neededControllers(limits);
  const have = words(readControl(`${directory}/cgroup.controllers`));
  let missing = wantedControllers(needed).filter((name) => !have.includes(name));
  const warnings: string[] = [];
  for (const level of levelsAbove(mountPoint, directory)) {
    if (missing.length === 0) break;
    const available = words(readControl(`${level}/cgroup.controllers`));
    missing = missing.filter((name) => available.includes(name));
    const enabled = words(readControl(`${level}/cgroup.subtree_control`));
    const refused = enable(level, missing.filter((name) => !enabled.includes(name)));
    missing = missing.filter((name) => !refused.has(name));
    for (const [name, why] of refused) if (needed.has(name)) warnings.push(why);
  }
  return warnings;
}

/** Enables all at once, else one by one. Returns those that were refused, and why. */
function enable(level: string, controllers: readonly string[]): Map<string, string> {
  const refused = new Map<string, string>();
  if (controllers.length === 0) return refused;
  const file = `${level}/cgroup.subtree_control`;
  if (writeControl(file, controllers.map((name) => `+${name}`).join(" ")) === 0) return refused;
  for (const name of controllers) {
    const result = writeControl(file, `+${name}`);
    if (result < 0) {
      const state = result === -EBUSY ? "it has processes of its own" : errnoText(-result);
      refused.set(name, `Cannot enable controller ${name} in cgroup "${level}": ${state}.`);
    }
  }
  return refused;
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
