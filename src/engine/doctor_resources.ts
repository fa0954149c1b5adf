/** Trials of cgroups: each limit is set on a group that is made for it and removed. */
import { UserError } from "../base/errors.ts";
import { createCgroup, removeCgroup } from "../runtime/cgroup.ts";
import { freezeCgroup, thawCgroup } from "../runtime/cgroup_processes.ts";
import { freezerOf } from "../runtime/freezer.ts";
import type { Resources } from "../runtime/spec_types.ts";
import { Lacking, type Trial } from "./doctor.ts";

const REMEDY = "mount or delegate the controller, or use a kernel that has it; " +
  "else the limit is left out with a warning";
let groups = 0;

async function withLimits(resources: Resources): Promise<string | undefined> {
  const { cgroup, warnings } = await createCgroup(
    `/diplodock/doctor-${Deno.pid}-${groups++}`,
    resources,
  );
  await removeCgroup(cgroup);
  if (cgroup.version === undefined) throw new Lacking(warnings[0] ?? "no cgroup can be made");
  if (warnings.length > 0) throw new Lacking(warnings.join("; "));
  return undefined;
}

async function freezing(): Promise<undefined> {
  const { cgroup } = await createCgroup(`/diplodock/doctor-${Deno.pid}-${groups++}`, {});
  try {
    if (freezerOf(cgroup) === undefined) throw new UserError("no hierarchy has the freezer");
    freezeCgroup(cgroup);
    thawCgroup(cgroup);
  } finally {
    await removeCgroup(cgroup);
  }
}

const limit = (feature: string, flags: string, resources: Resources): Trial => ({
  feature,
  flags,
  remedy: REMEDY,
  run: () => withLimits(resources),
});

/** One for each controller. */
export const RESOURCE_TRIALS: readonly Trial[] = [
  {
    feature: "cgroup of its own",
    flags: "all limits, pause, stats, kill of all processes",
    remedy: "mount cgroup v2 at /sys/fs/cgroup, or have a part of it delegated",
    run: () => withLimits({}),
  },
  limit("memory limit", "-m", { memory: { limit: 64 << 20 } }),
  limit("swap limit", "--memory-swap", { memory: { limit: 64 << 20, swap: 128 << 20 } }),
  limit("CPU quota", "--cpus, --cpu-quota", { cpu: { quota: 50_000, period: 100_000 } }),
  limit("CPU weight", "--cpu-shares", { cpu: { shares: 512 } }),
  limit("CPU set", "--cpuset-cpus", { cpu: { cpus: "0" } }),
  limit("process limit", "--pids-limit", { pids: { limit: 64 } }),
  limit("I/O weight", "--blkio-weight", { blockIO: { weight: 300 } }),
  limit("huge page limit", "OCI hugepageLimits", {
    hugepageLimits: [{ pageSize: "2MB", limit: 1 << 21 }],
  }),
  limit("device rules", "--device, all of run", { devices: [{ allow: false, access: "rwm" }] }),
  { feature: "freezer", flags: "pause, unpause", remedy: REMEDY, run: freezing },
];
