/** Reads the log of events, and follows it. */
import { makeDirectories, readIfThere, statIfThere } from "../base/files.ts";
import { nowNanoseconds } from "../base/time.ts";
import { rawInteger } from "../runtime/exact_json.ts";
import { emitNoted, eventLogPath, oldEventLogPath } from "./events.ts";

/** An event as it was logged. */
export interface LoggedEvent {
  /** The JSON, as it is in the log and as `--format json` prints it. */
  readonly line: string;
  /** docker's line for people. */
  readonly text: string;
  readonly value: EventValue;
  readonly timeNano: bigint;
}

/** The fields that templates and filters see. */
export interface EventValue {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: string;
  readonly [name: string]: unknown;
}

/** Parses a line of the log; undefined for one that a full disk cut. Pure but for the time zone. */
function parseEvent(line: string): LoggedEvent | undefined {
  const nano = /"timeNano":(\d+)}$/.exec(line)?.[1];
  if (nano === undefined) return undefined;
  let read: EventValue;
  try {
    read = JSON.parse(line);
  } catch {
    return undefined;
  }
  const timeNano = BigInt(nano);
  // Templates spell the fields of docker's Go type.
  const value = {
    ...read,
    ID: read.id ?? read.Actor.ID,
    Status: read.status ?? "",
    From: read.from ?? "",
    Scope: read.scope,
    Time: Number(timeNano / 1_000_000_000n),
    TimeNano: timeNano,
  };
  // Nanoseconds don't fit into a number, and JSON takes no bigint: the line as it was logged.
  Object.defineProperty(value, "toJSON", {
    value: () => ({ ...read, timeNano: rawInteger(nano) }),
  });
  return { line, text: eventText(read, timeNano), value, timeNano };
}

/** `<time> <type> <action> <id> (<key>=<value>, …)`. */
function eventText({ Type, Action, Actor }: EventValue, timeNano: bigint): string {
  const attributes = Object.entries(Actor.Attributes).map(([key, value]) => `${key}=${value}`);
  const tail = attributes.length > 0 ? ` (${attributes.join(", ")})` : "";
  return `${localTime(timeNano)} ${Type} ${Action} ${Actor.ID}${tail}`;
}

/** RFC 3339 in the local zone with nine digits after the second. */
function localTime(nanoseconds: bigint): string {
  const ms = Number(nanoseconds / 1_000_000n);
  const minutes = -new Date(ms).getTimezoneOffset();
  const local = new Date(ms + minutes * 60_000).toISOString().slice(0, 19);
  const nano = String(nanoseconds % 1_000_000_000n).padStart(9, "0");
  const two = (number: number) => String(Math.trunc(number)).padStart(2, "0");
  const size = Math.abs(minutes);
  const zone = minutes === 0
    ? "Z"
    : `${minutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
  return `${local}.${nano}${zone}`;
}

/** From when to when events are wanted, in nanoseconds since 1970. */
export interface Span {
  /** Absent: only those that happen from now on, or all up to `until`. */
  readonly since?: bigint;
  /** Absent: for ever. */
  readonly until?: bigint;
}

/** Calls `take` for each event of `span`, oldest first; waits for those that are yet to happen. */
export async function followEvents(
  { since, until }: Span,
  take: (event: LoggedEvent) => Promise<void>,
): Promise<void> {
  const start = since ?? (until === undefined ? nowNanoseconds() : 0n);
  const isWanted = ({ timeNano }: LoggedEvent) =>
    timeNano >= start && (until === undefined || timeNano <= until);
  const pass = async (lines: readonly string[]) => {
    for (const line of lines) {
      const event = parseEvent(line);
      if (event !== undefined && isWanted(event)) await take(event);
    }
  };
  // Watched before it is read, so that nothing falls between.
  const left = until === undefined ? undefined : Number((until - nowNanoseconds()) / 1_000_000n);
  if (left !== undefined && left <= 0) {
    emitNoted();
    await pass((readIfThere(oldEventLogPath()) ?? "").split("\n"));
    return await pass((readIfThere(eventLogPath()) ?? "").split("\n"));
  }
  using log = new LogReader();
  if (start === 0n || since !== undefined) {
    await pass((readIfThere(oldEventLogPath()) ?? "").split("\n"));
  }
  await pass(log.read());
  using watcher = watch(log.directory);
  const { watchOomKills } = await import("./oom_events.ts");
  using _kills = watchOomKills();
  // A timer of more than 24.8 days fires at once.
  const timer = left === undefined
    ? undefined
    : setTimeout(() => watcher.close(), Math.min(left, 2 ** 31 - 1));
  await pass(log.read());
  for await (const _change of watcher) await pass(log.read());
  clearTimeout(timer);
  await pass(log.read());
}

/** inotify(7) of the log's directory: the log itself is replaced when it has grown. */
function watch(directory: string): Deno.FsWatcher {
  return Deno.watchFs(directory, { recursive: false });
}

/** Reads what was appended since the last time, also across the change to a new file. */
class LogReader implements Disposable {
  readonly directory: string;
  #file: Deno.FsFile | undefined;
  #rest = "";
  readonly #decoder = new TextDecoder();

  constructor() {
    const path = eventLogPath();
    this.directory = path.slice(0, path.lastIndexOf("/"));
    makeDirectories(this.directory, 0o711);
  }

  /** The whole lines that were not read yet. */
  read(): string[] {
    emitNoted();
    const lines: string[] = [];
    for (;;) {
      this.#file ??= open();
      if (this.#file === undefined) return lines;
      lines.push(...this.#drain(this.#file));
      if (!this.#isReplaced(this.#file)) return lines;
      lines.push(...this.#drain(this.#file)); // written between the read and the look
      this.#file.close();
      this.#file = undefined;
    }
  }

  #drain(file: Deno.FsFile): string[] {
    const chunk = new Uint8Array(65536);
    for (;;) {
      const count = file.readSync(chunk);
      if (count === null || count === 0) break;
      this.#rest += this.#decoder.decode(chunk.subarray(0, count), { stream: true });
    }
    const lines = this.#rest.split("\n");
    this.#rest = lines.pop()!;
    return lines;
  }

  #isReplaced(file: Deno.FsFile): boolean {
    const named = statIfThere(eventLogPath());
    return named !== undefined && named.ino !== file.statSync().ino; // else there is no next one yet
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }
}

function open(): Deno.FsFile | undefined {
  try {
    return Deno.openSync(eventLogPath());
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
