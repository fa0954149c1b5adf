/**
 * A streaming reader of tar archives: v7, ustar, PAX, GNU long names and sparse files.
 *
 * Written here and not taken from npm's tar-stream because a layer needs what that decodes away:
 * names as bytes (they need not be UTF-8), extended attributes as bytes, sparse files, and limits
 * on everything an archive may declare. It takes pushed chunks and calls a sink at once: no
 * streams, no promises, no copies of file data.
 */
import { byteString } from "./byte_string.ts";
import { type FileTime, parsePax, paxNumber, type PaxRecords, paxTime } from "./pax.ts";
import {
  checkSparse,
  moreOldSparse,
  oldSparse,
  paxSparse,
  type SparseMap,
  SparseMapReader,
} from "./sparse.ts";
import { BLOCK, isZeroBlock, parseHeader, type RawHeader, TarError } from "./tar_header.ts";

export { TarError } from "./tar_header.ts";
export type { FileTime } from "./pax.ts";

/** What an entry is. */
export type EntryType =
  | "file"
  | "hardlink"
  | "symlink"
  | "character"
  | "block"
  | "directory"
  | "fifo";

/** One entry with everything the headers before it say. Names are byte strings. */
export interface TarEntry {
  path: string;
  type: EntryType;
  /** Target of a link. */
  link: string;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of the file, holes included. */
  size: number;
  mtime: FileTime;
  devMajor: number;
  devMinor: number;
  xattrs: Map<string, Uint8Array<ArrayBuffer>>;
  /** Where the data belongs, if the file has holes. */
  sparse?: SparseMap;
}

/** Who takes the entries. For each: `entry`, `data` any number of times, `end`. */
export interface TarSink {
  entry(entry: TarEntry): void;
  /** A piece of the file's stored bytes; valid only during the call. */
  data(chunk: Uint8Array<ArrayBuffer>): void;
  end(): void;
  /** The memory of all pieces so far will be used again: what was put off must be done now. */
  flush?(): void;
}

const TYPES: Record<string, EntryType> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  S: "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  D: "directory",
  "6": "fifo",
};

/** Bytes of one extended header or long name; Go's archive/tar has the same limit. */
const MAX_META = 1 << 20;
/** Extended headers in a row before one entry. */
const MAX_META_IN_A_ROW = 64;
/** Global records count for every entry: many of them would make each one dear. */
const MAX_GLOBALS = 1000;
const MAX_ENTRIES = 1 << 23;
const XATTR = "SCHILY.xattr.";

type State = "gather" | "data" | "skip" | "end";

/** Reads an archive pushed in pieces of any size. */
export class TarReader {
  #state: State = "gather";
  #buffer = new Uint8Array(BLOCK);
  #filled = 0;
  /** What to do with the gathered bytes. */
  #then: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** Bytes left of the data or of what is skipped. */
  #left = 0;
  #padding = 0;
  #open = false;
  #entries = 0;
  #metaInARow = 0;
  #globals: PaxRecords = [];
  #records: PaxRecords = [];
  #longName: string | undefined;
  #longLink: string | undefined;

  constructor(readonly sink: TarSink) {
    this.#then = (block) => this.#header(block);
  }

  /** Takes the next piece. Throws TarError when the archive breaks the format. */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    this.#take(chunk);
    this.sink.flush?.();
  }

  #take(chunk: Uint8Array<ArrayBuffer>): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === "end") return;
      const room = this.#state === "gather" ? this.#buffer.length - this.#filled : this.#left;
      const count = Math.min(room, chunk.length - at);
      const piece = chunk.subarray(at, at + count);
      at += count;
      if (this.#state === "gather") {
        this.#buffer.set(piece, this.#filled);
        this.#filled += count;
        if (this.#filled === this.#buffer.length) this.#gathered();
        continue;
      }
      if (this.#state === "data") this.sink.data(piece);
      this.#passed(count);
    }
  }

  /** Whether the end mark was read: nothing behind it counts. */
  get isAtEnd(): boolean {
    return this.#state === "end";
  }

  /** Passes over data that the sink does not want, at most `limit` bytes; how many. */
  passOver(limit: number): number {
    if (this.#state !== "data" && this.#state !== "skip") return 0;
    const count = Math.min(this.#left, limit);
    this.#passed(count);
    return count;
  }

  #passed(count: number): void {
    this.#left -= count;
    if (this.#left === 0) this.#state === "data" ? this.#dataDone() : this.#nextHeader();
  }

  /** Says that nothing follows. Throws TarError inside an entry: the archive is truncated. */
  finish(): void {
    const clean = this.#state === "end" ||
      (this.#state === "gather" && this.#filled === 0 && this.#metaInARow === 0 && !this.#open) ||
      // Writers that stop right after the data, without the padding, are common enough.
      (this.#state === "skip" && !this.#open && this.#metaInARow === 0);
    if (!clean) throw new TarError("Cannot read archive: unexpected end");
  }

  #gathered(): void {
    const bytes = this.#buffer;
    if (bytes.length !== BLOCK) this.#buffer = new Uint8Array(BLOCK);
    this.#filled = 0;
    this.#then(bytes);
  }

  /** Collects `size` bytes and then calls `then`. */
  #gather(size: number, then: (bytes: Uint8Array<ArrayBuffer>) => void): void {
    if (this.#buffer.length !== size) this.#buffer = new Uint8Array(size);
    this.#filled = 0;
    this.#then = then;
    this.#state = "gather";
    if (size === 0) this.#gathered();
  }

  #nextHeader(): void {
    this.#gather(BLOCK, (block) => this.#header(block));
  }

  #skip(count: number): void {
    if (count === 0) return this.#nextHeader();
    this.#left = count;
    this.#state = "skip";
  }

  #header(block: Uint8Array<ArrayBuffer>): void {
    if (isZeroBlock(block)) {
      if (this.#metaInARow > 0) throw new TarError("Cannot read archive: unexpected end");
      this.#state = "end";
      return;
    }
    const header = parseHeader(block);
    if (header.size < 0) throw new TarError("Cannot read archive: negative size");
    switch (header.typeflag) {
      case "x":
      case "X":
        return this.#meta(header, (bytes) => this.#addRecords(parsePax(bytes)));
      case "g":
        return this.#meta(header, (bytes) => this.#addGlobals(parsePax(bytes)));
      case "L":
        return this.#meta(header, (bytes) => this.#longName = cString(bytes));
      case "K":
        return this.#meta(header, (bytes) => this.#longLink = cString(bytes));
      case "V":
        return this.#skip(padded(header.size));
    }
    if (++this.#entries > MAX_ENTRIES) {
      throw new TarError(`Cannot read archive: more than ${MAX_ENTRIES} entries`);
    }
    if (header.typeflag === "S" && header.format === "gnu") return this.#oldSparse(header, block);
    this.#start(header);
  }

  #meta(header: RawHeader, use: (bytes: Uint8Array<ArrayBuffer>) => void): void {
    if (header.size > MAX_META || ++this.#metaInARow > MAX_META_IN_A_ROW) {
      throw new TarError("Cannot read archive: extended header is too long");
    }
    const { size } = header;
    this.#gather(padded(size), (bytes) => {
      use(bytes.subarray(0, size));
      this.#nextHeader();
    });
  }

  #addRecords(records: PaxRecords): void {
    for (const record of records) this.#records.push(record);
  }

  /** A later global record replaces an earlier one; the total stays bounded. */
  #addGlobals(records: PaxRecords): void {
    const keys = new Set(records.map(([key]) => key));
    this.#globals = [...this.#globals.filter(([key]) => !keys.has(key)), ...records];
    const bytes = this.#globals.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    if (bytes > MAX_META || this.#globals.length > MAX_GLOBALS) {
      throw new TarError("Cannot read archive: extended header is too long");
    }
    this.#metaInARow--; // it belongs to no entry, so it may be the last thing of an archive
  }

  #oldSparse(header: RawHeader, block: Uint8Array<ArrayBuffer>): void {
    const { map, more } = oldSparse(block);
    const next = (again: boolean): void => {
      if (again) this.#gather(BLOCK, (bytes) => next(moreOldSparse(map, bytes)));
      else this.#start(header, map);
    };
    next(more);
  }

  /** The header is complete unless a version 1.0 sparse map comes first in the data. */
  #start(header: RawHeader, oldMap?: SparseMap): void {
    const records = [...this.#globals, ...this.#records];
    const entry = this.#entryOf(header, records);
    let stored = entry.size;
    const sparse = records.length === 0 ? undefined : paxSparse(records);
    if (sparse?.name !== undefined) entry.path = byteString(sparse.name);
    if (entry.type === "file" && sparse?.map.spans === "data") {
      return this.#sparseMap(entry, stored, new SparseMapReader(sparse.map.size));
    }
    const map = oldMap ?? (sparse?.map as SparseMap | undefined);
    if (entry.type === "file" && map !== undefined) {
      entry.sparse = checkSparse(map, stored);
      entry.size = map.size;
    }
    // Only files and GNU's dumped directories have data; some writers repeat the size of a hard
    // link's target.
    if (entry.type !== "file") {
      entry.size = 0;
      if (header.typeflag !== "D") stored = 0;
    }
    this.#deliver(entry, stored);
  }

  #sparseMap(entry: TarEntry, stored: number, reader: SparseMapReader): void {
    this.#gather(BLOCK, (block) => {
      if (reader.taken + BLOCK > padded(stored)) {
        throw new TarError("Cannot read archive: bad map of a sparse file");
      }
      const map = reader.push(block);
      if (map === undefined) return this.#sparseMap(entry, stored, reader);
      entry.sparse = checkSparse(map, stored - reader.taken);
      entry.size = map.size;
      this.#deliver(entry, stored - reader.taken);
    });
  }

  #deliver(entry: TarEntry, stored: number): void {
    this.#records = [];
    this.#longName = this.#longLink = undefined;
    this.#metaInARow = 0;
    this.#padding = padded(stored) - stored;
    if (entry.type !== "file") {
      this.sink.entry(entry);
      this.sink.end();
      return this.#skip(padded(stored));
    }
    this.#open = true;
    this.sink.entry(entry);
    if (stored === 0) return this.#dataDone();
    this.#left = stored;
    this.#state = "data";
  }

  #dataDone(): void {
    this.#open = false;
    this.sink.end();
    this.#skip(this.#padding);
  }

  #entryOf(header: RawHeader, records: PaxRecords): TarEntry {
    const type = TYPES[header.typeflag];
    const path = this.#longName ?? header.name;
    if (type === undefined) {
      const flag = JSON.stringify(header.typeflag);
      throw new TarError(`Cannot read archive: entry "${path}" has the unknown type ${flag}`);
    }
    const entry: TarEntry = {
      path,
      type,
      link: this.#longLink ?? header.linkname,
      mode: header.mode & 0o7777,
      uid: header.uid,
      gid: header.gid,
      size: header.size,
      mtime: { seconds: header.mtime, nanos: 0 },
      devMajor: header.devMajor,
      devMinor: header.devMinor,
      xattrs: new Map(),
    };
    for (const [key, value] of records) applyRecord(entry, key, value);
    // v7 had no type for directories, only the slash at the end.
    const isOld = header.format === "v7" || header.typeflag === "\0";
    if (isOld && type === "file" && entry.path.endsWith("/")) entry.type = "directory";
    for (const [name, id] of [["uid", entry.uid], ["gid", entry.gid]] as const) {
      // -1 would mean "leave as it is" to chown.
      if (id < 0 || id > 0xfffffffe) throw new TarError(`Cannot read archive: ${name} ${id}`);
    }
    return entry;
  }
}

function applyRecord(entry: TarEntry, key: string, value: Uint8Array<ArrayBuffer>): void {
  // An empty value takes back what an earlier header said.
  if (value.length === 0 && !key.startsWith(XATTR)) return;
  switch (key) {
    case "path":
      entry.path = byteString(value);
      break;
    case "linkpath":
      entry.link = byteString(value);
      break;
    case "size":
      entry.size = paxNumber(value, key);
      break;
    case "uid":
      entry.uid = paxNumber(value, key);
      break;
    case "gid":
      entry.gid = paxNumber(value, key);
      break;
    case "mtime":
      entry.mtime = paxTime(value, key);
      break;
    default:
      if (key.startsWith(XATTR)) entry.xattrs.set(key.slice(XATTR.length), value);
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return byteString(bytes, 0, end < 0 ? bytes.length : end);
}
