/** Which limits this kernel takes, for `info`: found by the files that limits are written to. */
import { lstatIfThere } from "../base/files.ts";
import { isRootless } from "../base/places.ts";
import { delegatedCgroup } from "../runtime/cgroup.ts";
import {
  cgroupDirectory,
  type CgroupLayout,
  cgroupLayout,
  hierarchyOf,
} from "../runtime/cgroup_layout.ts";
import { readControl } from "../runtime/cgroup_files.ts";
import { LIMITS } from "../runtime/cgroup_table.ts";

/** Controllers of the kernel, as its documentation lists them; v2 has three of v1 without a name. */
const CONTROLLERS = {
  1: "blkio cpu cpuacct cpuset devices freezer hugetlb memory misc net_cls net_prio perf_event " +
    "pids rdma",
  2: "cpu cpuset hugetlb io memory misc pids rdma",
};

/** What `info` says of cgroups. */
export interface LimitFacts {
  /** docker's keys: "MemoryLimit", "CPUSet" … */
  readonly limits: Readonly<Record<string, boolean>>;
  readonly controllers: readonly string[];
  readonly missing: readonly string[];
  /** Whether containers get a cgroup. */
  readonly usable: boolean;
  /** docker's lines for what is not there. */
  readonly warnings: readonly string[];
}

/** Tells whether a control file exists in any cgroup; undefined: there is no cgroup to look in. */
type FileTest = (controller: string, file: string) => boolean | undefined;

/** Keys of docker's /info, the field of the limit behind each, and docker's word for its lack. */
const KEYS: readonly [key: string, field: string, lack: string][] = [
  ["MemoryLimit", "memory.limit", "memory limit"],
  ["SwapLimit", "memory.swap", "swap limit"],
  ["OomKillDisable", "memory.disableOOMKiller", "oom kill disable"],
  ["CpuCfsQuota", "cpu.quota", "cpu cfs quota"],
  ["CpuCfsPeriod", "cpu.period", "cpu cfs period"],
  ["CPUShares", "cpu.shares", "cpu shares"],
  ["CPUSet", "cpu.cpus", "cpuset"],
  ["PidsLimit", "pids.limit", "pids limit"],
];

/** Limits of block devices: docker has no key for them, only warnings. */
const BLOCK_FIELDS: readonly [field: string, v1: string, v2: string][] = [
  ["blockIO.weight", "blkio weight", "io.weight"],
  ["blockIO.weightDevice", "blkio weight_device", "io.weight (per device)"],
  ["blockIO.throttleReadBpsDevice", "blkio throttle.read_bps_device", "io.max (rbps)"],
  ["blockIO.throttleWriteBpsDevice", "blkio throttle.write_bps_device", "io.max (wbps)"],
  ["blockIO.throttleReadIOPSDevice", "blkio throttle.read_iops_device", "io.max (riops)"],
  ["blockIO.throttleWriteIOPSDevice", "blkio throttle.write_iops_device", "io.max (wiops)"],
];

/** Derives the facts from the version, the controllers and the files that exist. Pure. */
export function limitFacts(
  version: 1 | 2 | undefined,
  controllers: readonly string[],
  hasFile: FileTest,
): LimitFacts {
  const takes = (field: string): boolean => {
    const limit = LIMITS.find((row) => row.field === field);
    const targets = limit === undefined || version === undefined ? [] : limit[`v${version}`];
    return targets.some(({ controller, file }) =>
      controllers.includes(controller) && hasFile(controller, file) !== false
    );
  };
  const lacks = [
    // v2 has no such switch, on any kernel: docker does not warn of it.
    ...KEYS.filter(([key, field]) => !takes(field) && !(version === 2 && key === "OomKillDisable"))
      .map(([, , lack]) => lack),
    ...BLOCK_FIELDS.filter(([field]) => !takes(field))
      .map(([, v1, v2]) => version === 2 ? v2 : v1),
  ];
  const known = version === undefined ? [] : CONTROLLERS[version].split(" ");
  return {
    limits: Object.fromEntries(KEYS.map(([key, field]) => [key, takes(field)])),
    controllers,
    usable: version !== undefined,
    missing: known.filter((name) => !controllers.includes(name)),
    warnings: version === undefined
      ? ["WARNING: No cgroups are mounted: there are no limits, pause and stats"]
      : lacks.map((lack) => `WARNING: No ${lack} support`),
  };
}

/** docker's words to an ordinary user who may make no cgroup. */
const ROOTLESS = "WARNING: Running in rootless-mode without cgroups. ";
const ROOTLESS_V1 =
  "To enable cgroups in rootless-mode, you need to boot the system in cgroup v2 mode.";
const ROOTLESS_V2 = "Systemd is required to enable cgroups in rootless-mode.";

/** The facts of this machine, for an ordinary user those of what was delegated to him. */
export function machineLimits(): LimitFacts {
  const layout = cgroupLayout();
  const delegated = isRootless() ? delegatedCgroup() : "/";
  if (layout.version !== undefined && delegated === undefined) {
    const facts = limitFacts(undefined, [], () => false);
    const hint = layout.version === 1 ? ROOTLESS_V1 : ROOTLESS_V2;
    return { ...facts, warnings: [ROOTLESS + hint] };
  }
  const controllers = controllersOf(layout, delegated ?? "/").sort();
  return limitFacts(layout.version, controllers, (controller, file) => {
    const hierarchy = hierarchyOf(layout, controller);
    return hierarchy !== undefined && fileIn(cgroupDirectory(hierarchy, delegated ?? "/"), file);
  });
}

function controllersOf(layout: CgroupLayout, path: string): string[] {
  if (layout.version !== 2) return layout.hierarchies.flatMap(({ controllers }) => controllers);
  const directory = cgroupDirectory(layout.hierarchies[0], path);
  const text = readControl(`${directory}/cgroup.controllers`) ?? "";
  return text.split(/\s+/).filter((word) => word !== "");
}

/** Whether the root has the file, or any cgroup in it: the root lacks most of its limits. */
function fileIn(mount: string, file: string): boolean | undefined {
  if (exists(`${mount}/${file}`)) return true;
  const prefix = file.slice(0, file.indexOf(".") + 1);
  let looked = false;
  for (const { name, isDirectory } of Deno.readDirSync(mount)) {
    if (!isDirectory) continue;
    if (exists(`${mount}/${name}/${file}`)) return true;
    // On v2 a cgroup has the files of those controllers alone that its parent switched on.
    looked ||= hasPrefix(`${mount}/${name}`, prefix);
  }
  return looked ? false : undefined;
}

function hasPrefix(directory: string, prefix: string): boolean {
  try {
    return Array.from(Deno.readDirSync(directory)).some(({ name }) => name.startsWith(prefix));
  } catch {
    return false; // removed meanwhile
  }
}

const exists = (path: string) => lstatIfThere(path) !== undefined;
