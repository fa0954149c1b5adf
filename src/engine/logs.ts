/** `logs`: what a container wrote, from its files and, followed, as it is written. */
import {
  DirectoryWatch,
  IN_CREATE,
  IN_DELETE_SELF,
  IN_MODIFY,
  IN_MOVED_TO,
} from "../../ffi/inotify.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { UserError } from "../base/errors.ts";
import { readIfThere, removeIfThere } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import { formatTimePadded, nowNanoseconds } from "../base/time.ts";
import { type Message, STDERR, STDOUT } from "../runtime/monitor_protocol.ts";
import { readRecord } from "./containers.ts";
import { isCurrent, LogFile, logNames, openLogs, successor } from "./log_files.ts";
import { type Line, LineSplitter } from "./log_records.ts";
import { Output } from "./output_stream.ts";
import { comesBack } from "./restart_policy.ts";
import { stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

/** What of a log is wanted. */
export interface LogsOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** What is added to the sink are lines, and not whatever was written together. */
  readonly lines: boolean;
  /** In front of each line: its container's attributes, where it has some, and a space. */
  readonly details: boolean;
  /** undefined: all. */
  readonly tail: number | undefined;
  readonly sinceNs: bigint | undefined;
  readonly untilNs: bigint | undefined;
}

/** Where a log goes: stream 1 or 2. What is added is copied, or written at once. */
export interface LogSink {
  add(stream: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  flush(): Promise<void>;
}

/** docker takes whatever is no number from 0 on for "all". */
export function parseTail(text: string): number | undefined {
  return /^\+?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** A change is looked for so often even if the kernel told of none. */
const RECHECK_MS = 1000;

/**
 * Writes the log of `record`'s container to our stdout and stderr, or to `sink`. Returns the time of
 * the last record that was read. Throws UserError.
 */
export async function showLogs(
  record: ContainerRecord,
  options: LogsOptions,
  sink: LogSink = new StandardStreams(),
): Promise<bigint> {
  if (record.HostConfig.LogConfig.Type === "none") {
    throw new UserError("configured logging driver does not support reading");
  }
  const directory = containerDirectory(record.Id);
  const printer = new Printer(options, options.details ? attributes(record) : undefined, sink);
  using watch = options.follow ? watchDirectory(directory) : undefined;
  using files = new DisposableStack();
  const newest = await showFiles(directory, printer, options, files);
  if (watch !== undefined && !printer.done) {
    await follow(record, newest, printer, watch);
  }
  await printer.end();
  return printer.lastNs;
}

function watchDirectory(path: string): DirectoryWatch | undefined {
  try {
    return new DirectoryWatch(path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF);
  } catch (error) {
    // Watches are limited for each user: without one we look once a second.
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** What is there now. Returns the newest file, read to its end. */
async function showFiles(
  directory: string,
  printer: Printer,
  { tail, follow }: LogsOptions,
  scope: DisposableStack,
): Promise<LogFile | undefined> {
  const files = openLogs(directory);
  for (const file of files) scope.use(file);
  if (tail === undefined) {
    for (const file of files) await printFile(file, printer);
    return files.at(-1);
  }
  // From the newest file back, until there are enough lines.
  let first = files.length;
  // One more for each stream: the first line of each may have begun before.
  while (tail > 0 && first > 0 && !files[--first].seekLastLines(tail + 2));
  const last = new LastLines(tail, printer.splitter);
  for (const file of files.slice(first)) {
    for (let records = file.next(); records.length > 0; records = file.next()) {
      for (const record of records) last.push(record, (line) => printer.wants(line));
    }
  }
  if (!follow) last.finish((line) => printer.wants(line));
  const newest = files.at(-1);
  if (tail === 0) newest?.seek(newest.size);
  for (const line of last.lines()) await printer.line(line);
  return newest;
}

async function printFile(file: LogFile, printer: Printer): Promise<void> {
  for (let records = file.next(); records.length > 0; records = file.next()) {
    for (const record of records) await printer.record(record);
  }
}

/** Goes on as the log grows, through rotation and restarts, until the container stays down. */
async function follow(
  record: ContainerRecord,
  newest: LogFile | undefined,
  printer: Printer,
  watch: DirectoryWatch,
): Promise<void> {
  const directory = containerDirectory(record.Id);
  using opened = new DisposableStack();
  let current = newest ?? opened.use(LogFile.open(`${directory}/log`));
  while (!printer.done) {
    // In this order: what is written before the end was seen is read after it.
    const over = isOver(record.Id);
    const moved = current !== undefined && !isCurrent(current, `${directory}/log`);
    if (current !== undefined) await printFile(current, printer);
    if (moved || current === undefined) {
      const next = opened.use(
        current === undefined ? LogFile.open(`${directory}/log`) : successor(current, directory),
      );
      if (next !== undefined) {
        current = next;
        continue;
      }
    }
    await printer.flush();
    if (over) return;
    await watch.next(RECHECK_MS);
  }
}

/** Whether the container is down (or removed) and its restart policy leaves it there. */
function isOver(id: string): boolean {
  if (readIfThere(`${containerDirectory(id)}/container.json`) === undefined) return true;
  const state = stateOf(id);
  // The record is read each time: the number of restarts so far is in it.
  return state.kind === "exited" && !comesBack(readRecord(id), state);
}

/** The last lines of a log. */
class LastLines {
  readonly #lines: Line[] = [];
  constructor(readonly count: number, readonly splitter: LineSplitter) {}

  push(record: Message, wanted: (line: Line) => boolean): void {
    this.#add(this.splitter.push(record), wanted);
  }

  /** An unfinished line at the end counts as one. */
  finish(wanted: (line: Line) => boolean): void {
    this.#add(this.splitter.rest(), wanted);
  }

  #add(lines: Iterable<Line>, wanted: (line: Line) => boolean): void {
    for (const line of lines) {
      // Views into the file's buffer: copied, because they are kept.
      if (wanted(line)) this.#lines.push({ ...line, bytes: line.bytes.slice() });
      if (this.#lines.length > 2 * this.count + 1024) this.#cut();
    }
  }

  #cut(): void {
    this.#lines.splice(0, Math.max(0, this.#lines.length - this.count));
  }

  lines(): readonly Line[] {
    this.#cut();
    return this.#lines;
  }
}

/** Our stdout and stderr. They keep their order among one another: the other one is written first. */
class StandardStreams implements LogSink {
  readonly #streams: Record<number, Output> = { [STDOUT]: new Output(1), [STDERR]: new Output(2) };
  #last: Output | undefined;

  async add(stream: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const output = this.#streams[stream];
    if (output === undefined) return;
    if (output !== this.#last) await this.#last?.flush();
    this.#last = output;
    await output.add(bytes);
  }

  async flush(): Promise<void> {
    await this.#last?.flush();
  }
}

/** Writes records or lines to a sink. */
class Printer {
  readonly splitter = new LineSplitter();
  /** When the last record was written that was looked at. */
  lastNs = 0n;
  readonly #options: LogsOptions;
  readonly #prefix: string | undefined;
  readonly #byLine: boolean;
  readonly #encoder = new TextEncoder();
  #passedUntil = false;

  constructor(options: LogsOptions, prefix: string | undefined, readonly sink: LogSink) {
    this.#options = options;
    this.#prefix = prefix === undefined ? undefined : `${prefix} `;
    this.#byLine = options.lines || options.timestamps || prefix !== undefined ||
      options.tail !== undefined;
  }

  /** Nothing that is wanted can come any more: the end of `--until` has passed. */
  get done(): boolean {
    const { untilNs } = this.#options;
    return this.#passedUntil || (untilNs !== undefined && nowNanoseconds() > untilNs);
  }

  wants({ timeNs }: Pick<Line, "timeNs">): boolean {
    if (timeNs > this.lastNs) this.lastNs = timeNs;
    const { sinceNs, untilNs } = this.#options;
    if (untilNs !== undefined && timeNs > untilNs) this.#passedUntil = true;
    return !this.#passedUntil && (sinceNs === undefined || timeNs >= sinceNs);
  }

  async record(record: Message): Promise<void> {
    if (!this.#byLine) {
      if (this.wants(record)) await this.sink.add(record.kind, record.bytes);
      return;
    }
    for (const line of this.splitter.push(record)) if (this.wants(line)) await this.line(line);
  }

  /** A line and what stands in front of it are one piece: clients take a frame for a line. */
  async line(line: Line): Promise<void> {
    const { kind, bytes, continued } = line;
    const head = continued ? "" : this.#head(line);
    if (head === "") return await this.sink.add(kind, bytes);
    const start = this.#encoder.encode(head);
    const all = new Uint8Array(start.length + bytes.length);
    all.set(start);
    all.set(bytes, start.length);
    await this.sink.add(kind, all);
  }

  #head({ timeNs }: Line): string {
    const time = this.#options.timestamps ? `${formatTimePadded(timeNs)} ` : "";
    return time + (this.#prefix ?? "");
  }

  async flush(): Promise<void> {
    await this.sink.flush();
  }

  /** Writes what is left, an unfinished last line too. */
  async end(): Promise<void> {
    for (const line of this.splitter.rest()) await this.line(line);
    await this.flush();
  }
}

/**
 * What `--details` shows: the labels and environment variables that `--log-opt labels=…`, `env=…`
 * and their -regex forms name, and the tag. As docker writes them: "a=1,b=2", sorted, escaped.
 */
function attributes(
  { Config, HostConfig }: Pick<ContainerRecord, "Config" | "HostConfig">,
): string {
  const options = HostConfig.LogConfig.Config;
  const found = new Map<string, string>();
  const labels = Object.entries(Config.Labels ?? {});
  const env = (Config.Env ?? []).map((entry): [string, string] => {
    const at = entry.indexOf("=");
    return [entry.slice(0, at), entry.slice(at + 1)];
  });
  for (const [kind, pairs] of [["labels", labels], ["env", env]] as const) {
    const names = (options[kind] ?? "").split(",");
    const pattern = options[`${kind}-regex`];
    const regex = pattern ? new RegExp(pattern) : undefined;
    for (const [key, value] of pairs) {
      if (names.includes(key) || regex?.test(key)) found.set(key, value);
    }
  }
  if (options.tag) found.set("tag", options.tag);
  const escape = (text: string) => encodeURIComponent(text).replaceAll("%20", "+");
  return [...found].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([key, value]) => `${escape(key)}=${escape(value)}`).join(",");
}

/** Empties a container's log; its monitor goes on in the emptied file. */
export function clearLogs(record: ContainerRecord): void {
  const directory = containerDirectory(record.Id);
  for (const name of logNames(directory)) {
    if (name === "log") Deno.truncateSync(`${directory}/${name}`);
    else removeIfThere(`${directory}/${name}`);
  }
}
