/** What a container's health checks have said since its start: read from their records. */
import { readBytesIfThere, writeAtomic } from "../base/files.ts";
import { containerDirectory, containerRunDirectory } from "../base/places.ts";
import { formatTime } from "../base/time.ts";
import { parseHealthRecords } from "../runtime/health_records.ts";
import type { ContainerRecord } from "./types.ts";

/** One check that was made. */
export interface HealthCheckResult {
  /** RFC 3339 with nanoseconds. */
  Start: string;
  End: string;
  ExitCode: number;
  Output: string;
}

/** `State.Health` of `inspect`. */
export interface Health {
  Status: "starting" | "healthy" | "unhealthy";
  /** Failures in a row. */
  FailingStreak: number;
  /** The last five, oldest first. */
  Log: HealthCheckResult[];
}

/** The file of the health program of container `id`; its form: runtime/health_records.ts. */
export function healthFile(id: string): string {
  return `${containerRunDirectory(id)}/health`;
}

/** Whether the container has a health check at all. */
export function hasHealthCheck({ Config: { Healthcheck } }: ContainerRecord): boolean {
  const test = Healthcheck?.Test ?? [];
  return test.length > 0 && test[0] !== "NONE";
}

/** What stays of the checks of a run that has ended. */
function keptFile(id: string): string {
  return `${containerDirectory(id)}/health`;
}

/** Keeps what the checks said, for `inspect`, when the run is being cleaned up. */
export function keepHealth(id: string): void {
  const bytes = readBytesIfThere(healthFile(id));
  if (bytes !== undefined) writeAtomic(keptFile(id), bytes);
}

/**
 * The health of a container: of this run, or of the last one. Undefined: it has no check, or was
 * never started.
 */
export function readHealth(record: ContainerRecord, isRunning: boolean): Health | undefined {
  if (!hasHealthCheck(record)) return undefined;
  if (isRunning) return deriveHealth(readBytesIfThere(healthFile(record.Id)) ?? new Uint8Array(0));
  const kept = readBytesIfThere(keptFile(record.Id));
  return kept && deriveHealth(kept);
}

/** The health that a file of records tells of; without any it is starting. */
export function deriveHealth(file: Uint8Array<ArrayBuffer>): Health {
  const records = parseHealthRecords(file);
  const last = records.at(-1);
  return {
    Status: last?.status ?? "starting",
    FailingStreak: last?.failingStreak ?? 0,
    Log: records.map(({ startNs, endNs, exitCode, output }) => ({
      Start: formatTime(startNs),
      End: formatTime(endNs),
      ExitCode: exitCode,
      Output: output,
    })),
  };
}
