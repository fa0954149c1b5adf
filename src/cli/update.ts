import { UserError } from "../base/errors.ts";
import { parseSize } from "../base/units.ts";
import { resolveContainer } from "../engine/containers.ts";
import type { RestartPolicy } from "../engine/types.ts";
import { updateContainer, type UpdateRequest } from "../engine/update.ts";
import { type CommandSpec, type Options, parseArgs, parseInteger } from "./args.ts";
import { forEach } from "./each.ts";
import { parsePublish } from "./flags/ports.ts";
import { parseDeviceCgroupRule } from "./flags/devices.ts";
import {
  parseByteRate,
  parseDeviceWeight,
  parseOperationRate,
  parseRestartPolicy,
  parseUlimit,
} from "./flags/resources.ts";
import { badFlag, parseBytesOrUnlimited, parseCpus } from "./flags/units.ts";

const rates = { type: "list", defaultText: "[]" } as const;
const bytes = { type: "string", value: "bytes", parse: parseSize } as const;

/** Checks what `--publish-rm` names: a port of the host. */
function parsePublished(text: string): string {
  if (!/^(?:.*:)?\d{1,5}(?:\/(?:tcp|udp|sctp))?$/.test(text)) {
    badFlag(`invalid host port "${text}": want [ip:]port[/protocol]`);
  }
  return text;
}

const FLAGS = {
  "blkio-weight": {
    type: "string",
    value: "uint16",
    parse: (text: string) => parseInteger(text, 16, true),
    help: "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
  },
  "blkio-weight-device": {
    type: "list",
    parse: parseDeviceWeight,
    help: "Block IO weight (relative device weight), 0 to take it back",
    defaultText: "[]",
  },
  "cpu-period": { type: "int", help: "Limit CPU CFS (Completely Fair Scheduler) period" },
  "cpu-quota": { type: "int", help: "Limit CPU CFS (Completely Fair Scheduler) quota" },
  "cpu-rt-period": { type: "int", help: "Limit the CPU real-time period in microseconds" },
  "cpu-rt-runtime": { type: "int", help: "Limit the CPU real-time runtime in microseconds" },
  "cpu-shares": { type: "int", short: "c", help: "CPU shares (relative weight)" },
  "cpus": { type: "string", value: "decimal", parse: parseCpus, help: "Number of CPUs" },
  "cpuset-cpus": { type: "string", help: "CPUs in which to allow execution (0-3, 0,1)" },
  "cpuset-mems": { type: "string", help: "MEMs in which to allow execution (0-3, 0,1)" },
  "device-cgroup-rule": {
    type: "list",
    parse: parseDeviceCgroupRule,
    help: "Add a rule to the cgroup allowed devices list",
  },
  "device-read-bps": {
    ...rates,
    parse: parseByteRate,
    help: "Limit read rate (bytes per second) from a device, 0 to take it back",
  },
  "device-read-iops": {
    ...rates,
    parse: parseOperationRate,
    help: "Limit read rate (IO per second) from a device, 0 to take it back",
  },
  "device-write-bps": {
    ...rates,
    parse: parseByteRate,
    help: "Limit write rate (bytes per second) to a device, 0 to take it back",
  },
  "device-write-iops": {
    ...rates,
    parse: parseOperationRate,
    help: "Limit write rate (IO per second) to a device, 0 to take it back",
  },
  "kernel-memory": { ...bytes, hidden: true, help: "Kernel memory limit (deprecated)" },
  "memory": { ...bytes, short: "m", help: "Memory limit" },
  "memory-reservation": { ...bytes, help: "Memory soft limit" },
  "memory-swap": {
    type: "string",
    value: "bytes",
    parse: parseBytesOrUnlimited,
    help: "Swap limit equal to memory plus swap: -1 to enable unlimited swap",
  },
  "memory-swappiness": {
    type: "int",
    help: "Tune container memory swappiness (0 to 100)",
  },
  "oom-kill-disable": {
    type: "bool",
    help: "Disable OOM Killer; =false to enable it again (cgroup v1)",
  },
  "oom-score-adj": { type: "int", help: "Tune host's OOM preferences (-1000 to 1000)" },
  "pids-limit": { type: "int", help: "Tune container pids limit (set -1 for unlimited)" },
  "publish-add": {
    type: "list",
    help: "Publish one more port of the container, like --publish of run",
  },
  "publish-rm": {
    type: "list",
    parse: parsePublished,
    help: "Take a published port of the host back: [ip:]port[/protocol]",
  },
  "restart": {
    type: "string",
    help: "Restart policy to apply when a container exits",
    complete: ["no", "always", "on-failure", "unless-stopped"],
  },
  "shm-size": { ...bytes, help: "Size of /dev/shm" },
  "ulimit": {
    type: "list",
    value: "ulimit",
    parse: parseUlimit,
    help: "Ulimit options",
    defaultText: "[]",
  },
} as const;

export const spec = {
  name: "update",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Update configuration of one or more containers",
  aliases: ["container update", "update"],
  args: [1, Infinity],
  complete: ["container"],
  flags: FLAGS,
  examples: [
    "diplodock update --memory 512m --memory-swap 1g web",
    "diplodock update --restart unless-stopped --publish-add 8080:80 web",
  ],
} as const satisfies CommandSpec;

/** `diplodock update`. */
export async function command(words: string[]): Promise<number> {
  const { options, given, args } = parseArgs(spec, words);
  if (given.size === 0) {
    throw new UserError("you must provide one or more flags when using this command");
  }
  const request = requestOf(options, given);
  if (options.kernelMemory) {
    console.error(
      "WARNING: The kernel has no kernel memory limit any more. Limitation discarded.",
    );
  }
  return await forEach(args, async (reference) => {
    const warnings = await updateContainer(resolveContainer(reference), request);
    for (const warning of warnings) console.error(`WARNING: ${warning}`);
  });
}

/** docker takes a policy that is none for no mistake in a flag: exit code 1. */
function restartPolicyOf(text: string): RestartPolicy {
  try {
    return parseRestartPolicy(text);
  } catch (error) {
    throw error instanceof UserError ? new UserError(error.message) : error;
  }
}

function requestOf(
  options: Options<typeof FLAGS>,
  given: ReadonlySet<string>,
): UpdateRequest {
  return {
    limits: {
      BlkioDeviceReadBps: options.deviceReadBps,
      BlkioDeviceReadIOps: options.deviceReadIops,
      BlkioDeviceWriteBps: options.deviceWriteBps,
      BlkioDeviceWriteIOps: options.deviceWriteIops,
      BlkioWeight: options.blkioWeight,
      BlkioWeightDevice: options.blkioWeightDevice,
      CpuPeriod: options.cpuPeriod,
      CpuQuota: options.cpuQuota,
      CpuRealtimePeriod: options.cpuRtPeriod,
      CpuRealtimeRuntime: options.cpuRtRuntime,
      CpuShares: options.cpuShares,
      CpusetCpus: options.cpusetCpus,
      CpusetMems: options.cpusetMems,
      DeviceCgroupRules: options.deviceCgroupRule,
      Memory: options.memory,
      MemoryReservation: options.memoryReservation,
      MemorySwap: options.memorySwap,
      MemorySwappiness: options.memorySwappiness,
      NanoCpus: options.cpus,
      OomScoreAdj: options.oomScoreAdj,
      ShmSize: options.shmSize,
      Ulimits: options.ulimit,
      OomKillDisable: given.has("oom-kill-disable") ? options.oomKillDisable : undefined,
      // docker keeps "no limit" as 0.
      PidsLimit: options.pidsLimit === undefined ? undefined : Math.max(0, options.pidsLimit),
    },
    restartPolicy: options.restart ? restartPolicyOf(options.restart) : undefined,
    publishAdd: parsePublish(options.publishAdd),
    publishRemove: options.publishRm,
  };
}
