/** Images: listed, looked at, named, removed, looked for. */
import { untilMillis } from "../base/filter.ts";
import { parseTime } from "../base/time.ts";
import { IMAGE_FILTERS, imagesWanted } from "../engine/image_listing.ts";
import { imageStore, labelsOf, noteTag } from "../engine/image_notes.ts";
import { containersUsing, tellRemoved } from "../engine/image_users.ts";
import { PRUNE_FILTERS, pruneUnusedImages, wantsAll } from "../engine/prune_images.ts";
import { historyOf, inspectImage } from "../image/inspect.ts";
import { type ListedImage, sizeOf } from "../image/list.ts";
import { tagImage } from "../image/names.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import { type Removal, removeImage } from "../image/remove.ts";
import { SEARCH_FILTERS, searchImages } from "../image/search.ts";
import type { Exchange } from "./exchange.ts";

/** Until then a size had an older name beside it. */
const NO_VIRTUAL_SIZE_SINCE = 44;

const seconds = (time: string | undefined) =>
  Number((parseTime(time ?? "") ?? 0n) / 1_000_000_000n);

/** Full names as people write them. */
const familiar = (names: readonly string[]) =>
  names.map((name) => familiarName(parseReference(name))).sort();

/** docker's row of an image. */
export function imageRow(image: ListedImage, minor: number): object {
  const { record } = image;
  const size = sizeOf(record);
  return {
    Containers: -1,
    Created: seconds(record.config.created),
    Id: record.id,
    Labels: record.config.config?.Labels ?? null,
    ParentId: record.parent ?? "",
    RepoDigests: familiar(image.digests),
    RepoTags: familiar(image.tags),
    SharedSize: -1,
    Size: size,
    ...(minor < NO_VIRTUAL_SIZE_SINCE && { VirtualSize: size }),
  };
}

/** GET /images/json. */
export async function list(exchange: Exchange): Promise<void> {
  const { query, minor } = exchange;
  const pattern = query.text("filter") || undefined;
  const found = imagesWanted(
    imageStore(),
    query.filters(IMAGE_FILTERS),
    pattern,
    query.flag("all"),
  );
  await exchange.json(200, found.map((image) => imageRow(image, minor)));
}

/** GET /images/{name}/json. */
export async function inspect(exchange: Exchange): Promise<void> {
  await exchange.json(200, inspectImage(imageStore(), exchange.parts.name));
}

/** GET /images/{name}/history. */
export async function history(exchange: Exchange): Promise<void> {
  const lines = historyOf(imageStore(), exchange.parts.name);
  await exchange.json(
    200,
    lines.map((line) => ({
      Comment: line.comment,
      Created: seconds(line.created),
      CreatedBy: line.createdBy,
      Id: line.id ?? "<missing>",
      Size: line.size,
      Tags: line.tags.length > 0 ? line.tags : null,
    })),
  );
}

/** A repository and a tag of a query as one name. */
export function nameIn({ query }: Exchange, repository: string): string {
  const tag = query.text("tag");
  return tag === "" ? query.text(repository) : `${query.text(repository)}:${tag}`;
}

/** POST /images/{name}/tag. */
export async function tag(exchange: Exchange): Promise<void> {
  const { id, name } = tagImage(imageStore(), exchange.parts.name, nameIn(exchange, "repo"));
  noteTag(id, name, labelsOf(id));
  await exchange.empty(201, { "Content-Length": "0" });
}

const told = (removals: readonly Removal[]) => removals.map(({ kind, what }) => ({ [kind]: what }));

/** DELETE /images/{name}. */
export async function remove(exchange: Exchange): Promise<void> {
  const { parts: { name }, query } = exchange;
  const removed = removeImage(imageStore(), name, {
    force: query.flag("force"),
    prune: !query.flag("noprune"),
    using: containersUsing(),
  });
  tellRemoved(removed);
  await exchange.json(200, told(removed.removals));
}

/** POST /images/prune. */
export async function prune(exchange: Exchange): Promise<void> {
  const filters = exchange.query.filters(PRUNE_FILTERS);
  const { removals, bytes } = pruneUnusedImages(filters, wantsAll(filters), untilMillis(filters));
  await exchange.json(200, {
    ImagesDeleted: removals.length > 0 ? told(removals) : null,
    SpaceReclaimed: bytes,
  });
}

/** GET /images/search. */
export async function search(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const filters = query.filters(SEARCH_FILTERS);
  const found = await searchImages(query.text("term"), query.integer("limit") ?? 25, filters);
  await exchange.json(
    200,
    found.map(({ name, description, stars, official }) => ({
      star_count: stars,
      is_official: official,
      name,
      is_automated: false,
      description,
    })),
  );
}
