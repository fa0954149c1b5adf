/**
 * Maps of sparse files in GNU's four ways of writing them.
 * Source: GNU tar manual, "Storing Sparse Files" and "GNU Extensions to the Archive Format".
 */
import { byteString } from "./byte_string.ts";
import { paxNumber, type PaxRecords } from "./pax.ts";
import { BLOCK, numberField, TarError } from "./tar_header.ts";

/** A stretch of data inside a file; the rest of the file is a hole. */
export interface Span {
  offset: number;
  length: number;
}

/** A file of `size` bytes of which only `spans` are stored. */
export interface SparseMap {
  size: number;
  spans: Span[];
}

const MAX_SPANS = 1 << 20;

/** Checks that spans rise, do not overlap, lie inside the file and hold `stored` bytes. */
export function checkSparse(map: SparseMap, stored: number): SparseMap {
  let end = 0;
  let sum = 0;
  for (const span of map.spans) {
    if (span.offset < end || span.length < 0) throw badMap();
    end = span.offset + span.length;
    sum += span.length;
  }
  if (end > map.size || sum !== stored || !Number.isSafeInteger(end)) throw badMap();
  return map;
}

function badMap(): TarError {
  return new TarError("Cannot read archive: bad map of a sparse file");
}

/** `count` pairs of 12-byte fields from `start`; an empty pair ends the list. */
function spansAt(block: Uint8Array, start: number, count: number): Span[] {
  const spans: Span[] = [];
  for (let i = 0; i < count; i++) {
    const at = start + i * 24;
    if (block[at] === 0 || block[at + 12] === 0) break;
    spans.push({
      offset: numberField(block, at, 12, "sparse offset"),
      length: numberField(block, at + 12, 12, "sparse length"),
    });
  }
  return spans;
}

/** The map in a header of type "S", and whether more blocks of it follow. */
export function oldSparse(block: Uint8Array): { map: SparseMap; more: boolean } {
  const size = numberField(block, 483, 12, "size of a sparse file");
  return { map: { size, spans: spansAt(block, 386, 4) }, more: block[482] !== 0 };
}

/** Adds the spans of a continuation block; whether another one follows. */
export function moreOldSparse(map: SparseMap, block: Uint8Array): boolean {
  map.spans.push(...spansAt(block, 0, 21));
  if (map.spans.length > MAX_SPANS) throw badMap();
  return block[504] !== 0;
}

/** What extended headers say of a sparse file. */
export interface PaxSparse {
  name?: Uint8Array<ArrayBuffer>;
  /** "data": version 1.0, the map is at the start of the data. */
  map: SparseMap | { size: number; spans: "data" };
}

/** GNU.sparse.* records, versions 0.0, 0.1 and 1.0; undefined if there are none. */
export function paxSparse(records: PaxRecords): PaxSparse | undefined {
  const get = (key: string) => records.findLast(([k]) => k === `GNU.sparse.${key}`)?.[1];
  const name = get("name");
  const realSize = get("realsize") ?? get("size");
  if (realSize === undefined) return undefined;
  const size = paxNumber(realSize, "GNU.sparse.size");
  const major = get("major");
  if (major !== undefined && byteString(major) === "1") {
    return { ...(name && { name }), map: { size, spans: "data" } };
  }
  const map = get("map");
  const numbers = map !== undefined
    ? (map.length === 0 ? [] : byteString(map).split(",").map(wholeNumber))
    : records.filter(([k]) => k === "GNU.sparse.offset" || k === "GNU.sparse.numbytes")
      .map(([k, v]) => paxNumber(v, k));
  return { ...(name && { name }), map: { size, spans: pairs(numbers) } };
}

function wholeNumber(text: string): number {
  if (!/^[0-9]{1,16}$/.test(text)) throw badMap();
  return Number(text);
}

function pairs(numbers: number[]): Span[] {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * MAX_SPANS) throw badMap();
  const spans: Span[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    spans.push({ offset: numbers[i], length: numbers[i + 1] });
  }
  return spans;
}

/** Reads a version 1.0 map, block by block: decimal numbers, one a line. */
export class SparseMapReader {
  #text = "";
  /** How many pairs there are, once the first line is read. */
  #count: number | undefined;
  readonly #numbers: number[] = [];
  /** Bytes of the entry's data that the map took. */
  taken = 0;
  constructor(readonly size: number) {}

  /** Takes the next block; the finished map, or undefined when another block is needed. */
  push(block: Uint8Array): SparseMap | undefined {
    this.taken += BLOCK;
    this.#text += byteString(block);
    const lines = this.#text.split("\n");
    this.#text = lines.pop()!;
    if (this.#text.length > 2 * BLOCK) throw badMap();
    for (const line of lines) {
      if (this.#count === undefined) this.#count = wholeNumber(line);
      else if (this.#numbers.length < 2 * this.#count) this.#numbers.push(wholeNumber(line));
    }
    const count = this.#count;
    if (count === undefined) {
      if (this.taken < 2 * BLOCK) return undefined;
      throw badMap();
    }
    if (count > MAX_SPANS) throw badMap();
    if (this.#numbers.length < 2 * count) return undefined;
    return { size: this.size, spans: pairs(this.#numbers) };
  }
}
