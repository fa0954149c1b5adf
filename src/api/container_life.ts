/** Containers as lives: started, stopped, signalled, waited for, removed. */
import { UserError } from "../base/errors.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { startExisting } from "../engine/run.ts";
import { removeContainer } from "../engine/stop.ts";
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
  const ended = waitForCondition(resolveContainer(exchange.parts.id), condition as WaitCondition);
  ended.catch(() => {}); // told below
  const answer = await exchange.start(200, JSON_TYPE);
  const code = await Promise.race([ended, exchange.gone]);
  if (code === undefined) return;
  await answer.write(JSON.stringify({ StatusCode: code }) + "\n");
  await answer.end();
}
