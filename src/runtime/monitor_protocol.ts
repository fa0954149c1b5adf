/**
 * What the monitor writes: records of the log, packets to attached clients, the exit record. All
 * little endian. A record of the log and a packet start with the same header:
 *
 *     0 seconds u64 | 8 nanoseconds u32 | 12 mark and kind u32 | 16 length u32 | 20 bytes …
 *
 * The log has the length once more behind the bytes, so that a torn record (the disk was full,
 * the machine lost power) shows, and the file can be read from its end.
 */
import { readBytesIfThere } from "../base/files.ts";
import { waitedExitCode, waitedSignal } from "../base/wait_status.ts";

/** Bytes before the text of a record or packet. */
export const HEADER_BYTES = 20;
/** Bytes after the text of a record of the log. */
export const FOOTER_BYTES = 4;
/** The upper bytes of every kind: what a reader looks for after a torn record. */
export const MARK = 0xd10c_0000;
/** Most text in one record: what the monitor reads at once. */
export const CHUNK_BYTES = 16384;

/** Kinds of records and packets; the first two are streams and the only ones in a log. */
export const STDOUT = 1, STDERR = 2, EXITED = 3, HELLO = 4, CONSOLE = 5, STDIN = 6;

/** A record of the log or a packet. `bytes` is a view: copy it to keep it. */
export interface Message {
  /** Since 1970. */
  readonly timeNs: bigint;
  readonly kind: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Reads the header at `at`; undefined when the mark is not there. */
export function readHeader(
  view: DataView,
  at: number,
): { timeNs: bigint; kind: number; length: number } | undefined {
  if (at + HEADER_BYTES > view.byteLength) return undefined;
  const mark = view.getUint32(at + 12, true);
  const length = view.getUint32(at + 16, true);
  const kind = mark & 0xffff;
  if ((mark & 0xffff_0000) >>> 0 !== MARK || kind < STDOUT || kind > STDIN) return undefined;
  if (length > CHUNK_BYTES) return undefined;
  const timeNs = view.getBigUint64(at, true) * 1_000_000_000n +
    BigInt(view.getUint32(at + 8, true));
  return { timeNs, kind, length };
}

/** How a container's init ended. */
export interface Exit {
  /** As wait(2) gives it. */
  readonly rawStatus: number;
  /** 0-255, or 128 plus the signal's number. */
  readonly code: number;
  readonly signal: number | undefined;
  /** The monitor stopped it because its time was up. */
  readonly timedOut: boolean;
  readonly timeNs: bigint;
}

/** The bytes of the file `exit`, and of an EXITED packet. */
export const EXIT_BYTES = 24;
/** The status of an init whose end nobody could be told: exit code 255. */
export const LOST_STATUS = 255 << 8;

/** The exit record in `bytes`; undefined when it is incomplete. */
export function parseExit(bytes: Uint8Array<ArrayBuffer>): Exit | undefined {
  if (bytes.length < EXIT_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const rawStatus = view.getUint32(0, true);
  return {
    rawStatus,
    code: waitedExitCode(rawStatus),
    signal: waitedSignal(rawStatus),
    timedOut: view.getUint32(4, true) !== 0,
    timeNs: view.getBigUint64(8, true) * 1_000_000_000n + view.getBigUint64(16, true),
  };
}

/** The exit record of a container's directory; undefined while there is none. */
export function readExit(directory: string): Exit | undefined {
  const bytes = readBytesIfThere(`${directory}/exit`);
  return bytes && parseExit(bytes);
}

/** Who a container's init is: its process number and start time (in clock ticks since boot). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
  readonly startTime: string;
}

/**
 * Parses a line of /proc/PID/stat; undefined when it is empty or cut. The name in parentheses may
 * hold anything, so fields are counted from its last closing one. Source: proc_pid_stat(5).
 */
export function parseStat(line: string): ProcessIdentity | undefined {
  const close = line.lastIndexOf(")");
  const fields = line.slice(close + 2).split(" ");
  const pid = parseInt(line), parent = Number(fields[1]), startTime = fields[19];
  const isWhole = close >= 0 && pid > 0 && Number.isInteger(parent) &&
    /^\d+$/.test(startTime ?? "");
  return isWhole ? { pid, state: fields[0], parent, startTime } : undefined;
}
