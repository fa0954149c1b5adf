/** OCI's `update`: other limits for a container that runs. */
import { UserError } from "../base/errors.ts";
import { updateCgroup } from "./cgroup.ts";
import { cgroupOf, isAlive, type OciStore } from "./oci_state.ts";
import type { Resources } from "./spec_types.ts";

type Group = Readonly<Record<string, unknown>>;

/** `group` without the fields that say nothing. */
function given<T extends object>(group: T | undefined): T {
  return Object.fromEntries(
    Object.entries(group ?? {}).filter(([, value]) => value !== undefined),
  ) as T;
}

/**
 * What is written when `change` is asked of a container with `before`: groups that the change
 * touches, whole, because pairs (memory and swap, quota and period) are one value on cgroup v2.
 */
export function changedResources(before: Resources, change: Resources): Resources {
  const groups: Record<string, Group> = {};
  for (const [name, group] of Object.entries(change) as [keyof Resources, unknown][]) {
    if (name === "devices" || group === undefined) continue;
    if (Array.isArray(group)) {
      if (group.length > 0) groups[name] = group as unknown as Group;
      continue;
    }
    const fields = given(group as Group);
    if (Object.keys(fields).length === 0) continue;
    groups[name] = { ...given(before[name] as Group | undefined), ...fields };
  }
  return groups as Resources;
}

/**
 * Writes the limits that `change` has and keeps them with the container. Throws UserError where the
 * container does not run, or the kernel refuses a value.
 */
export async function updateContainer(
  store: OciStore,
  id: string,
  change: Resources,
  warn: (text: string) => void,
): Promise<void> {
  const record = store.read(id);
  if (!isAlive(record)) throw new UserError("container not running");
  const cgroup = cgroupOf(record);
  if (cgroup === undefined) throw new UserError(`Cannot update container ${id}: it has no cgroup`);
  const spec = store.config(id);
  const resources = changedResources(spec.linux?.resources ?? {}, change);
  (await updateCgroup(cgroup, resources)).forEach((warning) => warn(warning));
  spec.linux = { ...spec.linux, resources: { ...spec.linux?.resources, ...resources } };
  store.writeConfig(id, JSON.stringify(spec));
}
