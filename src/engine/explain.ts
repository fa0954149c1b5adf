/**
 * What the kernel is asked for a container, or was: namespaces, cgroup, network, and the program
 * that a start executes. Nothing is made here.
 */
import { CLONE_INTO_CGROUP } from "../../ffi/constants.ts";
import { addressIn, slot, type Step } from "../../ffi/program.ts";
import { cloneArgs } from "../../ffi/spawn.ts";
import { describeSteps, type StepText } from "../../ffi/listing.ts";
import { statIfThere } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import { type Cgroup, openCgroup } from "../runtime/cgroup_place.ts";
import type { Spec } from "../runtime/spec_types.ts";
import { type Foundation, readFoundation } from "./foundation.ts";
import { readRecord, resolveContainer } from "./containers.ts";
import { planContainer, recordOf } from "./create.ts";
import { readBundle } from "./exec.ts";
import { type CgroupWrite, cgroupWrites } from "./explain_cgroup.ts";
import { type ExplainedNamespace, explainNamespaces } from "./explain_namespaces.ts";
import { type ExplainedNetwork, explainNetwork } from "./explain_network.ts";
import { locateMounts } from "./locate_mounts.ts";
import { toMountPoint } from "./mount_plan.ts";
import { randomName } from "./names.ts";
import { planNetwork } from "./network.ts";
import { firstProcess, specOf } from "./start_plan.ts";
import { type RunState, stateOf } from "./state.ts";
import type { ContainerRecord, CreateRequest } from "./types.ts";

/** One call as text: `mount("proc", …)`. */
export { callText } from "../../ffi/listing.ts";

/** A descriptor that steps use by number: opened before, or made by an earlier program. */
export interface Descriptor {
  readonly number: number;
  readonly what: string;
}

/** One process's steps. */
export interface ExplainedProgram {
  readonly title: string;
  readonly steps: readonly StepText[];
}

/** All that can be told. */
export interface Explanation {
  /** "run", "start" (of a container that does not run), "running", "exec". */
  readonly kind: "run" | "start" | "running" | "exec";
  readonly container: { readonly id: string; readonly name: string };
  readonly namespaces: readonly ExplainedNamespace[];
  readonly cgroup: {
    readonly path: string;
    /** The container's directory in each hierarchy; one without a name on cgroup v2. */
    readonly hierarchies: readonly { readonly name: string; readonly directory: string }[];
    readonly writes: readonly CgroupWrite[];
  };
  readonly network: ExplainedNetwork;
  readonly descriptors: readonly Descriptor[];
  readonly programs: readonly ExplainedProgram[];
}

/** An explanation, and the bundle it was made from: what a script is written from. */
export interface Explained {
  readonly explanation: Explanation;
  readonly record: ContainerRecord;
  readonly spec: Spec;
}

/** What `run` with this request would do. Throws as createContainer() does, before it acts. */
export async function explainRun(
  request: CreateRequest,
  command: readonly string[],
  warn: (text: string) => void,
): Promise<Explained> {
  const planned = planContainer(request, warn);
  // An anonymous volume has no name yet; its directory is shown by a name of the same form.
  const mounts = planned.mounts.map((mount) =>
    mount.type === "volume" && mount.source === "" ? { ...mount, source: planned.id } : mount
  );
  const points = locateMounts(mounts).map((mount) => toMountPoint(mount, mount.hostPath));
  const record = recordOf(planned, request.Name || randomName(0), points, command);
  const foundation = { layers: planned.source.layers, mounts };
  return await explainStart("run", record, foundation, warn);
}

/** What was done for a running container, or a start of another would do. */
export async function explainContainer(
  reference: string,
  warn: (text: string) => void,
): Promise<Explained> {
  const record = readRecord(resolveContainer(reference));
  const state = stateOf(record.Id);
  if (state.kind !== "running") {
    return await explainStart("start", record, readFoundation(record.Id), warn);
  }
  return explain("running", record, readBundle(record.Id), warn, state.run);
}

async function explainStart(
  kind: "run" | "start",
  record: ContainerRecord,
  foundation: Foundation,
  warn: (text: string) => void,
): Promise<Explained> {
  return explain(kind, record, await specOf(record, foundation, undefined), warn);
}

async function explain(
  kind: "run" | "start" | "running",
  record: ContainerRecord,
  spec: Spec,
  warn: (text: string) => void,
  run?: RunState,
): Promise<Explained> {
  const cgroup = openCgroup(run?.cgroup ?? spec.linux!.cgroupsPath!);
  const sandboxed = planNetwork(record).kind === "networks";
  const { descriptors, tasks, netns } = openDescriptors(cgroup, sandboxed);
  const { steps, plan } = firstProcess(record, spec, cgroup.directories, { tasks, netns }, {
    warn,
    isDirectory: (path) => isDirectory(path, record.Id),
  });
  const into = cgroup.directories.some(({ version }) => version === 2);
  const explanation: Explanation = {
    kind,
    container: { id: record.Id, name: record.Name.slice(1) },
    namespaces: explainNamespaces(record, spec, run?.pid),
    cgroup: {
      path: cgroup.path,
      hierarchies: cgroup.directories.map(({ name, directory }) => ({ name, directory })),
      writes: cgroupWrites(cgroup, spec, run !== undefined),
    },
    network: await explainNetwork(record),
    descriptors,
    programs: [
      ...(sandboxed ? [await sandboxProgram()] : []),
      cloneProgram(
        plan.namespaces.cloneFlags,
        into,
        plan.namespaces.before.map(({ type }) => type),
      ),
      { title: "the container's first process", steps: describeSteps(steps) },
    ],
  };
  return { explanation, record, spec };
}

/** Numbers for what would be open. They differ from start to start; their meaning does not. */
function openDescriptors(cgroup: Cgroup, sandboxed: boolean) {
  const descriptors: Descriptor[] = [];
  const open = (what: string) => {
    const number = 20 + descriptors.length;
    descriptors.push({ number, what });
    return number;
  };
  const tasks = cgroup.directories.filter(({ version }) => version === 1)
    .map(({ directory }) => open(`${directory}/tasks`));
  const netns = sandboxed ? open("the container's network namespace") : undefined;
  return { descriptors, tasks, netns };
}

/** Sources that a start makes: the engine's files in the container's directory, else directories. */
function isDirectory(path: string, id: string): boolean {
  return statIfThere(path)?.isDirectory ?? !path.startsWith(`${containerDirectory(id)}/`);
}

async function sandboxProgram(): Promise<ExplainedProgram> {
  const { loopbackUp, sandboxSteps } = await import("../net/sandbox.ts");
  const socket = slot("netlink socket");
  const steps = sandboxSteps(slot("network namespace"), socket, loopbackUp(socket));
  const title = "a process that makes the network namespace and leaves it to the client";
  return { title, steps: describeSteps(steps) };
}

/** The one call by which the monitor makes the first process. */
function cloneProgram(
  cloneFlags: number,
  intoCgroup: boolean,
  joined: readonly string[],
): ExplainedProgram {
  const flags = BigInt(cloneFlags >>> 0) | (intoCgroup ? CLONE_INTO_CGROUP : 0n);
  const first = joined.length > 0 ? `, born in the ${joined.join(" and ")} namespace joined` : "";
  const clone: Step = {
    call: "clone3",
    args: [addressIn(cloneArgs({ flags })), 88],
    goal: `start the container's first process${first}`,
  };
  return { title: "the monitor", steps: describeSteps([clone]) };
}
