/** The mount table of a process: what is mounted where. proc_pid_mountinfo(5). */
import { isWithin } from "./paths.ts";

/** One line of it. */
export interface MountEntry {
  /** "8:1". */
  readonly device: string;
  /** The directory of the file system that is mounted. */
  readonly root: string;
  /** Where it is. */
  readonly target: string;
  /** Options of this mount: "ro", "nosuid" … */
  readonly attributes: readonly string[];
  /** "shared:7", "master:3" … */
  readonly optional: readonly string[];
  readonly type: string;
  readonly source: string;
  /** Options of the file system itself. */
  readonly options: readonly string[];
}

/** A path of the table as it is: space, tab, newline and backslash are written in octal. */
export function unescapeMountPath(path: string): string {
  return path.includes("\\")
    ? path.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)))
    : path;
}

const ownTable = () => Deno.readTextFileSync("/proc/self/mountinfo");

/** All mounts in order of mounting. */
export function parseMounts(mountinfo: string = ownTable()): MountEntry[] {
  return mountinfo.split("\n").filter((line) => line !== "").map((line) => {
    const [, , device, root, target, attributes, ...rest] = line.split(" ");
    const dash = rest.indexOf("-");
    const [type = "", source = "", options = ""] = rest.slice(dash + 1);
    return {
      device,
      root: unescapeMountPath(root),
      target: unescapeMountPath(target),
      attributes: attributes.split(","),
      optional: rest.slice(0, dash),
      type,
      source: unescapeMountPath(source),
      options: options.split(","),
    };
  });
}

/** The mount points in order of mounting; one that was mounted over is there as often. */
export function mountPoints(mountinfo: string = ownTable()): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const point = line.split(" ")[4];
    return point === undefined ? [] : [unescapeMountPath(point)];
  });
}

/** The mount that `path` (clean) lies on: the deepest one, and of those at one place the last. */
export function mountUnder<T extends { readonly target: string }>(
  path: string,
  mounts: Iterable<T>,
): T | undefined {
  let found: T | undefined;
  for (const mount of mounts) {
    const { target } = mount;
    if (isWithin(path, target) && target.length >= (found?.target.length ?? 0)) found = mount;
  }
  return found;
}
