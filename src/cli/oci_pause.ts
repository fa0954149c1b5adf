import { UserError } from "../base/errors.ts";
import { freezeCgroup, thawCgroup } from "../runtime/cgroup_processes.ts";
import { cgroupOf, type OciStore, type Status, statusOf } from "../runtime/oci_state.ts";
import type { OciCommand } from "./oci_context.ts";

/** The cgroup of a container in one of the states `wanted`, else the error `text`. */
function cgroupIn(store: OciStore, id: string, wanted: readonly Status[], text: string) {
  const record = store.read(id);
  if (!wanted.includes(statusOf(store, record))) throw new UserError(text);
  const cgroup = cgroupOf(record);
  if (cgroup === undefined) throw new UserError("Cannot freeze a container without a cgroup");
  return cgroup;
}

/** `pause`. */
export const PAUSE: OciCommand = {
  summary: "stop all processes of a container where they are",
  usage: "<container-id>",
  options: {},
  args: [1, 1],
  run: ({ store }, { rest: [id] }) => {
    freezeCgroup(cgroupIn(store, id, ["created", "running"], "container not running"));
    return 0;
  },
};

/** `resume`. */
export const RESUME: OciCommand = {
  summary: "let the processes of a paused container go on",
  usage: "<container-id>",
  options: {},
  args: [1, 1],
  run: ({ store }, { rest: [id] }) => {
    thawCgroup(cgroupIn(store, id, ["paused"], "container not paused"));
    return 0;
  },
};
