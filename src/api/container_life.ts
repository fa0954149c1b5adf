/** Containers as lives: started, stopped, signalled, waited for, removed. */
import { UserError } from "../base/errors.ts";
import { cleanUp } from "../engine/cleanup.ts";
import { readRecord } from "../engine/containers.ts";
import { startExisting } from "../engine/run.ts";
import { stateOf } from "../engine/state.ts";
import { killContainer, removeContainer, stopContainer } from "../engine/stop.ts";
import { type WaitCondition, waitForCondition } from "../engine/wait.ts";
import { containerId } from "./containers.ts";
import { type Exchange, JSON_TYPE } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

/** POST /containers/{id}/start. */
export async function start(exchange: Exchange): Promise<void> {
  const id = containerId(exchange);
  try {
    const container = await startExisting(id, false);
    container?.started.client[Symbol.dispose]();
    await exchange.empty(container === undefined ? 304 : 204);
  } catch (error) {
    await removeFailed(id);
    throw error;
  }
}

/** What was made with --rm and could not be started goes, as after an end. */
async function removeFailed(id: string): Promise<void> {
  try {
    if (!readRecord(id).HostConfig.AutoRemove) return;
    await removeContainer(id, { force: false, volumes: true });
  } catch (error) {
    if (!(error instanceof UserError)) throw error; // it is gone, or runs by another client
  }
}

const CONDITIONS: readonly string[] = ["not-running", "next-exit", "removed"];

/** POST /containers/{id}/wait. The head comes when the wait has begun, the body at the end. */
export async function wait(exchange: Exchange): Promise<void> {
  const condition = exchange.query.text("condition") || "not-running";
  if (!CONDITIONS.includes(condition)) {
    throw new ApiError(400, `invalid condition: "${condition}"`);
  }
  const ended = waitFor(containerId(exchange), condition as WaitCondition);
  ended.catch(() => {}); // told below
  const answer = await exchange.start(200, JSON_TYPE);
  const code = await Promise.race([ended, exchange.gone]);
  if (code === undefined) return;
  await answer.write(JSON.stringify({ StatusCode: code }) + "\n");
  await answer.end();
}

/** Who knows of an end finds it told and cleaned up, as with docker's daemon. */
async function waitFor(id: string, condition: WaitCondition): Promise<number> {
  const code = await waitForCondition(id, condition);
  if (condition === "not-running") await cleanUp(id);
  return code;
}

/** `t` and `signal` of a request. */
function stopWish({ query }: Exchange): { signal?: string; timeoutSeconds?: number } {
  const signal = query.text("signal"), timeoutSeconds = query.integer("t");
  return {
    ...(signal !== "" && { signal }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
  };
}

/** POST /containers/{id}/stop. */
export async function stop(exchange: Exchange): Promise<void> {
  const id = containerId(exchange);
  const { kind } = stateOf(id);
  await stopContainer(id, stopWish(exchange));
  await exchange.empty(kind === "running" || kind === "restarting" ? 204 : 304);
}

/** POST /containers/{id}/restart. */
export async function restart(exchange: Exchange): Promise<void> {
  const { restartContainer } = await import("../engine/restart.ts");
  await restartContainer(containerId(exchange), stopWish(exchange));
  await exchange.empty(204);
}

/** POST /containers/{id}/kill. */
export async function kill(exchange: Exchange): Promise<void> {
  await killContainer(exchange.parts.id, exchange.query.text("signal") || "SIGKILL");
  await exchange.empty(204);
}

/** POST /containers/{id}/pause. */
export async function pause(exchange: Exchange): Promise<void> {
  (await import("../engine/pause.ts")).pauseContainer(containerId(exchange));
  await exchange.empty(204);
}

/** POST /containers/{id}/unpause. */
export async function unpause(exchange: Exchange): Promise<void> {
  (await import("../engine/pause.ts")).unpauseContainer(containerId(exchange));
  await exchange.empty(204);
}

/** DELETE /containers/{id}. */
export async function remove(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  if (query.flag("link")) {
    throw new ApiError(
      501,
      "Cannot remove a link: links are names in their container's hosts file",
    );
  }
  const wish = { force: query.flag("force"), volumes: query.flag("v") };
  await removeContainer(containerId(exchange), wish);
  await exchange.empty(204);
}
