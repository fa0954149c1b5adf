/** `--health-*` and `--no-healthcheck`. */
import type { HealthConfig } from "../../engine/types.ts";
import { badFlag } from "./units.ts";

/** The flags as parsed; times in nanoseconds, 0 where not given. */
export interface HealthFlags {
  cmd: string;
  interval: number;
  timeout: number;
  startPeriod: number;
  startInterval: number;
  retries: number;
  none: boolean;
}

/** The health check the flags describe; undefined where none was given (the image's is used). */
export function buildHealth(flags: HealthFlags): HealthConfig | undefined {
  const numbers = {
    interval: flags.interval,
    timeout: flags.timeout,
    retries: flags.retries,
    "start-period": flags.startPeriod,
    "start-interval": flags.startInterval,
  };
  const given = flags.cmd !== "" || Object.values(numbers).some((value) => value !== 0);
  if (flags.none) {
    if (given) badFlag("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!given) return undefined;
  for (const [name, value] of Object.entries(numbers)) {
    if (value < 0) badFlag(`--health-${name} cannot be negative`);
  }
  return {
    ...(flags.cmd !== "" && { Test: ["CMD-SHELL", flags.cmd] }),
    ...(flags.interval && { Interval: flags.interval }),
    ...(flags.timeout && { Timeout: flags.timeout }),
    ...(flags.startPeriod && { StartPeriod: flags.startPeriod }),
    ...(flags.startInterval && { StartInterval: flags.startInterval }),
    ...(flags.retries && { Retries: flags.retries }),
  };
}
