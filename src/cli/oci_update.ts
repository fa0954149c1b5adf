import { UserError } from "../base/errors.ts";
import { parseSize } from "../base/units.ts";
import { updateContainer } from "../runtime/oci_update.ts";
import { parseResources } from "../runtime/spec.ts";
import type { Resources } from "../runtime/spec_types.ts";
import type { OciArguments, OciOptions } from "./oci_args.ts";
import type { OciCommand } from "./oci_context.ts";

const OPTIONS: OciOptions = {
  resources: {
    kind: "text",
    short: "r",
    help: "file with linux.resources of config.json, '-' for standard input; other options " +
      "have no effect then",
  },
  "blkio-weight": { kind: "number", help: "share of the disks, 10 to 1000" },
  "cpu-period": { kind: "number", help: "interval of the CPU quota, in µs" },
  "cpu-quota": { kind: "number", help: "CPU time per interval, in µs" },
  "cpu-burst": { kind: "number", help: "unused quota that may be saved up, in µs" },
  "cpu-share": { kind: "number", help: "share of the CPUs" },
  "cpu-rt-period": { kind: "number", help: "interval of the real-time budget, in µs" },
  "cpu-rt-runtime": { kind: "number", help: "real-time budget per interval, in µs" },
  "cpu-idle": { kind: "number", help: "1: only when nobody else wants the CPUs" },
  "cpuset-cpus": { kind: "text", help: "CPUs to use" },
  "cpuset-mems": { kind: "text", help: "memory nodes to use" },
  "kernel-memory": { kind: "text", help: "without effect: the kernel has no such limit any more" },
  "kernel-memory-tcp": { kind: "text", help: "memory of TCP buffers, in bytes" },
  memory: { kind: "text", help: "memory, in bytes" },
  "memory-reservation": { kind: "text", help: "memory that is left alone, in bytes" },
  "memory-swap": { kind: "text", help: "memory and swap, in bytes; -1: any" },
  "pids-limit": { kind: "number", help: "processes and threads" },
  "l3-cache-schema": { kind: "text", help: "refused: there is no Intel RDT" },
  "mem-bw-schema": { kind: "text", help: "refused: there is no Intel RDT" },
};

/** "512m", "-1"; undefined where the option is not given. */
function bytes(given: OciArguments, name: string): number | undefined {
  const text = given.text(name);
  if (text === undefined || text === "") return undefined;
  if (text === "-1") return -1;
  try {
    return parseSize(text);
  } catch (error) {
    throw new UserError(`invalid value for ${name}: ${(error as Error).message}`);
  }
}

function fromOptions(given: OciArguments): Resources {
  for (const name of ["l3-cache-schema", "mem-bw-schema"]) {
    if (given.text(name)) throw new UserError(`Cannot set ${name}: intelRdt is not supported`);
  }
  const pids = given.number("pids-limit");
  return {
    memory: {
      limit: bytes(given, "memory"),
      reservation: bytes(given, "memory-reservation"),
      swap: bytes(given, "memory-swap"),
      kernelTCP: bytes(given, "kernel-memory-tcp"),
    },
    cpu: {
      period: given.number("cpu-period"),
      quota: given.number("cpu-quota"),
      burst: given.number("cpu-burst"),
      shares: given.number("cpu-share"),
      realtimePeriod: given.number("cpu-rt-period"),
      realtimeRuntime: given.number("cpu-rt-runtime"),
      idle: given.number("cpu-idle"),
      cpus: given.text("cpuset-cpus"),
      mems: given.text("cpuset-mems"),
    },
    blockIO: { weight: given.number("blkio-weight") },
    ...(pids !== undefined && { pids: { limit: pids } }),
  };
}

/** The text of --resources. */
async function readAll(path: string): Promise<string> {
  if (path === "-") return await new Response(Deno.stdin.readable).text();
  return Deno.readTextFileSync(path);
}

/** `update`. */
export const UPDATE: OciCommand = {
  summary: "change the limits of a container",
  usage: "[command options] <container-id>",
  options: OPTIONS,
  args: [1, 1],
  run: async ({ store, warn }, given) => {
    const file = given.text("resources");
    const resources = file ? parseResources(await readAll(file)) : fromOptions(given);
    if (given.text("kernel-memory")) {
      warn("kernel memory is not limited: the kernel has no such limit any more");
    }
    await updateContainer(store, given.rest[0], resources, warn);
    return 0;
  },
};
