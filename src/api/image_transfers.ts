/** Images that come and go: pulled, pushed, loaded, saved, imported, made of containers. */
import { commit as commitContainer } from "../engine/commit.ts";
import { readRecord } from "../engine/containers.ts";
import { importImage, loadImages } from "../engine/image_archives.ts";
import { imageStore, noteSaved } from "../engine/image_notes.ts";
import { pullAllTags, pullWithOutput } from "../engine/image_pull.ts";
import { pushWithOutput } from "../engine/image_push.ts";
import type { ContainerConfig } from "../engine/types.ts";
import { parsePlatform } from "../base/platform.ts";
import { fetchArchive } from "../image/fetched_archive.ts";
import { newTagName } from "../image/names.ts";
import { parseReference, type Reference } from "../image/reference.ts";
import { saveArchive } from "../image/save.ts";
import { namedContainer } from "./containers.ts";
import { CONFIG, pick } from "./create_body.ts";
import type { Exchange } from "./exchange.ts";
import { ApiError } from "./http_head.ts";
import { nameIn } from "./images.ts";
import { ProgressAnswer } from "./progress_answer.ts";
import { givenCredentials } from "./registry_auth.ts";

const platformOf = ({ query }: Exchange) => query.text("platform") || undefined;

/** POST /images/create: a pull, or an import of the body or of what an address leads to. */
export async function create(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  if (query.text("fromSrc") !== "") return await importArchive(exchange);
  const name = query.text("fromImage");
  if (name === "") throw new ApiError(400, "want fromImage or fromSrc");
  const reference = referenceOf(name, query.text("tag"));
  const credentials = givenCredentials(exchange);
  const display = new ProgressAnswer(exchange);
  const output = {
    display,
    quiet: false,
    implicit: true,
    write: (line: string) => display.line(line),
    credentials,
  };
  const isBare = reference.tag === undefined && reference.digest === undefined;
  await display.during(async () => {
    const wanted = platformOf(exchange);
    if (isBare) await pullAllTags(imageStore(), reference, wanted, output);
    else await pullWithOutput(imageStore(), reference, wanted, output);
  });
}

/** A name, and a tag or a digest that came apart from it. */
function referenceOf(name: string, tag: string): Reference {
  return parseReference(tag === "" ? name : name + (tag.includes(":") ? "@" : ":") + tag);
}

async function importArchive(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const source = query.text("fromSrc");
  const address = /^\w+:\/\//.test(source) ? source : `http://${source}`;
  const archive = source === "-" ? exchange.body.chunks() : await fetchArchive(address);
  const target = query.text("repo") === ""
    ? undefined
    : newTagName(nameIn(exchange, "repo"), (reason) => reason);
  const platform = platformOf(exchange);
  const display = new ProgressAnswer(exchange);
  await display.during(async () => {
    if (source !== "-") display.line(`Downloading from ${address}`);
    const record = await importImage(archive, {
      changes: query.all("changes"),
      message: query.text("message") || `Imported from ${source === "-" ? source : address}`,
      ...(target !== undefined && { name: target }),
      ...(platform !== undefined && { platform: parsePlatform(platform) }),
    });
    display.line(record.id);
  });
}

/** POST /images/{name}/push. */
export async function push(exchange: Exchange): Promise<void> {
  const { parts: { name }, query } = exchange;
  const tag = query.text("tag");
  const reference = referenceOf(name, tag);
  const credentials = givenCredentials(exchange);
  const display = new ProgressAnswer(exchange);
  await display.during(() =>
    pushWithOutput(imageStore(), reference, display, {
      all: tag === "" && reference.tag === undefined,
      credentials,
      onPushed: (_name, tag, { digest, size }) =>
        display.send({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } }),
    })
  );
}

/** GET /images/get and GET /images/{name}/get. */
export async function save(exchange: Exchange): Promise<void> {
  const { parts, query } = exchange;
  const names = parts.name !== undefined ? [parts.name] : query.all("names");
  if (names.length === 0) throw new ApiError(400, "want the names of images");
  let answer: Awaited<ReturnType<Exchange["start"]>> | undefined;
  const ids = await saveArchive(imageStore(), names, "docker-archive", async (chunk) => {
    // Not before it is known that all are there.
    answer ??= await exchange.start(200, "application/x-tar");
    await answer.write(chunk);
  });
  await answer?.end();
  noteSaved(ids);
}

/** POST /images/load. */
export async function load(exchange: Exchange): Promise<void> {
  const platform = platformOf(exchange);
  const display = new ProgressAnswer(exchange);
  await display.during(async () => {
    const lines = await loadImages(exchange.body.chunks(), {
      ...(platform !== undefined && { platform: parsePlatform(platform) }),
    });
    for (const line of lines) display.send({ stream: `${line}\n` });
  });
}

/** POST /commit. */
export async function commit(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const body = await exchange.body.jsonIfAny();
  const record = readRecord(namedContainer(query.text("container")));
  const config = pick<ContainerConfig>(body ?? {}, CONFIG, "Config");
  const image = await commitContainer(record, {
    author: query.text("author") || undefined,
    changes: query.all("changes"),
    message: query.text("comment") || undefined,
    pause: query.flag("pause", true),
    name: query.text("repo") === ""
      ? undefined
      : newTagName(nameIn(exchange, "repo"), (reason) => reason),
    config: { ...record.Config, ...config },
  });
  await exchange.json(201, { Id: image.id });
}
