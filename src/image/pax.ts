/**
 * Extended headers: "<length> <key>=<value>\n" records.
 * Source: POSIX.1-2017 pax, "pax Extended Header"; GNU tar manual, "Storing Sparse Files".
 */
import { byteString } from "./byte_string.ts";
import { TarError } from "./tar_header.ts";

/** Records in the order of the archive; a key may come twice (GNU sparse 0.0). */
export type PaxRecords = [key: string, value: Uint8Array<ArrayBuffer>][];

/** A point in time as files have it. */
export interface FileTime {
  seconds: number;
  /** 0 to 999,999,999. */
  nanos: number;
}

const NEWLINE = 0x0a;
const EQUALS = 0x3d;
const SPACE = 0x20;

/** Reads all records of one extended header. Throws TarError for a malformed one. */
export function parsePax(bytes: Uint8Array): PaxRecords {
  const records: PaxRecords = [];
  let at = 0;
  while (at < bytes.length) {
    // GNU tar pads some headers with NULs.
    if (bytes[at] === 0) break;
    let length = 0;
    let digits = at;
    for (; digits < bytes.length && bytes[digits] !== SPACE; digits++) {
      const digit = bytes[digits] - 0x30;
      if (digit < 0 || digit > 9 || digits - at > 8) throw malformed();
      length = length * 10 + digit;
    }
    const end = at + length;
    if (length < 5 || end > bytes.length || bytes[end - 1] !== NEWLINE) throw malformed();
    const equals = bytes.indexOf(EQUALS, digits + 1);
    if (equals < 0 || equals >= end || equals === digits + 1) throw malformed();
    records.push([byteString(bytes, digits + 1, equals), bytes.slice(equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

function malformed(): TarError {
  return new TarError("Cannot read archive: malformed extended header");
}

/** A decimal value that must be a whole number of at least 0. */
export function paxNumber(value: Uint8Array, key: string): number {
  const text = byteString(value);
  const number = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(number)) {
    throw new TarError(`Cannot read archive: extended header has ${key}=${text.slice(0, 40)}`);
  }
  return number;
}

/** "1700000000.25" -> seconds and nanoseconds; digits past the ninth are cut off. */
export function paxTime(value: Uint8Array, key: string): FileTime {
  const text = byteString(value);
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) {
    throw new TarError(`Cannot read archive: extended header has ${key}=${text.slice(0, 40)}`);
  }
  const seconds = Number(match[2]);
  const nanos = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { seconds, nanos };
  return nanos === 0
    ? { seconds: -seconds, nanos: 0 }
    : { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos };
}

/** The decimal form of a time with as many digits as needed. */
export function formatPaxTime(time: FileTime): string {
  if (time.nanos === 0) return String(time.seconds);
  const negative = time.seconds < 0;
  const seconds = negative ? -time.seconds - 1 : time.seconds;
  const nanos = negative ? 1_000_000_000 - time.nanos : time.nanos;
  const fraction = String(nanos).padStart(9, "0").replace(/0+$/, "");
  return `${negative ? "-" : ""}${seconds}.${fraction}`;
}

/** One record; its length counts itself. */
export function formatPaxRecord(key: string, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const rest = key.length + value.length + 3; // blank, "=", newline
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  const head = `${length} ${key}=`;
  const record = new Uint8Array(length);
  for (let i = 0; i < head.length; i++) record[i] = head.charCodeAt(i);
  record.set(value, head.length);
  record[length - 1] = NEWLINE;
  return record;
}
