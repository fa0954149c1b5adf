/** Which processes of the machine are a container's. */
import { namesIn } from "../base/files.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { cgroupPids } from "../runtime/cgroup_processes.ts";
import type { RunState } from "./state.ts";

/** All processes of a running container, also those of exec, in no order. */
export function containerPids(run: RunState): number[] {
  const inCgroup = cgroupPids(openCgroup(run.cgroup));
  return inCgroup.length > 0 ? inCgroup : pidsBeside(run.pid);
}

/** Those in the pid namespace of `init`: what is known of a container without a cgroup. */
function pidsBeside(init: number): number[] {
  const namespaceOf = (pid: string) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/ns/pid`);
    } catch {
      return undefined; // it has ended, or is not ours to look at
    }
  };
  const own = namespaceOf(String(init));
  if (own === undefined || own === namespaceOf("self")) return [init];
  return namesIn("/proc").filter((name) => /^\d+$/.test(name) && namespaceOf(name) === own)
    .map(Number);
}
