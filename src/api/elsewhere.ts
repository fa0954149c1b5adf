/** What docker's daemon does and Diplodock does not: said in docker's words or clearly. */
import type { Exchange } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

/** Everything of a swarm. */
export function swarm(_exchange: Exchange): Promise<void> {
  throw new ApiError(
    503,
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect ' +
      "this node to swarm and try again.",
  );
}

/** GET /plugins: there are none. */
export async function plugins(exchange: Exchange): Promise<void> {
  await exchange.json(200, []);
}

/** GET /distribution/{name}/json. */
export function distribution(_exchange: Exchange): Promise<void> {
  throw new ApiError(501, "registries are not asked over the API: run diplodock manifest inspect");
}

/** GET /system/df. */
export function diskUsage(_exchange: Exchange): Promise<void> {
  throw new ApiError(501, "disk usage is not told over the API: run diplodock system df");
}

/** POST /session: what docker's builder asks its client for. */
export function session(_exchange: Exchange): Promise<void> {
  throw new ApiError(
    501,
    "there is no session of a builder: set DOCKER_BUILDKIT=0, or run diplodock build",
  );
}
