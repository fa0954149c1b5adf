/** GET /system/df: what takes room. */
import { nowNanoseconds } from "../base/time.ts";
import { cacheEntries } from "../build/prune.ts";
import { imageStore } from "../engine/image_notes.ts";
import { shownVolume } from "../engine/inspect_volume.ts";
import { measureContainers, measureImages, measureVolumes, sum } from "../engine/usage.ts";
import { cacheRow } from "./build_cache.ts";
import { containerRow } from "./containers.ts";
import { type Exchange, orNull } from "./exchange.ts";
import { ApiError } from "./http_head.ts";
import { imageRow } from "./images.ts";

/** From here on `type` says what is measured. */
const TYPES_SINCE = 42;
const TYPES = ["container", "image", "volume", "build-cache"];

/** What the request wants measured; all without a word of it. Throws ApiError 400. */
function wantedOf({ query, minor }: Exchange): readonly string[] {
  const asked = minor < TYPES_SINCE ? [] : query.all("type");
  const unknown = asked.find((one) => !TYPES.includes(one));
  if (unknown !== undefined) throw new ApiError(400, `unknown object type: ${unknown}`);
  return asked.length > 0 ? asked : TYPES;
}

async function containers() {
  const now = nowNanoseconds();
  return (await measureContainers()).map(({ listed }) => containerRow(listed, now));
}

function images(minor: number) {
  const { images, layerBytes } = measureImages();
  const rows = images.map(({ image, users, shared }) => ({
    ...imageRow(image, minor),
    Containers: users,
    SharedSize: shared,
  }));
  return { Images: rows, LayersSize: layerBytes };
}

function volumes() {
  return measureVolumes((error) => console.error(error.message)).map(({ record, size, users }) => ({
    ...shownVolume(record),
    UsageData: { RefCount: users, Size: size },
  }));
}

function cache(minor: number) {
  const entries = cacheEntries(imageStore());
  const isOld = minor < TYPES_SINCE;
  return {
    BuildCache: orNull(entries.map((entry) => cacheRow(entry, minor))),
    ...(isOld && { BuilderSize: sum(entries.map((entry) => entry.size)) }),
  };
}

/** GET /system/df. */
export async function diskUsage(exchange: Exchange): Promise<void> {
  const { minor } = exchange;
  const wanted = wantedOf(exchange);
  const nothing = {
    LayersSize: 0,
    Images: null,
    Containers: null,
    Volumes: null,
    BuildCache: null,
  };
  await exchange.json(200, {
    ...nothing,
    ...(wanted.includes("image") && images(minor)),
    ...(wanted.includes("container") && { Containers: await containers() }),
    ...(wanted.includes("volume") && { Volumes: volumes() }),
    ...(wanted.includes("build-cache") && cache(minor)),
  });
}
