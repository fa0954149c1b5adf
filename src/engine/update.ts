/** `update`: changes the limits, the restart policy and the published ports of a container. */
import { UserError } from "../base/errors.ts";
import { openCgroup, updateCgroup } from "../runtime/cgroup.ts";
import type { CpuResources, MemoryResources, Resources } from "../runtime/spec_types.ts";
import { cpuResources, memoryResources } from "./bundle_resources.ts";
import { lockContainer, readRecord, writeRecord } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { stateOf } from "./state.ts";
import type { HostConfig, PortMap, RestartPolicy } from "./types.ts";
import { restartPolicyProblem } from "./validate.ts";
import { hostFacts } from "./validate_facts.ts";
import { checkLimits } from "./validate_limits.ts";

/** The limits that can be changed. What is absent, or 0, stays as it is. */
export type LimitChanges = Partial<
  Pick<
    HostConfig,
    | "BlkioWeight"
    | "CpuPeriod"
    | "CpuQuota"
    | "CpuRealtimePeriod"
    | "CpuRealtimeRuntime"
    | "CpuShares"
    | "CpusetCpus"
    | "CpusetMems"
    | "Memory"
    | "MemoryReservation"
    | "MemorySwap"
    | "NanoCpus"
    | "PidsLimit"
  >
>;

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
  const problem = conflictOf(record.HostConfig, request);
  if (problem !== undefined) throw new UserError(`Cannot update container ${id}: ${problem}`);
  const limits = changed(request.limits);
  const HostConfig: HostConfig = {
    ...record.HostConfig,
    ...limits,
    ...(request.restartPolicy && { RestartPolicy: request.restartPolicy }),
  };
  checkLimits(HostConfig, hostFacts());
  const state = stateOf(id);
  const warnings = state.kind === "running"
    ? await updateCgroup(openCgroup(state.run.cgroup), liveResources(limits, HostConfig))
    : [];
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

/** Without what is 0 or empty, which is docker's way to say "leave it". */
function changed(limits: LimitChanges): LimitChanges {
  return Object.fromEntries(
    Object.entries(limits).filter(([name, value]) =>
      name === "PidsLimit" ? value !== undefined && value !== null : Boolean(value)
    ),
  );
}

/** What docker refuses of a change, in its words and its order. */
function conflictOf(now: HostConfig, { limits, restartPolicy }: UpdateRequest): string | undefined {
  const { NanoCpus = 0, CpuPeriod = 0, CpuQuota = 0, Memory = 0, MemorySwap = 0 } = limits;
  const conflict = "Conflicting options:";
  if (NanoCpus > 0 && now.CpuPeriod > 0) {
    return `${conflict} Nano CPUs cannot be updated as CPU Period has already been set`;
  }
  if (NanoCpus > 0 && now.CpuQuota > 0) {
    return `${conflict} Nano CPUs cannot be updated as CPU Quota has already been set`;
  }
  if (CpuPeriod > 0 && now.NanoCpus > 0) {
    return `${conflict} CPU Period cannot be updated as NanoCPUs has already been set`;
  }
  if (CpuQuota > 0 && now.NanoCpus > 0) {
    return `${conflict} CPU Quota cannot be updated as NanoCPUs has already been set`;
  }
  if (Memory > 0 && now.MemorySwap > 0 && Memory > now.MemorySwap && MemorySwap === 0) {
    return "Memory limit should be smaller than already set memoryswap limit, " +
      "update the memoryswap at the same time";
  }
  if (restartPolicy === undefined) return undefined;
  const restarts = restartPolicy.Name !== "" && restartPolicy.Name !== "no";
  if (now.AutoRemove && restarts) {
    return "Restart policy cannot be updated because AutoRemove is enabled for the container";
  }
  return restartPolicyProblem(restartPolicy);
}

/**
 * What has to be written to a running container's cgroup: the limits that change, and those which
 * the kernel or the conversion between cgroup versions sees together with them. Pure.
 */
export function liveResources(limits: LimitChanges, next: HostConfig): Resources {
  const has = (...names: (keyof LimitChanges)[]) => names.some((name) => name in limits);
  const memory = memoryResources(next) ?? {}, cpu = cpuResources(next) ?? {};
  const newMemory: MemoryResources = {
    ...(has("Memory", "MemorySwap") && { limit: memory.limit, swap: memory.swap }),
    ...(has("MemoryReservation") && { reservation: memory.reservation }),
  };
  const newCpu: CpuResources = {
    ...(has("CpuShares") && { shares: cpu.shares }),
    ...(has("NanoCpus", "CpuQuota", "CpuPeriod") && { quota: cpu.quota, period: cpu.period }),
    ...(has("CpuRealtimeRuntime") && { realtimeRuntime: cpu.realtimeRuntime }),
    ...(has("CpuRealtimePeriod") && { realtimePeriod: cpu.realtimePeriod }),
    ...(has("CpusetCpus") && { cpus: cpu.cpus }),
    ...(has("CpusetMems") && { mems: cpu.mems }),
  };
  return {
    ...(Object.keys(newMemory).length > 0 && { memory: newMemory }),
    ...(Object.keys(newCpu).length > 0 && { cpu: newCpu }),
    ...(has("PidsLimit") && { pids: { limit: next.PidsLimit || -1 } }),
    ...(has("BlkioWeight") && { blockIO: { weight: next.BlkioWeight } }),
  };
}
