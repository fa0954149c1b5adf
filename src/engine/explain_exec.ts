/** What an `exec` would ask of the kernel. Nothing is started. */
import { SIGKILL } from "../../ffi/constants.ts";
import { describeSteps } from "../../ffi/listing.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { execProgram } from "../runtime/exec.ts";
import { resolveContainer } from "./containers.ts";
import { execPlan, type ExecRequest, processOf, readBundle, runningContainer } from "./exec.ts";
import type { Descriptor, Explanation } from "./explain.ts";
import { explainNamespaces } from "./explain_namespaces.ts";
import { explainNetwork } from "./explain_network.ts";

/** Numbers for what would be open; the real ones differ from call to call. */
const FIRST_NUMBER = 20;
const REPORT = FIRST_NUMBER + 2, HELLO = FIRST_NUMBER + 3;

/** Explains an exec in a running container. Throws UserError with docker's texts. */
export async function explainExec(reference: string, request: ExecRequest): Promise<Explanation> {
  const { record, run } = runningContainer(resolveContainer(reference));
  const spec = readBundle(record.Id);
  const cgroup = openCgroup(run.cgroup);
  const v1 = cgroup.directories.filter(({ version }) => version === 1);
  const descriptors: Descriptor[] = [
    `pidfd of process ${run.pid}, the container's first`,
    "socket that gets the terminal, with -t",
    "pipe that tells of a failed step",
    "pipe that tells the process's number",
    ...v1.map(({ directory }) => `${directory}/tasks`),
  ].map((what, i) => ({ number: FIRST_NUMBER + i, what }));
  const process = processOf(spec, request, run, record.HostConfig.GroupAdd ?? []);
  const plan = execPlan(spec, process, request.privileged, {
    pidfd: FIRST_NUMBER,
    consoleSocket: request.tty ? FIRST_NUMBER + 1 : undefined,
    cgroupTasks: v1.map((_, i) => HELLO + 1 + i),
    streams: [0, 1, 2],
    ownedStreams: [0, 1, 2],
    deathSignal: SIGKILL,
  });
  const writes = v1.map(({ directory }) => ({
    path: `${directory}/tasks`,
    value: "0",
    why: "the process enters",
  }));
  const title = "a process that joins the container, and the command's process that it makes";
  return {
    kind: "exec",
    container: { id: record.Id, name: record.Name.slice(1) },
    namespaces: explainNamespaces(record, spec, run.pid).map((row) => ({
      ...row,
      // All that the container has are joined by one setns.
      origin: row.origin === "host" ? "host" : "joined",
      ...(row.origin !== "host" && { from: `container ${record.Name.slice(1)}` }),
    })),
    cgroup: {
      path: cgroup.path,
      hierarchies: cgroup.directories.map(({ name, directory }) => ({ name, directory })),
      writes,
    },
    network: await explainNetwork(record),
    descriptors,
    programs: [{ title, steps: describeSteps(execProgram(plan, REPORT, HELLO).steps) }],
  };
}
