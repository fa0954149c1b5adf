/** Images: listed, looked at, named, removed, looked for. */
import { untilMillis } from "../base/filter.ts";
import { parseTime } from "../base/time.ts";
import { emptyContainerConfig } from "../engine/host_config.ts";
import { IMAGE_FILTERS, imagesWanted } from "../engine/image_listing.ts";
import { imageStore, labelsOf, noteTag } from "../engine/image_notes.ts";
import { containersUsing, tellRemoved } from "../engine/image_users.ts";
import { PRUNE_FILTERS, pruneUnusedImages, wantsAll } from "../engine/prune_images.ts";
import { historyOf, inspectImage } from "../image/inspect.ts";
import { type ListedImage, sizeOf } from "../image/list.ts";
import { newTagName, tagImage } from "../image/names.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import { type Removal, removeImage } from "../image/remove.ts";
import { SEARCH_FILTERS, searchImages } from "../image/search.ts";
import { type Exchange, orNull } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

/** From then on a size has no older name beside it. */
const NO_VIRTUAL_SIZE_SINCE = 44;
/** From then on what has no name has no names. */
const NO_NONE_SINCE = 43;
/** Until then `filter` was a name. */
const NO_FILTER_SINCE = 41;
/** Since then an image is told with its manifest. */
const DESCRIPTOR_SINCE = 48;

const seconds = (time: string | undefined) =>
  Number((parseTime(time ?? "") ?? 0n) / 1_000_000_000n);

/** Full names as people write them. */
const familiar = (names: readonly string[]) =>
  names.map((name) => familiarName(parseReference(name))).sort();

/** The names of an image, as clients of the version know them. */
function names({ digests, tags }: ListedImage, minor: number): object {
  const RepoDigests = familiar(digests), RepoTags = familiar(tags);
  if (minor >= NO_NONE_SINCE) return { RepoDigests, RepoTags };
  if (RepoTags.length + RepoDigests.length === 0) {
    return { RepoDigests: ["<none>@<none>"], RepoTags: ["<none>:<none>"] };
  }
  return { RepoDigests: orNull(RepoDigests), RepoTags: orNull(RepoTags) };
}

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
    ...names(image, minor),
    SharedSize: -1,
    Size: size,
    ...(minor < NO_VIRTUAL_SIZE_SINCE && { VirtualSize: size }),
  };
}

/** GET /images/json. */
export async function list(exchange: Exchange): Promise<void> {
  const { query, minor } = exchange;
  const pattern = minor < NO_FILTER_SINCE ? query.text("filter") || undefined : undefined;
  const found = imagesWanted(
    imageStore(),
    query.filters(IMAGE_FILTERS),
    pattern,
    query.flag("all"),
  );
  await exchange.json(200, found.map((image) => imageRow(image, minor)));
}

/** The name in the path. Throws BadNameError for what is none, and no id. */
function nameOf({ parts: { name } }: Exchange): string {
  if (!/^[0-9a-f]{64}$/.test(name)) parseReference(name);
  return name;
}

/** GET /images/{name}/json. */
export async function inspect(exchange: Exchange): Promise<void> {
  const { minor } = exchange;
  const { Descriptor, ...image } = inspectImage(imageStore(), nameOf(exchange));
  await exchange.json(200, {
    ...image,
    // docker leaves the container in which an image was made away since 1.45. docker-compose 1
    // takes any version, and fails without it when it makes a container anew.
    Container: "",
    ContainerConfig: emptyContainerConfig(""),
    ...(minor < NO_VIRTUAL_SIZE_SINCE && { VirtualSize: image.Size }),
    ...(minor >= DESCRIPTOR_SINCE && { Descriptor }),
  });
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
  if (tag !== "" && !/^\w[\w.-]{0,127}$/.test(tag)) throw new ApiError(400, "invalid tag format");
  return tag === "" ? query.text(repository) : `${query.text(repository)}:${tag}`;
}

/** POST /images/{name}/tag. */
export async function tag(exchange: Exchange): Promise<void> {
  const target = newTagName(nameIn(exchange, "repo"), (reason) => reason);
  const { id, name } = tagImage(imageStore(), exchange.parts.name, target);
  noteTag(id, name, labelsOf(id));
  await exchange.empty(201, { "Content-Length": "0" });
}

const told = (removals: readonly Removal[]) => removals.map(({ kind, what }) => ({ [kind]: what }));

/** DELETE /images/{name}. */
export async function remove(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const removed = removeImage(imageStore(), nameOf(exchange), {
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
    ImagesDeleted: orNull(told(removals)),
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
