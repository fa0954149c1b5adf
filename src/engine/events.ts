/**
 * What happened to containers, images, networks and volumes, as docker's API tells it: one JSON
 * line for each event, appended by one write, so that writers need no lock.
 */
import { lockFile } from "../../ffi/fd.ts";
import { isAbsent, makeDirectories } from "../base/files.ts";
import { rootDirectory } from "../base/places.ts";
import { nowNanoseconds } from "../base/time.ts";
import { takeQuickNotes } from "./quick_notes.ts";
import type { ContainerRecord } from "./types.ts";

/** What an event is about. */
export type EventType = "container" | "image" | "network" | "volume" | "builder" | "daemon";

/** One thing that happened. */
export interface NewEvent {
  readonly Type: EventType;
  /** docker's word, e.g. "start", "exec_create: ls". */
  readonly Action: string;
  /** The object's id; its name for images and volumes. */
  readonly id: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A log that has grown beyond this is put aside and a new one begun. */
const MAX_BYTES = 4 << 20;

/** The log that is written to. */
export function eventLogPath(): string {
  return `${rootDirectory()}/events.log`;
}

/** The log before that one. */
export function oldEventLogPath(): string {
  return `${eventLogPath()}.1`;
}

/** The line of an event, as `docker events --format json` prints it. */
function eventLine(event: NewEvent, nanoseconds: bigint): string {
  const { Type, Action, id, attributes = {} } = event;
  const sorted = Object.fromEntries(
    Object.keys(attributes).sort().map((key) => [key, attributes[key]]),
  );
  // The old spelling of the same, which docker keeps for these two types.
  const old = Type === "container"
    ? { status: Action, id, from: attributes.image }
    : Type === "image"
    ? { status: Action, id }
    : {};
  const known = { ...old, Type, Action, Actor: { ID: id, Attributes: sorted }, scope: "local" };
  const seconds = nanoseconds / 1_000_000_000n;
  // Nanoseconds don't fit into a JavaScript number.
  return `${JSON.stringify(known).slice(0, -1)},"time":${seconds},"timeNano":${nanoseconds}}`;
}

/**
 * Notes that something happened. Never throws: that a disk is full must not keep a container
 * from being stopped.
 */
export function emitEvent(event: NewEvent): void {
  emitEvents([event]);
}

/** As emitEvent(), for several at once, by one write; after those that quick execs noted. */
export function emitEvents(events: readonly NewEvent[]): void {
  try {
    const noted = takeQuickNotes().map(({ nanoseconds, ...event }) =>
      `${eventLine(event, nanoseconds)}\n`
    );
    const lines = [...noted, ...events.map((event) => `${eventLine(event, nowNanoseconds())}\n`)];
    if (lines.length === 0) return;
    const bytes = new TextEncoder().encode(lines.join(""));
    if (append(bytes) > MAX_BYTES) rotate();
  } catch {
    // The event is lost; what happened has happened.
  }
}

/** Makes events of what quick execs noted: for who is about to read the log. */
export function emitNoted(): void {
  emitEvents([]);
}

/** What happened to a container, with the attributes docker gives: labels, image, name. */
export function containerEvent(
  record: ContainerRecord,
  action: string,
  more: Readonly<Record<string, string>> = {},
): NewEvent {
  return {
    Type: "container",
    Action: action,
    id: record.Id,
    attributes: {
      ...record.Config.Labels,
      image: record.Config.Image,
      name: record.Name.replace(/^\//, ""),
      ...more,
    },
  };
}

/** Notes what happened to a container. */
export function emitContainerEvent(
  record: ContainerRecord,
  action: string,
  more: Readonly<Record<string, string>> = {},
): void {
  emitEvent(containerEvent(record, action, more));
}

/** Appends by one write; the length of the log afterwards. */
function append(bytes: Uint8Array): number {
  using file = openLog();
  file.writeSync(bytes);
  return file.statSync().size;
}

function openLog(): Deno.FsFile {
  const options = { append: true, create: true, mode: 0o600 };
  try {
    return Deno.openSync(eventLogPath(), options);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    makeDirectories(rootDirectory(), 0o711);
    return Deno.openSync(eventLogPath(), options);
  }
}

/** Puts the log aside; who still has it open writes to the old one, which readers read as well. */
function rotate(): void {
  using lock = lockFile(`${eventLogPath()}.lock`, false);
  if (lock === undefined || Deno.statSync(eventLogPath()).size <= MAX_BYTES) return;
  Deno.renameSync(eventLogPath(), oldEventLogPath());
}

/** Notes that a volume was made or is gone. */
export function emitVolumeEvent(name: string, action: "create" | "destroy"): void {
  emitEvent({ Type: "volume", Action: action, id: name, attributes: { driver: "local" } });
}
