/**
 * Health checks of a container whose client was killed after the launch and before it came to start
 * them: the next command that looks at the container starts them.
 */
import { lockFile } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import { lockContainer } from "./containers.ts";
import { hasHealthCheck, healthFile } from "./health_state.ts";
import { stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

/** Is there a program that makes the checks of container `id`, which runs? */
function isWatched(id: string): boolean {
  using free = lockFile(healthFile(id), false);
  return free === undefined;
}

/** Starts the health checks of a container that runs without. */
export async function mendHealthChecks(record: ContainerRecord): Promise<void> {
  const { Id: id } = record;
  if (!hasHealthCheck(record) || stateOf(id).kind !== "running" || isWatched(id)) return;
  using lock = tryToLock(id); // who starts the container has it until its checks are started
  if (lock === undefined || stateOf(id).kind !== "running" || isWatched(id)) return;
  const { startHealthChecks } = await import("./health.ts");
  startHealthChecks(record);
}

function tryToLock(id: string) {
  try {
    return lockContainer(id, false);
  } catch (error) {
    if (error instanceof UserError) return undefined; // removed meanwhile
    throw error;
  }
}
