/** GET /containers/{id}/logs, and the log in front of an attached stream. */
import { readRecord } from "../engine/containers.ts";
import { type LogSink, type LogsOptions, parseTail, showLogs } from "../engine/logs.ts";
import type { ContainerRecord } from "../engine/types.ts";
import { streamType } from "./container_attach.ts";
import { containerId } from "./containers.ts";
import type { Exchange } from "./exchange.ts";
import { frame, STDERR_STREAM, STDOUT_STREAM } from "./frames.ts";
import { ApiError } from "./http_head.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Records are small and many: they are sent together, up to so many bytes. */
const GATHERED_BYTES = 64 * 1024;

/** Which of the two streams are wanted. */
export interface StreamChoice {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Sends what is added: in frames, unless it is a terminal's. */
export class FrameSink implements LogSink {
  #parts: Bytes[] = [];
  #length = 0;

  constructor(
    readonly choice: StreamChoice,
    readonly isTerminal: boolean,
    readonly send: (bytes: Bytes) => Promise<void>,
  ) {}

  async add(stream: number, bytes: Bytes): Promise<void> {
    const { stdout, stderr } = this.choice;
    if (!(stream === STDOUT_STREAM && stdout) && !(stream === STDERR_STREAM && stderr)) return;
    const part = this.isTerminal ? bytes.slice() : frame(stream, bytes);
    this.#parts.push(part);
    this.#length += part.length;
    if (this.#length >= GATHERED_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#length === 0) return;
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#length = 0;
    await this.send(all);
  }
}

/** Sends the log as far as it goes; the time of its last record. */
export async function replayLog(record: ContainerRecord, sink: LogSink): Promise<bigint> {
  return await showLogs(record, {
    follow: false,
    timestamps: false,
    lines: true,
    details: false,
    tail: undefined,
    sinceNs: undefined,
    untilNs: undefined,
  }, sink);
}

/** GET /containers/{id}/logs. */
export async function logs(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const choice = { stdout: query.flag("stdout"), stderr: query.flag("stderr") };
  if (!choice.stdout && !choice.stderr) {
    throw new ApiError(400, "Bad parameters: you must choose at least one stream");
  }
  const record = readRecord(containerId(exchange));
  const wish: LogsOptions = {
    follow: query.flag("follow"),
    timestamps: query.flag("timestamps"),
    lines: true,
    details: query.flag("details"),
    tail: parseTail(query.text("tail")),
    sinceNs: query.moment("since", 'invalid value for "since": '),
    untilNs: query.moment("until", 'invalid value for "until": '),
  };
  if (record.HostConfig.LogConfig.Type === "none") {
    throw new ApiError(501, "configured logging driver does not support reading");
  }
  const isTerminal = record.Config.Tty;
  const answer = await exchange.start(200, streamType(exchange, isTerminal));
  const sink = new FrameSink(choice, isTerminal, (bytes) => answer.write(bytes));
  const shown = await Promise.race([showLogs(record, wish, sink), exchange.gone]);
  if (shown !== undefined) await answer.end();
}
