/** Turns what quick execs noted (src/runtime/quick_exec_notes.ts) into events, in their order. */
import { AT_FDCWD, LOCK_EX, LOCK_NB, O_CLOEXEC, O_RDWR, SEEK_END } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { rootDirectory } from "../base/places.ts";
import { parseNotes, type QuickNote } from "../runtime/quick_exec_notes.ts";
import { waitedExitCode } from "../base/wait_status.ts";
import type { NewEvent } from "./events.ts";
import { execCommand } from "./exec_words.ts";

/** Where quick execs note what they did. */
export const quickNotesPath = () => `${rootDirectory()}/execs.log`;

/** An event, and when it happened. */
export type NotedEvent = NewEvent & { readonly nanoseconds: bigint };

/**
 * The events of the notes, which are then forgotten; none while somebody writes one. Costs one call
 * where there are none.
 */
export function takeQuickNotes(): NotedEvent[] {
  const raw = sys("openat", AT_FDCWD, quickNotesPath(), O_RDWR | O_CLOEXEC, 0);
  if (raw < 0) return [];
  using _open = new Fd(raw);
  if (sizeOf(raw) === 0 || sys("flock", raw, LOCK_EX | LOCK_NB) < 0) return [];
  const bytes = new Uint8Array(sizeOf(raw));
  const count = sys("pread64", raw, bytes, bytes.length, 0);
  sys("ftruncate", raw, 0);
  return parseNotes(bytes.subarray(0, Math.max(count, 0))).flatMap(eventsOf);
}

function sizeOf(file: number): number {
  return sys("lseek", file, 0, SEEK_END);
}

function eventsOf(note: QuickNote): NotedEvent[] {
  const { kind, nanoseconds, id: execID, status, words } = note;
  const known: NewEvent = JSON.parse(note.document);
  const event = (Action: string, more = {}): NotedEvent => ({
    ...known,
    nanoseconds,
    Action,
    attributes: { ...known.attributes, execID, ...more },
  });
  if (kind === "died") return [event("exec_die", { exitCode: String(waitedExitCode(status)) })];
  const command = execCommand(words);
  return [event(`exec_create: ${command}`), event(`exec_start: ${command}`)];
}
