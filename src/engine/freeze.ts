/** Whether a container's cgroup is frozen, read from the hierarchy that can tell. */
import { readIfThere } from "../base/files.ts";
import { type Cgroup, directoryOf, openCgroup } from "../runtime/cgroup_place.ts";

/** v1 has a freezer hierarchy, v2 a file in every group. */
export function isFrozen(path: string): boolean {
  const cgroup = openCgroup(path);
  if (cgroup.version === 2) {
    const directory = directoryOf(cgroup, "");
    return readIfThere(`${directory}/cgroup.freeze`)?.trim() === "1";
  }
  const directory = directoryOf(cgroup, "freezer");
  if (directory === undefined) return false;
  return readIfThere(`${directory}/freezer.state`)?.startsWith("FR") === true;
}

/** Whether the cgroup can be frozen at all. An ordinary user's container may have none. */
export function hasFreezer(cgroup: Cgroup): boolean {
  return directoryOf(cgroup, "freezer") !== undefined;
}
