/** All that decides the health checks of a container. */
import type { ExecPlan } from "./exec.ts";
import type { Command } from "../base/self.ts";

/** When to check, and what is a failure. Times in nanoseconds. */
export interface HealthTimes {
  readonly intervalNs: number;
  readonly timeoutNs: number;
  /** Failures do not count so long after the start, unless a check has succeeded. */
  readonly startPeriodNs: number;
  readonly startIntervalNs: number;
  readonly retries: number;
}

/** All that decides the program. Descriptors are numbers as in the process that starts it. */
export interface HealthPlan {
  readonly times: HealthTimes;
  /** The check; its streams are ignored. */
  readonly exec: ExecPlan;
  /** A cgroup2 directory that the check is born in. */
  readonly cgroup?: number;
  /** Opened for writing: gets the records. */
  readonly file: number;
  readonly nullFile: number;
  /** A file of the cgroup that starts with `thawed` unless the container is paused. */
  readonly freezer?: { readonly fd: number; readonly thawed: string };
  /** Executed when the health became healthy or unhealthy. */
  readonly onHealthy: Command;
  readonly onUnhealthy: Command;
}
