/** Volumes: listed, looked at, made, removed. */
import { booleanFilter } from "../base/filter.ts";
import { newId } from "../engine/containers.ts";
import { emitVolumeEvent } from "../engine/events.ts";
import { inspectVolume, shownVolume } from "../engine/inspect_volume.ts";
import { pruneVolumes } from "../engine/prune_volumes.ts";
import { VOLUME_FILTERS, volumesWanted } from "../engine/volume_listing.ts";
import { createVolume, findVolume, removeVolume } from "../engine/volumes.ts";
import { map, text } from "../image/shape.ts";
import { pick } from "./create_body.ts";
import type { Exchange } from "./exchange.ts";

/** From here on `prune` takes volumes without a name only, unless it is told otherwise. */
const ANONYMOUS_SINCE = 42;

/** GET /volumes. */
export async function list(exchange: Exchange): Promise<void> {
  const warnings: string[] = [];
  const found = volumesWanted(
    exchange.query.filters(VOLUME_FILTERS),
    (error) => warnings.push(error.message),
  );
  await exchange.json(200, {
    Volumes: found.map(shownVolume),
    Warnings: warnings.length > 0 ? warnings : null,
  });
}

/** GET /volumes/{name}. */
export async function inspect(exchange: Exchange): Promise<void> {
  await exchange.json(200, inspectVolume(exchange.parts.name));
}

interface VolumeBody {
  readonly Name: string;
  readonly Driver: string;
  readonly DriverOpts: Record<string, string>;
  readonly Labels: Record<string, string>;
}

/** POST /volumes/create. One that is there already is fine. */
export async function create(exchange: Exchange): Promise<void> {
  const shapes = { Name: text, Driver: text, DriverOpts: map(text), Labels: map(text) };
  const body = pick<VolumeBody>(await exchange.body.json(), shapes, "Volume");
  const name = body.Name || newId();
  const { isNew } = createVolume(name, {
    driver: body.Driver || "local",
    options: body.DriverOpts ?? {},
    labels: body.Labels ?? {},
    anonymous: !body.Name,
  });
  if (isNew) emitVolumeEvent(name, "create");
  await exchange.json(201, inspectVolume(name));
}

/** DELETE /volumes/{name}. */
export async function remove(exchange: Exchange): Promise<void> {
  const { parts: { name }, query } = exchange;
  if (!query.flag("force") || findVolume(name) !== undefined) {
    await removeVolume(name);
    emitVolumeEvent(name, "destroy");
  }
  await exchange.empty(204);
}

/** POST /volumes/prune. */
export async function prune(exchange: Exchange): Promise<void> {
  const filters = exchange.query.filters(["all", "label", "label!"]);
  const all = exchange.minor < ANONYMOUS_SINCE || booleanFilter(filters, "all") === true;
  const { names, bytes } = await pruneVolumes(all, filters);
  await exchange.json(200, { VolumesDeleted: names, SpaceReclaimed: bytes });
}
