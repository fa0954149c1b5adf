/** What the OOM killer did in a cgroup. */
import { type Cgroup, directoryOf } from "./cgroup_place.ts";
import { keyedNumber, readControl, subtree } from "./cgroup_files.ts";

/**
 * How many processes the OOM killer took in this cgroup. v1 counts in memory.oom_control (Linux
 * 4.13) per cgroup, v2 in memory.events with those below.
 */
export function oomKills(cgroup: Cgroup): number {
  const directory = directoryOf(cgroup, "memory");
  if (directory === undefined) return 0;
  if (cgroup.version === 2) {
    return keyedNumber(readControl(`${directory}/memory.events`) ?? "", "oom_kill") ?? 0;
  }
  return subtree(directory).reduce((sum, level) => {
    return sum + (keyedNumber(readControl(`${level}/memory.oom_control`) ?? "", "oom_kill") ?? 0);
  }, 0);
}
