/** What a new cgroup of version 1 needs before it can be entered. */
import { EPERM, errnoText } from "../../ffi/errno.ts";
import { UserError } from "../base/errors.ts";
import { deviceLines } from "./cgroup_devices.ts";
import { openControl, readControl, writeControl, writeTo } from "./cgroup_files.ts";
import type { DeviceRule } from "./spec_types.ts";

/**
 * Gives a cpuset that has no CPUs or no memory nodes those of its parent, and its parent first:
 * nothing can enter an empty one. cgroup.clone_children makes cgroups below come filled.
 */
export function fillCpuset(directory: string, mountPoint: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const text = readControl(`${directory}/${file}`)?.trim();
    if (text !== "" || directory === mountPoint) continue;
    const parent = directory.slice(0, directory.lastIndexOf("/"));
    fillCpuset(parent, mountPoint);
    const inherited = readControl(`${parent}/${file}`)?.trim() ?? "";
    const result = writeControl(`${directory}/${file}`, inherited);
    if (result < 0) {
      throw new UserError(
        `Cannot prepare cgroup "${directory}": write "${inherited}" to ${file}: ` +
          errnoText(-result),
      );
    }
    writeControl(`${directory}/cgroup.clone_children`, "1");
  }
}

/**
 * Applies the device rules to a new cgroup, which allows what its parent allows. A device that the
 * parent does not have becomes a warning. Throws UserError where a rule cannot be set.
 */
export function setDevicesV1(
  directory: string | undefined,
  rules: readonly DeviceRule[],
  warnings: string[],
): void {
  // "Everything is allowed" is how a new cgroup starts.
  const first = rules[0]?.allow && deviceLines(rules[0])[0] === "a" ? 1 : 0;
  if (rules.length === first) return;
  if (directory === undefined) {
    warnings.push("Your kernel does not support cgroup devices. Device rules discarded.");
    return;
  }
  using denyFile = openControl(`${directory}/devices.deny`);
  using allowFile = openControl(`${directory}/devices.allow`);
  for (let i = first; i < rules.length; i++) {
    const { allow } = rules[i];
    for (const line of deviceLines(rules[i])) {
      const result = writeTo(allow ? allowFile : denyFile, line);
      if (result === -EPERM && allow) {
        warnings.push(`Cannot allow device "${line}": the parent cgroup does not. Rule discarded.`);
      } else if (result < 0) {
        throw new UserError(`Cannot set device rule "${line}": ${errnoText(-result)}`);
      }
    }
  }
}
