/** Containers' files: archives in and out, and what was changed. */
import { containerChanges } from "../engine/diff.ts";
import { type PathStat, statPath } from "../engine/copy_stat.ts";
import { archiveOf, checkExtractionPoint, type ContainerPath, unpackInto } from "../engine/copy.ts";
import { readRecord } from "../engine/containers.ts";
import { emitContainerEvent } from "../engine/events.ts";
import { exportContainer } from "../engine/export.ts";
import { rootDirectory } from "../base/places.ts";
import { Store } from "../image/store.ts";
import { containerId } from "./containers.ts";
import { type Answer, type Exchange, orNull } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const TAR = "application/x-tar";
/** Headers of an archive are small: they are sent with what comes behind them. */
const GATHERED_BYTES = 128 * 1024;

/** Who makes archives does not wait: pieces are sent at once, several together. */
class Pieces {
  readonly #buffer = new Uint8Array(GATHERED_BYTES);
  #length = 0;
  constructor(readonly answer: Answer) {}

  readonly add = (bytes: Bytes): void => {
    if (this.#length + bytes.length > GATHERED_BYTES) this.flush();
    if (bytes.length > GATHERED_BYTES) return this.answer.writeNow(bytes);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  };

  flush(): void {
    if (this.#length > 0) this.answer.writeNow(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
  }

  async end(): Promise<void> {
    this.flush();
    await this.answer.end();
  }
}

/** The path that is meant; the container by the name that it was asked for, as errors have it. */
function placeOf({ parts, query }: Exchange): ContainerPath {
  const path = query.text("path");
  if (path === "") throw new ApiError(400, "bad parameter: path cannot be empty");
  return { container: parts.id, path };
}

/** What docker's client wants to know before it reads or writes: JSON in a header. */
function statHeader(stat: PathStat): Record<string, string> {
  const bytes = new TextEncoder().encode(JSON.stringify(stat));
  return { "X-Docker-Container-Path-Stat": btoa(String.fromCharCode(...bytes)) };
}

/** HEAD /containers/{id}/archive. */
export async function look(exchange: Exchange): Promise<void> {
  await exchange.empty(200, statHeader(statPath(placeOf(exchange))));
}

/** GET /containers/{id}/archive. */
export async function read(exchange: Exchange): Promise<void> {
  const from = placeOf(exchange);
  const pieces = new Pieces(await exchange.start(200, TAR, statHeader(statPath(from))));
  archiveOf(from, { archive: false, followLink: false }, pieces.add);
  await pieces.end();
}

/** PUT /containers/{id}/archive. */
export async function write(exchange: Exchange): Promise<void> {
  const { body, query } = exchange;
  const to = placeOf(exchange);
  checkExtractionPoint(to);
  await unpackInto(body.chunks(), to, { archive: query.flag("copyUIDGID"), followLink: false });
  await exchange.empty(200);
}

/** GET /containers/{id}/export. */
export async function exported(exchange: Exchange): Promise<void> {
  const record = readRecord(containerId(exchange));
  const pieces = new Pieces(await exchange.start(200, "application/octet-stream"));
  exportContainer(new Store(rootDirectory()), record, (chunk) => pieces.add(chunk as Bytes));
  await pieces.end();
  emitContainerEvent(record, "export");
}

const KINDS = { C: 0, A: 1, D: 2 };

/** GET /containers/{id}/changes. */
export async function changes(exchange: Exchange): Promise<void> {
  const found = containerChanges(readRecord(containerId(exchange)));
  const rows = found.map(({ kind, path }) => ({ Path: path, Kind: KINDS[kind] }));
  await exchange.json(200, orNull(rows));
}
