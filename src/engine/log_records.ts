/** Finding the records in a container's log files. The format: runtime/monitor_protocol.ts. */
import {
  CHUNK_BYTES,
  FOOTER_BYTES,
  HEADER_BYTES,
  MARK,
  type Message,
  readHeader,
  STDERR,
} from "../runtime/monitor_protocol.ts";

/** The greatest record there is. */
export const RECORD_BYTES = HEADER_BYTES + CHUNK_BYTES + FOOTER_BYTES;
const NEWLINE = 10;

/** What parseRecords() found. */
export interface Parsed {
  readonly records: Message[];
  /** How many bytes are done with; the rest may become a record when more is written. */
  readonly used: number;
}

/** The record at `at`: its header; "more" when it may go on behind `view`; undefined if torn. */
function recordAt(view: DataView, at: number): ReturnType<typeof readHeader> | "more" {
  const left = view.byteLength - at;
  if (left < HEADER_BYTES) return "more";
  const header = readHeader(view, at);
  if (header === undefined || header.kind > STDERR) return undefined;
  if (left < HEADER_BYTES + header.length + FOOTER_BYTES) return "more";
  const footer = view.getUint32(at + HEADER_BYTES + header.length, true);
  return footer === header.length ? header : undefined;
}

/**
 * The whole records in `bytes`, whose texts are views into it. A torn record (a header without
 * its footer: the disk was full, the machine lost power) is skipped: on to the next mark.
 */
export function parseRecords(bytes: Uint8Array<ArrayBuffer>): Parsed {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const records: Message[] = [];
  let at = 0;
  while (at < bytes.length) {
    const header = recordAt(view, at);
    if (header === "more") {
      // A torn header at the end of what was written before: the next mark tells.
      const next = nextMark(view, at + 1);
      if (next === undefined || typeof recordAt(view, next) !== "object") break;
      at = next;
    } else if (header === undefined) {
      at = nextMark(view, at + 1) ?? Math.max(at, bytes.length - HEADER_BYTES + 1);
      if (bytes.length - at < HEADER_BYTES) break;
    } else {
      const text = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + header.length);
      records.push({ timeNs: header.timeNs, kind: header.kind, bytes: text });
      at += HEADER_BYTES + header.length + FOOTER_BYTES;
    }
  }
  return { records, used: at };
}

/** Where the next record may start at or after `from`: 12 bytes before a mark. */
function nextMark(view: DataView, from: number): number | undefined {
  for (let at = from; at + HEADER_BYTES <= view.byteLength; at++) {
    if ((view.getUint32(at + 12, true) & 0xffff_0000) >>> 0 === MARK) return at;
  }
  return undefined;
}

/** Where to read a file: bytes from `offset`, fewer at its end. */
export interface RandomAccess {
  readonly size: number;
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
}

const WINDOW_BYTES = 1 << 20;

/**
 * The offset of a record from which on there are at least `lines` ends of lines, found from the
 * end of the file by the footers; 0 when there are fewer, or when a torn record is in the way.
 */
export function offsetOfLastLines(file: RandomAccess, lines: number): number {
  let end = file.size, found = 0;
  while (end > 0) {
    const start = Math.max(0, end - WINDOW_BYTES - RECORD_BYTES);
    const bytes = file.read(start, end - start);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = bytes.length;
    while (at > 0 && (at >= RECORD_BYTES || start === 0)) {
      if (at < HEADER_BYTES + FOOTER_BYTES) return 0;
      const length = view.getUint32(at - FOOTER_BYTES, true);
      const head = at - FOOTER_BYTES - length - HEADER_BYTES;
      if (head < 0 || readHeader(view, head)?.length !== length) return 0;
      found += countNewlines(bytes.subarray(head + HEADER_BYTES, at - FOOTER_BYTES));
      at = head;
      if (found >= lines) return start + at;
    }
    end = start + at;
  }
  return 0;
}

function countNewlines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/** A line of one stream, with its end of line; the last one of a stream may have none. */
export interface Line {
  /** When the line was complete. */
  readonly timeNs: bigint;
  readonly kind: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** It goes on a line that was already given in part. */
  readonly continued: boolean;
}

/** Longer lines are given in parts, as docker does it. */
const MAX_LINE_BYTES = 16384;

/** Cuts records into lines, for each stream by itself. */
export class LineSplitter {
  readonly #open = new Map<number, { timeNs: bigint; bytes: Uint8Array<ArrayBuffer> }>();
  readonly #continued = new Set<number>();

  /** The lines that `record` completes. */
  *push({ timeNs, kind, bytes }: Message): Generator<Line> {
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      yield this.#line(timeNs, kind, this.#take(kind, bytes.subarray(from, end + 1)), true);
      from = end + 1;
    }
    if (from === bytes.length) return;
    const open = this.#take(kind, bytes.subarray(from));
    if (open.length >= MAX_LINE_BYTES) yield this.#line(timeNs, kind, open, false);
    else this.#open.set(kind, { timeNs, bytes: open.slice() });
  }

  /** What has no end of line yet. */
  *rest(): Generator<Line> {
    for (const [kind, { timeNs, bytes }] of this.#open) yield this.#line(timeNs, kind, bytes, true);
    this.#open.clear();
  }

  #take(kind: number, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const open = this.#open.get(kind)?.bytes;
    if (open === undefined) return bytes;
    this.#open.delete(kind);
    const joined = new Uint8Array(open.length + bytes.length);
    joined.set(open);
    joined.set(bytes, open.length);
    return joined;
  }

  #line(timeNs: bigint, kind: number, bytes: Uint8Array<ArrayBuffer>, whole: boolean): Line {
    const continued = this.#continued.has(kind);
    if (whole) this.#continued.delete(kind);
    else this.#continued.add(kind);
    return { timeNs, kind, bytes, continued };
  }
}
