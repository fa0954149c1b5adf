/** Starts and ends containers in the test's own process, where calls can be made to fail. */
import { SIGKILL } from "../../ffi/constants.ts";
import { sys } from "../../ffi/libc.ts";
import type { Step } from "../../ffi/program.ts";
import { cleanUp } from "../../src/engine/cleanup.ts";
import { lockContainer } from "../../src/engine/containers.ts";
import { startContainer, type StartedContainer } from "../../src/engine/start.ts";
import { stateOf } from "../../src/engine/state.ts";
import type { ContainerRecord } from "../../src/engine/types.ts";
import { waitFor } from "./engine.ts";

/** Starts a container; `alterSteps` may replace what its first process does. */
export async function start(
  record: ContainerRecord,
  alterSteps?: (steps: readonly Step[]) => readonly Step[],
): Promise<StartedContainer> {
  using lock = lockContainer(record.Id);
  return await startContainer(record, lock, { attached: false, warn: () => {}, alterSteps });
}

/** Kills a container's first process, waits for its end and cleans up after it. */
export async function stop({ record, started }: StartedContainer): Promise<void> {
  sys("kill", started.pid, SIGKILL);
  await waitFor(() => stateOf(record.Id).kind !== "running");
  await cleanUp(record.Id);
  started.client.acknowledge();
  started.client[Symbol.dispose]();
}
