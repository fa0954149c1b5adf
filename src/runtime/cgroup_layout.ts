/**
 * Where this machine's cgroups are: version 1 (a hierarchy per controller), version 2 (one tree),
 * or hybrid (version 1 with a version 2 tree without controllers beside it, as systemd mounts it).
 * cgroups(7); the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
 */
import { UserError } from "../base/errors.ts";
import { unescapeMountPath } from "../base/mount_points.ts";

/** One mounted hierarchy. */
export interface Hierarchy {
  /** Directory under /sys/fs/cgroup, also inside a container: "cpu", "systemd"; "" for v2 alone. */
  readonly name: string;
  readonly mountPoint: string;
  /** The cgroup that the mount shows as its root; "/" unless it was bound from elsewhere. */
  readonly root: string;
  readonly version: 1 | 2;
  /** v1: the controllers of the hierarchy; none for name=systemd and for v2 in a hybrid. */
  readonly controllers: readonly string[];
}

/** What /proc/self/mountinfo says. */
export interface CgroupLayout {
  /** Which version has the controllers; undefined where no cgroups are mounted. */
  readonly version: 1 | 2 | undefined;
  readonly hierarchies: readonly Hierarchy[];
}

/** Words of a v1 mount that are not controllers. kernel/cgroup/cgroup-v1.c, cgroup1_fs_parameters. */
const NOT_CONTROLLERS = new Set(
  "rw ro none all clone_children noprefix xattr cpuset_v2_mode favordynmods nofavordynmods"
    .split(" "),
);

const MARK = " - cgroup";

/** Reads the layout from the text of /proc/self/mountinfo; other lines and rubbish are skipped. */
export function parseLayout(mountinfo: string): CgroupLayout {
  const found: Hierarchy[] = [];
  // Only few of the lines, which can be thousands, are of interest.
  for (let at = mountinfo.indexOf(MARK); at >= 0; at = mountinfo.indexOf(MARK, at + 1)) {
    const end = mountinfo.indexOf("\n", at);
    const line = mountinfo.slice(mountinfo.lastIndexOf("\n", at) + 1, end < 0 ? undefined : end);
    const hierarchy = parseMount(line);
    if (hierarchy !== undefined) found.push(hierarchy);
  }
  const v1 = distinct(found.filter(({ version }) => version === 1));
  const v2 = distinct(found.filter(({ version }) => version === 2)).slice(0, 1);
  if (v1.some(({ controllers }) => controllers.length > 0)) {
    return { version: 1, hierarchies: [...v1, ...v2] };
  }
  if (v2.length === 0) return { version: undefined, hierarchies: [] };
  return { version: 2, hierarchies: [{ ...v2[0], name: "" }] };
}

/** proc_pid_mountinfo(5): ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAGS] - TYPE SOURCE SUPER. */
function parseMount(line: string): Hierarchy | undefined {
  const [before, after] = line.split(" - ");
  const [, , , root, mountPoint] = before.split(" ");
  const [type, , options = ""] = (after ?? "").split(" ");
  if (mountPoint === undefined || (type !== "cgroup" && type !== "cgroup2")) return undefined;
  const path = unescapeMountPath(mountPoint);
  const version = type === "cgroup" ? 1 : 2;
  const controllers = version === 2
    ? []
    : options.split(",").filter((word) => !NOT_CONTROLLERS.has(word) && !word.includes("="));
  const name = path.slice(path.lastIndexOf("/") + 1);
  return { name, mountPoint: path, root: unescapeMountPath(root), version, controllers };
}

/**
 * One mount of each hierarchy. A mount of the whole tree goes before one of a part, one in the usual
 * place before others (containers have copies of the host's in their directories).
 */
function distinct(mounts: readonly Hierarchy[]): Hierarchy[] {
  const rank = ({ root, mountPoint }: Hierarchy) =>
    (root === "/" ? 0 : 2) + (mountPoint.startsWith("/sys/fs/cgroup") ? 0 : 1);
  const best = new Map<string, Hierarchy>();
  for (const mount of mounts) {
    const key = mount.controllers.join(",") || (mount.version === 1 ? mount.name : "");
    const known = best.get(key);
    if (known === undefined || rank(mount) < rank(known)) best.set(key, mount);
  }
  return [...best.values()];
}

let layout: CgroupLayout | undefined;

/** The layout of this machine, read once (0.3 ms). */
export function cgroupLayout(): CgroupLayout {
  return layout ??= parseLayout(Deno.readTextFileSync("/proc/self/mountinfo"));
}

/** The hierarchy of a v1 controller, or of all controllers on v2. */
export function hierarchyOf(at: CgroupLayout, controller: string): Hierarchy | undefined {
  return at.version === 2
    ? at.hierarchies[0]
    : at.hierarchies.find(({ controllers }) => controllers.includes(controller));
}

/**
 * The directory of the cgroup `path` in `hierarchy`. A path that starts with the mount's root is
 * seen from the host, any other from the mount.
 */
export function cgroupDirectory(hierarchy: Hierarchy, path: string): string {
  const { root, mountPoint } = hierarchy;
  const inside = root !== "/" && (path === root || path.startsWith(`${root}/`))
    ? path.slice(root.length)
    : path;
  return inside === "" || inside === "/" ? mountPoint : mountPoint + inside;
}

/** The process's own cgroup in each hierarchy. */
export interface OwnCgroup {
  /** "memory", "name=systemd"; none on v2. */
  readonly controllers: readonly string[];
  readonly path: string;
}

/** Reads the text of /proc/self/cgroup: "ID:CONTROLLERS:PATH". Rubbish is skipped. */
export function parseOwnCgroups(text: string): OwnCgroup[] {
  const own: OwnCgroup[] = [];
  for (const line of text.split("\n")) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match !== null) {
      own.push({ controllers: match[1].split(",").filter(Boolean), path: match[2] });
    }
  }
  return own;
}

/**
 * A cgroup path as it is stored: absolute, without "." and empty parts. ".." ends at the root, as
 * for a process whose root this is. Throws UserError for systemd's "slice:prefix:name" and for
 * what cannot be a path.
 */
export function normalizeCgroupPath(path: string): string {
  if (/[\0\n]/.test(path)) {
    throw new UserError(`Cannot use cgroup path ${JSON.stringify(path)}: not a path`);
  }
  if (/^[^/:]*:[^/:]*:[^/:]+$/.test(path)) {
    throw new UserError(
      `Cannot use cgroup path "${path}": it is for the systemd cgroup driver, ` +
        "and this runtime has only cgroupfs",
    );
  }
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/**
 * Where systemd has the slice `name`: "a-b.slice" is in "a.slice"; "-.slice" is the root. undefined
 * for what is no slice's name. Throws UserError, as docker says it, for one that cannot be.
 * systemd.slice(5).
 */
export function slicePath(name: string): string | undefined {
  if (!name.endsWith(".slice") || name.includes("/")) return undefined;
  const stem = name.slice(0, -".slice".length);
  if (stem === "-") return "/";
  const parts = stem.split("-");
  if (parts.includes("")) throw new UserError(`invalid slice name: ${name}`);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("-")}.slice`).join("");
}
