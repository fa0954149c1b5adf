/** Containers as things: listed, looked at, made. */
import { messageOf } from "../base/errors.ts";
import { PS_FILTERS } from "../engine/list_filters.ts";
import { listContainers } from "../engine/listing.ts";
import { createContainer, ImageMissingError } from "../engine/create.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { inspectContainer } from "../engine/inspect.ts";
import { isRefusal } from "../engine/refusal.ts";
import { portRows } from "../engine/ports.ts";
import { statusWord } from "../engine/state.ts";
import { commandText, imageName, type Listed, shownMounts, statusText } from "../engine/summary.ts";
import { currentSettings } from "../engine/network_settings.ts";
import { NoSuchImageError } from "../image/no_such_image.ts";
import { parseReference } from "../image/reference.ts";
import { nowNanoseconds, parseTime } from "../base/time.ts";
import { createRequest } from "./create_body.ts";
import type { Exchange } from "./exchange.ts";
import { ApiError } from "./http_head.ts";
import { statusOf } from "./status.ts";

/** The id of the container that the path names. Throws UserError where there is none. */
export function containerId(exchange: Exchange): string {
  return resolveContainer(exchange.parts.id);
}

/** The same of a name that a query or a body has. Throws ApiError 400 for none. */
export function namedContainer(name: string): string {
  if (name === "") throw new ApiError(400, 'invalid name or ID supplied: ""');
  return resolveContainer(name);
}

/** GET /containers/json. */
export async function list(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const found = await listContainers({
    all: query.flag("all"),
    last: query.integer("limit") ?? -1,
    filters: query.filters(PS_FILTERS),
    onBroken: (_id, error) => console.error(error.message),
  });
  const sizes = query.flag("size")
    ? (await import("../engine/sizes.ts")).containerSizes
    : undefined;
  const now = nowNanoseconds();
  const rows: unknown[] = [];
  for (const listed of found) {
    rows.push(
      containerRow({ ...listed, ...(sizes && { sizes: await sizes(listed.record) }) }, now),
    );
  }
  await exchange.json(200, rows);
}

/** docker's row of a container. */
export function containerRow(listed: Listed, now: bigint): unknown {
  const { record, state, sizes } = listed;
  const { Networks, Ports } = currentSettings(
    record,
    state.kind === "running" ? state.run.pid : undefined,
  );
  return {
    Id: record.Id,
    Names: [record.Name],
    Image: imageName(listed),
    ImageID: record.Image,
    Command: commandText(record),
    Created: Number((parseTime(record.Created) ?? 0n) / 1_000_000_000n),
    Ports: state.kind !== "running" ? [] : portRows(Ports).map((port) => ({
      ...(port.hostIp !== undefined && { IP: port.hostIp }),
      PrivatePort: port.port,
      ...(port.hostPort !== undefined && { PublicPort: port.hostPort }),
      Type: port.protocol,
    })),
    ...(sizes !== undefined &&
      { ...(sizes.own > 0 && { SizeRw: sizes.own }), SizeRootFs: sizes.all }),
    Labels: record.Config.Labels ?? {},
    State: statusWord(state),
    Status: statusText(listed, now),
    HostConfig: { NetworkMode: record.HostConfig.NetworkMode },
    NetworkSettings: { Networks },
    Mounts: shownMounts(record),
  };
}

/** GET /containers/{id}/json. */
export async function inspect(exchange: Exchange): Promise<void> {
  const record = readRecord(containerId(exchange));
  const sizes = exchange.query.flag("size")
    ? await (await import("../engine/sizes.ts")).containerSizes(record)
    : undefined;
  const { runningExecs } = await import("../engine/exec_records.ts");
  const execs = runningExecs(record.Id);
  await exchange.json(200, {
    ...inspectContainer(record, sizes),
    ...(execs.length > 0 && { ExecIDs: execs }),
  });
}

/** POST /containers/create. */
export async function create(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const body = await exchange.body.json();
  const request = createRequest(body, query.text("name"), query.text("platform"));
  const warnings: string[] = [];
  const { Id } = await orMissing(() =>
    createContainer(request, {
      command: ["create", ...(request.Cmd ?? [])],
      warn: (text) => warnings.push(text),
    })
  );
  await exchange.json(201, { Id, Warnings: warnings });
}

/**
 * At 404 clients pull the image: nothing else that is not here may be told so. Of an image they are
 * told by the name with its tag.
 */
async function orMissing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ImageMissingError)) {
      if (!isRefusal(error) || statusOf(messageOf(error)) !== 404) throw error;
      throw new ApiError(400, error.message);
    }
    if (!error.isUnknown) throw error;
    parseReference(error.image); // throws what is wrong with what is no name
    throw new NoSuchImageError(error.image);
  }
}
