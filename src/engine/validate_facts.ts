/** The facts of this machine that validate() asks for; read only when it does. */
import { lstatIfThere, readIfThere } from "../base/files.ts";
import type { HostFacts } from "./validate_limits.ts";

function kernelList(path: string): string {
  return readIfThere(path)?.trim() || "0";
}

/** This machine. */
export function hostFacts(): HostFacts {
  return {
    get cpus() {
      return navigator.hardwareConcurrency;
    },
    get cpuList() {
      return kernelList("/sys/devices/system/cpu/online");
    },
    get memoryNodeList() {
      return kernelList("/sys/devices/system/node/online");
    },
    exists(path) {
      return lstatIfThere(path) !== undefined;
    },
  };
}
