/** Containers' settings: another name, other limits; and the end of those that nobody needs. */
import { sweep } from "../engine/cleanup.ts";
import { pruneContainers } from "../engine/prune_containers.ts";
import { renameContainer } from "../engine/rename.ts";
import type { RestartPolicy } from "../engine/types.ts";
import { updateContainer } from "../engine/update.ts";
import type { LimitChanges } from "../engine/update_limits.ts";
import { containerId } from "./containers.ts";
import { pick, RESOURCES, RESTART_POLICY } from "./create_body.ts";
import { type Exchange, orNull } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

/** POST /containers/{id}/rename. */
export async function rename(exchange: Exchange): Promise<void> {
  const name = exchange.query.text("name");
  if (name === "") throw new ApiError(400, "Neither old nor new names may be empty");
  await renameContainer(containerId(exchange), name);
  await exchange.empty(204);
}

/** What cannot be changed is not looked at, as in docker. */
const LIMITS: readonly (keyof LimitChanges)[] = [
  "BlkioDeviceReadBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceWriteIOps",
  "BlkioWeight",
  "BlkioWeightDevice",
  "CpuPeriod",
  "CpuQuota",
  "CpuRealtimePeriod",
  "CpuRealtimeRuntime",
  "CpuShares",
  "CpusetCpus",
  "CpusetMems",
  "Memory",
  "MemoryReservation",
  "MemorySwap",
  "NanoCpus",
  "PidsLimit",
];

/** POST /containers/{id}/update. */
export async function update(exchange: Exchange): Promise<void> {
  const body = await exchange.body.json();
  const known = { ...RESOURCES, RestartPolicy: RESTART_POLICY };
  const asked = pick<LimitChanges & { RestartPolicy: RestartPolicy }>(body, known, "Update");
  const limits: LimitChanges = Object.fromEntries(LIMITS.map((name) => [name, asked[name]]));
  const { Name = "", MaximumRetryCount = 0 } = asked.RestartPolicy ?? {};
  const warnings = await updateContainer(containerId(exchange), {
    limits: {
      ...limits,
      // docker keeps "no limit" as 0.
      ...(typeof asked.PidsLimit === "number" && { PidsLimit: Math.max(0, asked.PidsLimit) }),
    },
    ...(Name && { restartPolicy: { Name, MaximumRetryCount } }),
    publishAdd: {},
    publishRemove: [],
  });
  await exchange.json(200, { Warnings: orNull(warnings) });
}

/** POST /containers/prune. */
export async function prune(exchange: Exchange): Promise<void> {
  const filters = exchange.query.filters(["label", "label!", "until"]);
  await sweep();
  const { ids, bytes } = await pruneContainers(filters);
  await exchange.json(200, { ContainersDeleted: orNull(ids), SpaceReclaimed: bytes });
}
