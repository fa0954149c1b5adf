/**
 * Writes tar archives: ustar where that is enough, PAX records where it is not. The same entries
 * give the same bytes. Source: POSIX.1-2017 pax.
 */
import { bytesOf, byteString } from "./byte_string.ts";
import { formatPaxRecord, formatPaxTime } from "./pax.ts";
import type { EntryType, TarEntry } from "./tar.ts";
import { BLOCK } from "./tar_header.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const FLAGS: Record<EntryType, string> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

const MAX_OCTAL_ID = 0o7777777;
const MAX_OCTAL_SIZE = 0o77777777777;

/** Splits a name for ustar's name and prefix fields; undefined if it does not fit. */
function splitName(path: string): { name: string; prefix: string } | undefined {
  if (path.length <= 100) return { name: path, prefix: "" };
  if (path.length > 256) return undefined;
  const slash = path.lastIndexOf("/", 155);
  // The name may not be empty, and a directory's slash belongs to it.
  if (slash <= 0 || path.length - slash - 1 > 100 || slash === path.length - 1) return undefined;
  return { name: path.slice(slash + 1), prefix: path.slice(0, slash) };
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 126) return false;
  return true;
}

interface HeaderFields {
  name: string;
  prefix: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  flag: string;
  link: string;
  devMajor: number;
  devMinor: number;
}

function headerBlock(fields: HeaderFields): Bytes {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => {
    for (let i = 0; i < text.length; i++) block[at + i] = text.charCodeAt(i);
  };
  const octal = (at: number, length: number, value: number) =>
    put(at, value.toString(8).padStart(length - 1, "0"));
  put(0, fields.name);
  octal(100, 8, fields.mode);
  octal(108, 8, fields.uid);
  octal(116, 8, fields.gid);
  octal(124, 12, fields.size);
  octal(136, 12, fields.mtime);
  put(156, fields.flag);
  put(157, fields.link);
  put(257, "ustar\0" + "00");
  octal(329, 8, fields.devMajor);
  octal(337, 8, fields.devMinor);
  put(345, fields.prefix);
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Records for all that the header's fields cannot say. */
function paxRecords(entry: TarEntry, stored: number): [key: string, value: Bytes][] {
  const records: [string, Bytes][] = [];
  const add = (key: string, value: string) => records.push([key, bytesOf(value)]);
  if (entry.sparse !== undefined) {
    add("GNU.sparse.major", "1");
    add("GNU.sparse.minor", "0");
    add("GNU.sparse.name", entry.path);
    add("GNU.sparse.realsize", String(entry.size));
  } else if (splitName(entry.path) === undefined || !isAscii(entry.path)) {
    add("path", entry.path);
  }
  if (entry.link.length > 100 || !isAscii(entry.link)) add("linkpath", entry.link);
  if (stored > MAX_OCTAL_SIZE) add("size", String(stored));
  if (entry.uid > MAX_OCTAL_ID) add("uid", String(entry.uid));
  if (entry.gid > MAX_OCTAL_ID) add("gid", String(entry.gid));
  const { seconds, nanos } = entry.mtime;
  if (nanos !== 0 || seconds < 0 || seconds > MAX_OCTAL_SIZE) {
    add("mtime", formatPaxTime(entry.mtime));
  }
  for (const name of [...entry.xattrs.keys()].sort()) {
    records.push([`SCHILY.xattr.${name}`, entry.xattrs.get(name)!]);
  }
  return records;
}

function concat(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function paddedTo(bytes: Bytes, unit: number): Bytes {
  const whole = new Uint8Array(Math.ceil(bytes.length / unit) * unit);
  whole.set(bytes);
  return whole;
}

/** GNU sparse 1.0: the map comes first in the data, one number a line, filled up to a block. */
function sparseMap(entry: TarEntry): Bytes {
  if (entry.sparse === undefined) return new Uint8Array(0);
  const { spans } = entry.sparse;
  const lines = [spans.length, ...spans.flatMap((span) => [span.offset, span.length])];
  return paddedTo(bytesOf(lines.map((line) => `${line}\n`).join("")), BLOCK);
}

/**
 * The bytes before an entry's data: its headers and, for a sparse file, the map. `stored` bytes
 * of data have to follow, then `padding(stored)`.
 */
export function entryHeader(entry: TarEntry, stored: number): Bytes {
  const map = sparseMap(entry);
  const inArchive = map.length + stored;
  const records = paxRecords(entry, inArchive);
  const parts: Bytes[] = [];
  if (records.length > 0) {
    const body = concat(records.map(([key, value]) => formatPaxRecord(key, value)));
    parts.push(
      headerBlock({
        name: "PaxHeaders.0/x",
        prefix: "",
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: body.length,
        mtime: 0,
        flag: "x",
        link: "",
        devMajor: 0,
        devMinor: 0,
      }),
      paddedTo(body, BLOCK),
    );
  }
  // What a reader without PAX sees: the end of a long name is better than nothing.
  const split = splitName(entry.path) ?? { name: entry.path.slice(0, 100), prefix: "" };
  const { seconds } = entry.mtime;
  parts.push(
    headerBlock({
      ...split,
      mode: entry.mode,
      uid: Math.min(entry.uid, MAX_OCTAL_ID),
      gid: Math.min(entry.gid, MAX_OCTAL_ID),
      size: inArchive > MAX_OCTAL_SIZE ? 0 : inArchive,
      mtime: Math.min(Math.max(seconds, 0), MAX_OCTAL_SIZE),
      flag: FLAGS[entry.type],
      link: entry.link.slice(0, 100),
      devMajor: entry.devMajor & MAX_OCTAL_ID,
      devMinor: entry.devMinor & MAX_OCTAL_ID,
    }),
    map,
  );
  return concat(parts);
}

/** Zeros that fill the last block of `size` bytes of data. */
export function padding(size: number): Bytes {
  return new Uint8Array((BLOCK - size % BLOCK) % BLOCK);
}

/** The end mark of an archive. */
export function endMark(): Bytes {
  return new Uint8Array(2 * BLOCK);
}

/** An entry with the usual fields, for archives that are made and not copied. */
export function plainEntry(path: string, type: EntryType, size: number, mode: number): TarEntry {
  return {
    path: byteString(new TextEncoder().encode(path)),
    type,
    link: "",
    mode,
    uid: 0,
    gid: 0,
    size,
    mtime: { seconds: 0, nanos: 0 },
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  };
}
