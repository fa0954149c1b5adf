/** User namespaces of bundles: their id maps, and how init becomes their root. user_namespaces(7). */
import { PR_SET_DUMPABLE } from "../../ffi/constants.ts";
import type { Step } from "../../ffi/program.ts";
import type { Rendezvous } from "./launcher.ts";
import type { IdMapping, Spec } from "./spec_types.ts";

/** Whether the container is in a user namespace that is not ours, new or joined. */
export function hasUserNamespace(spec: Spec): boolean {
  return spec.linux?.namespaces?.some(({ type }) => type === "user") ?? false;
}

/** Whether the container makes a new user namespace. */
export function ownsUserNamespace(spec: Spec): boolean {
  return spec.linux?.namespaces?.some(({ type, path }) => type === "user" && !path) ?? false;
}

/** Lines of uid_map or gid_map. */
function idMapLines(mappings: readonly IdMapping[]): string {
  return mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`)
    .join("");
}

/** Writes the maps of the new user namespace of process `pid`. */
export function writeIdMaps(pid: number, { linux = {} }: Pick<Spec, "linux">): void {
  const { uidMappings = [], gidMappings = [] } = linux;
  if (uidMappings.length > 0) {
    Deno.writeTextFileSync(`/proc/${pid}/uid_map`, idMapLines(uidMappings));
  }
  if (gidMappings.length === 0) return;
  // Without privilege the kernel wants setgroups given up before it takes a map of groups.
  if (Deno.uid() !== 0) Deno.writeTextFileSync(`/proc/${pid}/setgroups`, "deny");
  Deno.writeTextFileSync(`/proc/${pid}/gid_map`, idMapLines(gidMappings));
}

/** Init waits for the maps, then becomes root of its namespace. */
export function userNamespaceSteps(meeting: Rendezvous): Step[] {
  const goal = "become root of the user namespace";
  return [
    ...meeting.waitSteps(),
    { call: "setresgid", args: [0, 0, 0], goal },
    { call: "setresuid", args: [0, 0, 0], goal },
    // Else the files of /proc/self would belong to the host's root.
    { call: "prctl", args: [PR_SET_DUMPABLE, 1, 0, 0, 0], goal },
  ];
}
