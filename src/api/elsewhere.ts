/** What docker's daemon does and Diplodock does not: said in docker's words or clearly. */
import type { Exchange } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

/** What needs a swarm. */
export function swarm(_exchange: Exchange): Promise<void> {
  throw new ApiError(
    503,
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect ' +
      "this node to swarm and try again.",
  );
}

/** POST /swarm/leave. */
export function leaveSwarm(_exchange: Exchange): Promise<void> {
  throw new ApiError(503, "This node is not part of a swarm");
}

/** POST /swarm/init, /swarm/join: docker's daemon would make or join one. */
export function makeSwarm(_exchange: Exchange): Promise<void> {
  throw new ApiError(501, "there is no swarm: Diplodock has containers of one machine");
}

/** GET /plugins: there are none. */
export async function plugins(exchange: Exchange): Promise<void> {
  await exchange.json(200, []);
}

/** One plugin, and what is to be done with it. */
export function plugin({ parts: { name } }: Exchange): Promise<void> {
  throw new ApiError(404, `plugin "${name}" not found`);
}

/** POST /plugins/pull and /plugins/create. */
export function addPlugin(_exchange: Exchange): Promise<void> {
  throw new ApiError(501, "there are no plugins: what drivers do is part of Diplodock");
}

/** POST /session: what docker's builder asks its client for. */
export function session(_exchange: Exchange): Promise<void> {
  throw new ApiError(
    501,
    "there is no session of a builder: set DOCKER_BUILDKIT=0, or run diplodock build",
  );
}
