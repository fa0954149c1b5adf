/** `update`: changes the limits, the restart policy and the published ports of a container. */
import { UserError } from "../base/errors.ts";
import { updateCgroup, updateDevices } from "../runtime/cgroup.ts";
import { type Cgroup, openCgroup } from "../runtime/cgroup_place.ts";
import { deviceRules, parseDeviceRule } from "./bundle_resources.ts";
import { lockContainer, readRecord, writeRecord } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { type RunState, stateOf } from "./state.ts";
import type { HostConfig, PortMap, RestartPolicy } from "./types.ts";
import {
  changedConfig,
  type LimitChanges,
  limitConflict,
  liveResources,
  onlyChanged,
  onlyLimits,
  realChanges,
} from "./update_limits.ts";
import { restartPolicyProblem } from "./validate.ts";
import { hostFacts } from "./validate_facts.ts";
import { checkLimits, limitWarnings } from "./validate_limits.ts";

/** What is to be different. */
export interface UpdateRequest {
  readonly limits: LimitChanges;
  readonly restartPolicy?: RestartPolicy;
  readonly publishAdd: PortMap;
  /** Host ports: "8080", "8080/udp", "127.0.0.1:8080". */
  readonly publishRemove: readonly string[];
}

/**
 * Changes container `id`, at once if it runs, and for its next starts. Returns warnings. Throws
 * UserError with docker's texts; then nothing of the limits has changed.
 */
export async function updateContainer(id: string, request: UpdateRequest): Promise<string[]> {
  using _lock = lockContainer(id);
  let record = readRecord(id);
  const limits = realChanges(request.limits);
  // As docker: first what is wrong by itself, then with what is there, then altogether.
  checkLimits(onlyLimits(record.HostConfig, limits), hostFacts());
  const wrong = request.restartPolicy && restartPolicyProblem(request.restartPolicy);
  if (wrong !== undefined) throw new UserError(wrong);
  const problem = conflictOf(record.HostConfig, request);
  if (problem !== undefined) throw new UserError(`Cannot update container ${id}: ${problem}`);
  const HostConfig: HostConfig = {
    ...changedConfig(record.HostConfig, limits),
    ...(request.restartPolicy && { RestartPolicy: request.restartPolicy }),
  };
  checkLimits(HostConfig, hostFacts());
  const state = stateOf(id);
  const warnings = limits.OomKillDisable ? limitWarnings(HostConfig) : [];
  if (state.kind === "running") {
    using processes = await changeProcessesOf(state.run, limits);
    warnings.push(...await changeRunning(openCgroup(state.run.cgroup), limits, HostConfig));
    if (processes !== undefined) await changeBundle(id, HostConfig);
    processes?.move();
  }
  record = { ...record, HostConfig };
  const { publishAdd, publishRemove } = request;
  if (Object.keys(publishAdd).length > 0 || publishRemove.length > 0) {
    const { changePublished } = await import("./container_networks.ts");
    record = await changePublished(record, publishAdd, publishRemove);
  }
  writeRecord(record);
  emitContainerEvent(record, "update");
  return warnings;
}

/** What no cgroup limits; dispose the result to take it back. undefined: nothing of that changes. */
async function changeProcessesOf(
  run: RunState,
  limits: LimitChanges,
): Promise<DisposableStack | undefined> {
  const { OomScoreAdj, ShmSize, Ulimits } = limits;
  if ([OomScoreAdj, ShmSize, Ulimits].every((value) => value === undefined)) return undefined;
  const { changeProcesses } = await import("./update_processes.ts");
  const { containerPids } = await import("./container_pids.ts");
  return changeProcesses({ first: run.pid, all: () => containerPids(run) }, limits);
}

/** The bundle of a running container says what exec gives its processes. */
async function changeBundle(id: string, next: HostConfig): Promise<void> {
  const { readConfig, writeConfig } = await import("./container_documents.ts");
  const { processLimits } = await import("./bundle.ts");
  const spec = readConfig(id);
  if (spec?.process === undefined) return;
  const { rlimits: _, oomScoreAdj: __, ...process } = spec.process;
  writeConfig(id, { ...spec, process: { ...process, ...processLimits(next) } });
}

/** Writes a change to the cgroup of a running container. */
async function changeRunning(
  cgroup: Cgroup,
  limits: LimitChanges,
  next: HostConfig,
): Promise<string[]> {
  const { namedDevices, throttledDevices } = await import("./host_devices.ts");
  const numbers = throttledDevices(onlyChanged(limits, next));
  const warnings = await updateCgroup(cgroup, liveResources(limits, next, numbers));
  const added = (limits.DeviceCgroupRules ?? []).map(parseDeviceRule);
  if (added.length === 0) return warnings;
  const rules = deviceRules(next, namedDevices(next.Devices));
  return [...warnings, ...await updateDevices(cgroup, rules, added)];
}

/** What docker refuses of a change, in its words and its order. */
function conflictOf(now: HostConfig, { limits, restartPolicy }: UpdateRequest): string | undefined {
  const problem = limitConflict(now, limits);
  if (problem !== undefined || restartPolicy === undefined) return problem;
  const restarts = restartPolicy.Name !== "" && restartPolicy.Name !== "no";
  return now.AutoRemove && restarts
    ? "Restart policy cannot be updated because AutoRemove is enabled for the container"
    : undefined;
}
