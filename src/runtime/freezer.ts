/** The file of a cgroup by which its processes are stopped where they are, and what it says. */
import { readIfThere } from "../base/files.ts";
import { type Cgroup, directoryOf } from "./cgroup_place.ts";

/** Linux, Documentation/admin-guide: cgroup-v2.rst and cgroup-v1/freezer-subsystem.rst. */
export interface Freezer {
  readonly directory: string;
  /** Its name in each cgroup below, too. */
  readonly name: string;
  readonly file: string;
  readonly frozen: string;
  readonly thawed: string;
}

/**
 * v1 has a hierarchy for it, v2 a file in every group. Undefined: the cgroup cannot be frozen; an
 * ordinary user's container may have none.
 */
export function freezerOf(cgroup: Cgroup): Freezer | undefined {
  const directory = directoryOf(cgroup, "freezer");
  if (directory === undefined) return undefined;
  const [name, frozen, thawed] = cgroup.version === 2
    ? ["cgroup.freeze", "1", "0"]
    : ["freezer.state", "FROZEN", "THAWED"];
  return { directory, name, file: `${directory}/${name}`, frozen, thawed };
}

/** Whether the cgroup was frozen last; v1 says "FREEZING" until all its processes stand. */
export function isFrozen(cgroup: Cgroup): boolean {
  const freezer = freezerOf(cgroup);
  if (freezer === undefined) return false;
  const state = readIfThere(freezer.file)?.trim();
  return state !== undefined && state !== freezer.thawed;
}
