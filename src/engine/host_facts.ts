/** Facts of this machine that defaults depend on; each is looked up once. */
import { namesIn, readIfThere } from "../base/files.ts";

let thermal: string[] | undefined;

/** /sys files of the CPUs that docker masks beside its fixed list. */
export function thermalPaths(): string[] {
  if (thermal !== undefined) return thermal;
  const cpus = "/sys/devices/system/cpu";
  return thermal = namesIn(cpus).filter((name) => /^cpu\d+$/.test(name))
    .map((name) => `${cpus}/${name}/thermal_throttle`)
    .filter((path) => namesIn(path).length > 0);
}

/** 2 when the unified hierarchy is the only one, else 1. */
export function cgroupVersion(): 1 | 2 {
  return readIfThere("/sys/fs/cgroup/cgroup.controllers") === undefined ? 1 : 2;
}

/** The machine's own host name. */
export function hostHostname(): string {
  return Deno.hostname();
}
