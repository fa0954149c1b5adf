/** The mount table of this process: where something is mounted. proc_pid_mountinfo(5). */

/** A path of the table as it is: space, tab, newline and backslash are written in octal. */
export function unescapeMountPath(path: string): string {
  return path.includes("\\")
    ? path.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)))
    : path;
}

/** The mount points in order of mounting; one that was mounted over is there as often. */
export function mountPoints(mountinfo = Deno.readTextFileSync("/proc/self/mountinfo")): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const point = line.split(" ")[4];
    return point === undefined ? [] : [unescapeMountPath(point)];
  });
}
