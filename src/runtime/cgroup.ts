/**
 * The container's cgroup: made before its first process, entered by that process itself before it
 * runs anything, removed at the end. What only some commands need is loaded by them: limits
 * (cgroup_limits.ts), freezing and killing (cgroup_processes.ts), figures (cgroup_stats.ts).
 */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import {
  EACCES,
  EBUSY,
  EEXIST,
  ENOENT,
  EPERM,
  EROFS,
  errnoText,
  SyscallError,
} from "../../ffi/errno.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { isRootless } from "../base/places.ts";
import {
  isWritable,
  makeDirectory,
  openControl,
  removeDirectory,
  throwIf,
} from "./cgroup_files.ts";
import {
  cgroupDirectory,
  cgroupLayout,
  type Hierarchy,
  hierarchyOf,
  normalizeCgroupPath,
  parseOwnCgroups,
  slicePath,
} from "./cgroup_layout.ts";
import { fillCpuset, setDevicesV1 } from "./cgroup_v1.ts";
import { delegatedPath, enableControllers, setDevicesV2 } from "./cgroup_v2.ts";
import { type Cgroup, type CgroupDirectory, directoryOf, isMade, placeIn } from "./cgroup_place.ts";
import type { WrittenFiles } from "./cgroup_undo.ts";
import type { DeviceRule, Resources } from "./spec_types.ts";

/** A cgroup that was just made, and what the user should know. */
export interface CreatedCgroup {
  readonly cgroup: Cgroup;
  readonly warnings: readonly string[];
}

/** Errors of mkdir that mean: not ours to use. The container runs without. */
const NOT_OURS = [-EACCES, -EPERM, -EROFS];

/**
 * Makes the cgroup `path` with the limits of `resources` in every hierarchy of this machine. What
 * this machine lacks, or does not let us use, becomes a warning. Throws UserError for values the
 * kernel refuses and for a cgroup that has processes already; then nothing is left behind.
 */
export async function createCgroup(path: string, resources: Resources): Promise<CreatedCgroup> {
  const normal = normalizeCgroupPath(path);
  if (normal === "/") throw new UserError(`Cannot use cgroup path "${path}": it is the root`);
  const { version, hierarchies } = cgroupLayout();
  const directories: CgroupDirectory[] = [];
  const made: string[] = [];
  const cgroup: Cgroup = { path: normal, version, directories };
  try {
    const refused = await makeDirectories(cgroup, directories, made);
    if (directories.length === 0) {
      const lost = lostWithoutCgroups(resources);
      const warnings = lost === "" ? [] : [noCgroups(hierarchies.length, refused, lost)];
      return { cgroup: { ...cgroup, version: undefined }, warnings };
    }
    return { cgroup, warnings: await prepare(cgroup, resources) };
  } catch (error) {
    for (const directory of made) removeDirectory(directory);
    throw error;
  }
}

/** Fills `directories`, and `made` with the new ones. Returns how a hierarchy refused, or 0. */
async function makeDirectories(
  cgroup: Cgroup,
  directories: CgroupDirectory[],
  made: string[],
): Promise<number> {
  let refused = 0;
  for (const hierarchy of cgroupLayout().hierarchies) {
    const place = placeIn(hierarchy, cgroup.path);
    const result = makeCgroupDirectory(place, hierarchy);
    if (NOT_OURS.includes(result)) {
      refused = result;
      continue;
    }
    const again = result === -EEXIST ? await makeAnew(cgroup.path, place) : result;
    throwIf(again, "mkdir", `make cgroup "${place.directory}"`);
    directories.push(place);
    made.push(place.directory);
  }
  return refused;
}

/**
 * What is left out where there is no cgroup, or "". Rules of devices are not missed in a user
 * namespace: nobody in it opens a device that its user could not; elsewhere they are a wall.
 */
function lostWithoutCgroups({ devices = [], ...limits }: Resources): string {
  const forbids = ownUserNamespace() === undefined && devices.some(({ allow }) => !allow);
  if (!hasLimits(limits)) return forbids ? "Device rules" : "";
  return forbids ? "Limits and device rules" : "Limits";
}

function noCgroups(hierarchies: number, refused: number, lost: string): string {
  const state = hierarchies === 0 ? "none are mounted" : errnoText(-refused);
  return `Cannot use cgroups: ${state}. ${lost} discarded.`;
}

/** mkdir, with the parents where they are missing: 0, or the negative error number. */
function makeCgroupDirectory(place: CgroupDirectory, hierarchy: Hierarchy): number {
  const result = makeDirectory(place.directory);
  if (result !== -ENOENT) return result;
  const parts = place.directory.slice(hierarchy.mountPoint.length + 1).split("/");
  for (let depth = 1; depth < parts.length; depth++) {
    const parent = `${hierarchy.mountPoint}/${parts.slice(0, depth).join("/")}`;
    const made = makeDirectory(parent);
    if (made < 0 && made !== -EEXIST) return made;
    if (place.controllers.includes("cpuset")) fillCpuset(parent, hierarchy.mountPoint);
  }
  return makeDirectory(place.directory);
}

/**
 * Makes a cgroup that is there already. With processes in it, it belongs to somebody whose limits
 * would change; without, it was left behind, and its limits with it.
 */
async function makeAnew(path: string, place: CgroupDirectory): Promise<number> {
  const { pidsBelow, removeSubtrees } = await import("./cgroup_processes.ts");
  const pids = pidsBelow(place.directory);
  if (pids.length > 0) {
    throw new UserError(
      `Cannot use cgroup "${path}": it has ${pids.length} processes (${pids[0]} …)`,
    );
  }
  removeSubtrees([place.directory]);
  return makeDirectory(place.directory);
}

/** Makes a new cgroup ready to be entered: controllers, cpuset, devices, limits. */
async function prepare(cgroup: Cgroup, resources: Resources): Promise<string[]> {
  const warnings: string[] = [];
  const { devices = [], ...limits } = resources;
  const layout = cgroupLayout();
  if (cgroup.version === 2) {
    warnings.push(...enableControllers(layout.hierarchies[0].mountPoint, cgroup, limits));
    await setDevicesV2(cgroup.directories[0].directory, devices, warnings);
  } else {
    const cpuset = directoryOf(cgroup, "cpuset");
    const mount = hierarchyOf(layout, "cpuset")?.mountPoint;
    if (cpuset !== undefined && mount !== undefined) fillCpuset(cpuset, mount);
    setDevicesV1(directoryOf(cgroup, "devices"), devices, warnings);
  }
  warnings.push(...await writeLimits(cgroup, limits));
  return warnings;
}

/**
 * Writes the limits that `resources` has; others stay as they are. `devices` is left alone. Returns
 * warnings; throws UserError for values the kernel refuses, and then nothing has changed.
 */
export async function updateCgroup(cgroup: Cgroup, resources: Resources): Promise<string[]> {
  if (cgroup.version === undefined) {
    return hasLimits(resources) ? ["The container has no cgroup. Limits discarded."] : [];
  }
  const { WrittenFiles } = await import("./cgroup_undo.ts");
  // A controller that nobody asked for before is not switched on yet.
  const refused = cgroup.version === 2
    ? enableControllers(cgroupLayout().hierarchies[0].mountPoint, cgroup, resources)
    : [];
  return [...refused, ...await writeLimits(cgroup, resources, new WrittenFiles())];
}

async function writeLimits(
  cgroup: Cgroup,
  resources: Resources,
  written?: WrittenFiles,
): Promise<string[]> {
  const { devices: _, ...limits } = resources;
  if (cgroup.version === undefined || !hasLimits(limits)) return [];
  const { setLimits } = await import("./cgroup_limits.ts");
  const place = (controller: string) => directoryOf(cgroup, controller);
  return setLimits(limits, cgroup.version, place, written);
}

/**
 * Lets a running container use more devices: `rules` is its whole list, of which `added` is new.
 * Returns warnings; throws UserError or SyscallError where the list cannot be set.
 */
export async function updateDevices(
  cgroup: Cgroup,
  rules: readonly DeviceRule[],
  added: readonly DeviceRule[],
): Promise<string[]> {
  const warnings: string[] = [];
  if (cgroup.version === 2) await setDevicesV2(cgroup.directories[0].directory, rules, warnings);
  else setDevicesV1(directoryOf(cgroup, "devices"), added, warnings);
  return warnings;
}

/** Whether there is anything to write: the table of limits is loaded only then. */
function hasLimits(limits: Resources): boolean {
  return Object.values(limits).some((group) =>
    group !== undefined && group !== null && Object.keys(group).length > 0
  );
}

/** How a process gets in. Dispose it when the child is cloned. */
export interface CgroupDoor extends Disposable {
  /**
   * v1: files to which the new process writes "0", one after the other, while it has one thread.
   * They are `tasks`, not `cgroup.procs`: moving a thread that is its whole process needs no
   * lock over all processes of the machine, which would cost 5 to 17 ms (measured).
   */
  readonly tasks: readonly Fd[];
  /** v2, also beside v1: for CLONE_INTO_CGROUP. */
  readonly into?: Fd;
}

/**
 * Opens the way into the cgroup; none where the container was made without one, as where all
 * hierarchies are read-only. Throws SyscallError, e.g. when the cgroup was removed meanwhile.
 */
export function openDoor(cgroup: Cgroup): CgroupDoor {
  try {
    return openDoors(cgroup);
  } catch (error) {
    const isAbsent = error instanceof SyscallError && error.errno === ENOENT;
    if (!isAbsent || cgroup.directories.some(isMade)) throw error;
    return { tasks: [], [Symbol.dispose]: () => {} };
  }
}

/** Where a process goes into a cgroup: files to write "0" to (v1), the directory to be born in (v2). */
export interface DoorPaths {
  readonly tasks: readonly string[];
  readonly into: string | undefined;
}

/** The way into the cgroup, by paths. Pure. */
export function doorPaths({ directories }: Cgroup): DoorPaths {
  return {
    tasks: directories.filter(({ version }) => version === 1)
      .map(({ directory }) => `${directory}/tasks`),
    into: directories.find(({ version }) => version === 2)?.directory,
  };
}

function openDoors(cgroup: Cgroup): CgroupDoor {
  using undo = new DisposableStack();
  const paths = doorPaths(cgroup);
  const tasks = paths.tasks.map((path) => undo.use(openControl(path)));
  const into = paths.into === undefined
    ? undefined
    : undo.use(openAt(null, paths.into, O_RDONLY | O_DIRECTORY));
  const owned = undo.move();
  return { tasks, into, [Symbol.dispose]: () => owned.dispose() };
}

/**
 * Removes the cgroup and those inside it. Processes that are still there are killed. Already gone
 * is success. Throws SyscallError where it cannot be emptied.
 */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  const left = cgroup.directories.filter(({ directory }) => removeDirectory(directory) < 0);
  if (left.length === 0) return;
  const { killCgroup, removeSubtrees } = await import("./cgroup_processes.ts");
  killCgroup(cgroup);
  const result = removeSubtrees(left.map(({ directory }) => directory));
  if (result < 0) {
    const hint = result === -EBUSY ? "processes that cannot be killed are in it" : undefined;
    throw new SyscallError("rmdir", -result, `remove cgroup "${cgroup.path}"`, hint);
  }
}

/**
 * Where a container's cgroup is; `parent` is --cgroup-parent: a path, or a slice of systemd by its
 * name. Without one: below /diplodock, for an ordinary user below what systemd delegated (v2).
 */
export function containerCgroupPath(id: string, parent = ""): string {
  const above = parent === "" ? defaultParent() : slicePath(parent) ?? parent;
  return normalizeCgroupPath(`${above}/${id}`);
}

/** Where containers' cgroups are unless the user says otherwise. */
export function defaultParent(): string {
  if (!isRootless() || cgroupLayout().version !== 2) return "/diplodock";
  return `${delegatedCgroup() ?? ""}/diplodock`;
}

/** The part of a v2 tree that was delegated to this user; undefined where none was, and on v1. */
export function delegatedCgroup(): string | undefined {
  const { version, hierarchies } = cgroupLayout();
  if (version !== 2) return undefined;
  const own = parseOwnCgroups(Deno.readTextFileSync("/proc/self/cgroup"))
    .find(({ controllers }) => controllers.length === 0);
  return delegatedPath(own?.path ?? "/", (path) => {
    const directory = cgroupDirectory(hierarchies[0], path);
    return ["", "/cgroup.procs", "/cgroup.subtree_control"]
      .every((file) => isWritable(directory + file));
  });
}
