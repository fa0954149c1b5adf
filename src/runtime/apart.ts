/**
 * Monitors, proxies and health checks outlive the command that starts them, and so they must outlive
 * the unit of systemd that the command is run by: when that ends, systemd ends what is left in its
 * cgroup. They go to a cgroup of their own beside the containers'. (systemd.kill(5))
 */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { EEXIST } from "../../ffi/errno.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { setApart } from "../../ffi/spawn.ts";
import { defaultParent } from "./cgroup.ts";
import { makeDirectory, openControl, writeControl } from "./cgroup_files.ts";
import { cgroupDirectory, cgroupLayout, type Hierarchy, parseOwnCgroups } from "./cgroup_layout.ts";

/** The name of the cgroup; containers' are named by 64 digits. */
const NAME = "monitors";

let places: string[] | undefined;

/**
 * Makes such processes go apart from now on, if this one is in a unit of systemd. Where that is not
 * allowed, or there is no such cgroup, they stay where this process is. Returns the directories.
 */
export function goApart(): readonly string[] {
  return places ??= findPlaces();
}

/** Takes a process along that was started before. Where it may not go, it stays. */
export function bringApart(pid: number): void {
  for (const directory of goApart()) writeControl(`${directory}/cgroup.procs`, String(pid));
}

function findPlaces(): string[] {
  const own = parseOwnCgroups(Deno.readTextFileSync("/proc/self/cgroup"));
  // By these hierarchies systemd knows what belongs to a unit; in a hybrid there are both.
  const path = (version: 1 | 2) =>
    own.find(({ controllers }) =>
      version === 2 ? controllers.length === 0 : controllers[0] === "name=systemd"
    )
      ?.path;
  const isUnit = (at: string | undefined) =>
    at !== undefined && at !== "/" && !at.endsWith(`/${NAME}`);
  const versions = ([1, 2] as const).filter((version) => isUnit(path(version)));
  if (versions.length === 0) return [];
  const found: string[] = [];
  const place: { tasks: Fd[]; into?: Fd } = { tasks: [] };
  for (const hierarchy of cgroupLayout().hierarchies) {
    const { version, controllers, root } = hierarchy;
    if (controllers.length > 0 || root !== "/" || !versions.includes(version)) continue;
    const directory = makePlace(hierarchy);
    if (directory === undefined) continue;
    found.push(directory);
    if (version === 1) place.tasks.push(openControl(`${directory}/tasks`));
    else place.into = openAt(null, directory, O_RDONLY | O_DIRECTORY);
  }
  setApart(place);
  return found;
}

/** The directory, made where it is missing; undefined where that is not allowed. */
function makePlace(hierarchy: Hierarchy): string | undefined {
  const parent = cgroupDirectory(hierarchy, defaultParent());
  for (const directory of [parent, `${parent}/${NAME}`]) {
    const result = makeDirectory(directory);
    if (result < 0 && result !== -EEXIST) return undefined;
  }
  return `${parent}/${NAME}`;
}
