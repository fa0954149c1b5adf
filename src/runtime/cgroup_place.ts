/** Where a cgroup is: its directory in each hierarchy. */
import { isRootless } from "../base/places.ts";
import {
  cgroupDirectory,
  cgroupLayout,
  type Hierarchy,
  normalizeCgroupPath,
} from "./cgroup_layout.ts";

/** The container's directory in one hierarchy. */
export interface CgroupDirectory {
  /** "cpu", "systemd"; "" where v2 is alone. As under /sys/fs/cgroup of a container. */
  readonly name: string;
  readonly directory: string;
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
}

/** A cgroup in all hierarchies it is in. */
export interface Cgroup {
  /** Seen from the mounts' roots: "/diplodock/<id>". */
  readonly path: string;
  /** Which version has the controllers; undefined where this machine has no cgroups for us. */
  readonly version: 1 | 2 | undefined;
  readonly directories: readonly CgroupDirectory[];
}

/** The directory of cgroup `path` in a hierarchy. */
export function placeIn(hierarchy: Hierarchy, path: string): CgroupDirectory {
  const { name, version, controllers } = hierarchy;
  return { name, version, controllers, directory: cgroupDirectory(hierarchy, path) };
}

/** The cgroup's directory for a controller; on v2 the same for all. */
export function directoryOf(cgroup: Cgroup, controller: string): string | undefined {
  if (cgroup.version === 2) return cgroup.directories[0]?.directory;
  return cgroup.directories.find(({ controllers }) => controllers.includes(controller))?.directory;
}

/** The cgroup `path` as it was made before; says nothing of whether it is there. */
export function openCgroup(path: string): Cgroup {
  const { version, hierarchies } = cgroupLayout();
  const normal = normalizeCgroupPath(path);
  const places = hierarchies.map((at) => placeIn(at, normal));
  // An ordinary user's container has those hierarchies only that he was given a part of.
  const directories = isRootless() ? places.filter(isMade) : places;
  return { path: normal, version: directories.length > 0 ? version : undefined, directories };
}

/** Is the directory there? */
export function isMade({ directory }: CgroupDirectory): boolean {
  try {
    return Deno.statSync(directory).isDirectory;
  } catch {
    return false;
  }
}
