/** The files of a container's cgroup: what is written to each, and what it says now. */
import { lstatIfThere, readIfThere } from "../base/files.ts";
import { type Cgroup, directoryOf } from "../runtime/cgroup_place.ts";
import { cgroupLayout } from "../runtime/cgroup_layout.ts";
import { deviceLines } from "../runtime/cgroup_devices.ts";
import { plannedWrites } from "../runtime/cgroup_limits.ts";
import { plannedControllers } from "../runtime/cgroup_v2.ts";
import type { Resources, Spec } from "../runtime/spec_types.ts";

/** One write to a file of the cgroup, or a directory that is made. */
export interface CgroupWrite {
  readonly path: string;
  /** Absent: the directory `path` is made. */
  readonly value?: string;
  readonly why: string;
  /** v2: no write, but a rule of the eBPF program that is attached to the directory `path`. */
  readonly program?: true;
  /** Of a running container: what the file says. */
  readonly now?: string;
}

/** Everything that is asked of the cgroup file system, in order. */
export function cgroupWrites(cgroup: Cgroup, spec: Spec, running: boolean): CgroupWrite[] {
  if (cgroup.version === undefined) return [];
  const resources = spec.linux?.resources ?? {};
  // On v2 nothing is written: the process is born in the cgroup (CLONE_INTO_CGROUP).
  const joins = cgroup.directories.filter(({ version }) => version === 1)
    .map(({ directory }): CgroupWrite => ({
      path: `${directory}/tasks`,
      value: "0",
      why: "the first process enters",
    }));
  return [
    ...cgroup.directories.map(({ directory }): CgroupWrite => ({
      path: directory,
      why: "make the cgroup",
    })),
    ...controllerWrites(cgroup, resources),
    ...deviceWrites(cgroup, resources),
    ...limitWrites(cgroup, resources, running),
    ...joins,
  ];
}

function controllerWrites(cgroup: Cgroup, { devices: _, ...limits }: Resources): CgroupWrite[] {
  if (cgroup.version !== 2) return [];
  const { mountPoint } = cgroupLayout().hierarchies[0];
  return plannedControllers(mountPoint, cgroup, limits).map(({ path, text }) => ({
    path,
    value: text,
    why: "switch controllers on for the cgroups below",
  }));
}

function deviceWrites(cgroup: Cgroup, { devices = [] }: Resources): CgroupWrite[] {
  const directory = directoryOf(cgroup, "devices");
  if (directory === undefined) return [];
  return devices.flatMap((rule) =>
    deviceLines(rule).map((value): CgroupWrite => {
      const why = rule.allow ? "allow devices" : "refuse devices";
      const file = rule.allow ? "devices.allow" : "devices.deny";
      return cgroup.version === 1 ? { path: `${directory}/${file}`, value, why } : {
        path: directory,
        value,
        why: `${why}: a rule of the eBPF program that is attached`,
        program: true,
      };
    })
  );
}

function limitWrites(cgroup: Cgroup, resources: Resources, running: boolean): CgroupWrite[] {
  return plannedWrites(resources, cgroup.version!).flatMap(({ limit, choices }) => {
    const places = choices.flatMap(({ controller, file, text }) => {
      const directory = directoryOf(cgroup, controller);
      return directory === undefined ? [] : [{ directory, file, text }];
    });
    // As a start does: the first that exists. A cgroup yet to be made will have what others have.
    const choice = places.find(({ directory, file }) => isHere(directory, file)) ?? places[0];
    if (choice === undefined) return [];
    const path = `${choice.directory}/${choice.file}`;
    const now = running ? readIfThere(path)?.trim() : undefined;
    const why = limit.flags === "" ? limit.does : `${limit.flags}: ${limit.does}`;
    return [{ path, value: choice.text, why, ...(now !== undefined && { now }) }];
  });
}

/** Whether a control file is in the cgroup, or in the one above it. */
function isHere(directory: string, file: string): boolean {
  const above = directory.slice(0, directory.lastIndexOf("/"));
  return [directory, above].some((place) => lstatIfThere(`${place}/${file}`)?.isFile);
}
