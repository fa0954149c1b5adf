/**
 * Monitors, proxies and health checks outlive the command that starts them, and so they must outlive
 * the unit of systemd that the command is run by: when that ends, systemd ends what is left in its
 * cgroup. They go to a cgroup of their own beside the containers'. (systemd.kill(5))
 */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { EEXIST } from "../../ffi/errno.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { setApart } from "../../ffi/spawn.ts";
import { readIfThere } from "../base/files.ts";
import { defaultParent } from "./cgroup.ts";
import { isWritable, makeDirectory, openControl, writeControl } from "./cgroup_files.ts";
import {
  cgroupDirectory,
  cgroupLayout,
  type Hierarchy,
  type OwnCgroup,
  parseOwnCgroups,
} from "./cgroup_layout.ts";

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
  // By these hierarchies systemd knows what belongs to a unit; in a hybrid there are both.
  const isUnit = ({ controllers: [name = ""], path }: OwnCgroup) =>
    /^(name=systemd)?$/.test(name) && path !== "/" && !path.endsWith(`/${NAME}`);
  const units = parseOwnCgroups(readIfThere("/proc/self/cgroup") ?? "").filter(isUnit);
  if (units.length === 0) return [];
  const versions = units.map(({ controllers }) => controllers.length === 0 ? 2 : 1);
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
  // Root's may be there already, and be nobody else's.
  const place = `${parent}/${NAME}`;
  return isWritable(`${place}/cgroup.procs`) ? place : undefined;
}
