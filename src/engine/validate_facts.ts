/** The facts of this machine that validate() asks for; read only when it does. */
import { isAbsent, readIfThere } from "../base/files.ts";
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
      try {
        Deno.lstatSync(path);
        return true;
      } catch (error) {
        if (isAbsent(error)) return false;
        throw error;
      }
    },
  };
}
