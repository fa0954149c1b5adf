/**
 * One 512-byte header of a tar archive: v7, POSIX ustar and GNU.
 * Source: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
 */
import { byteString } from "./byte_string.ts";

export const BLOCK = 512;

/** An archive that breaks the format. The message says what and where. */
export class TarError extends Error {
  override name = "TarError";
}

/** What a header says before any extended header changes it. Names are byte strings. */
export interface RawHeader {
  name: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  /** One character; "\0" is an ordinary file too. */
  typeflag: string;
  linkname: string;
  devMajor: number;
  devMinor: number;
  format: "v7" | "ustar" | "gnu";
}

/** Whether the block is all zeros: the end mark. */
export function isZeroBlock(block: Uint8Array): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** A NUL-terminated field as a byte string. */
function stringField(block: Uint8Array, start: number, length: number): string {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  return byteString(block, start, end);
}

/** Base-256: the first bit is set, then a two's complement number, most significant byte first. */
function base256(block: Uint8Array, start: number, length: number, field: string): number {
  const negative = (block[start] & 0x40) !== 0;
  let value = BigInt(negative ? block[start] - 0x100 : block[start] & 0x7f);
  for (let i = start + 1; i < start + length; i++) value = value * 256n + BigInt(block[i]);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) {
    throw new TarError(`Cannot read archive: ${field} of a header is out of range`);
  }
  return number;
}

/** A number field: octal text (blanks and NULs around it) or base-256. */
export function numberField(
  block: Uint8Array,
  start: number,
  length: number,
  field: string,
): number {
  if ((block[start] & 0x80) !== 0) return base256(block, start, length, field);
  let at = start;
  let end = start + length;
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at++;
  while (end > at && (block[end - 1] === 0x20 || block[end - 1] === 0)) end--;
  let value = 0;
  for (; at < end; at++) {
    const digit = block[at] - 0x30;
    // Some writers leave rubbish after the terminator of a full field.
    if (block[at] === 0 || block[at] === 0x20) break;
    if (digit < 0 || digit > 7) {
      throw new TarError(`Cannot read archive: ${field} of a header is not a number`);
    }
    value = value * 8 + digit;
  }
  return value;
}

/** Old writers summed signed characters, so both sums are accepted. */
function checksumFits(block: Uint8Array): boolean {
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : block[i];
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  let sum: number;
  try {
    sum = numberField(block, 148, 8, "checksum");
  } catch {
    return false;
  }
  return sum === unsigned || sum === signed;
}

/** Reads a header that is not the end mark. Throws TarError for a bad checksum or number. */
export function parseHeader(block: Uint8Array): RawHeader {
  if (!checksumFits(block)) throw new TarError("Cannot read archive: bad checksum of a header");
  const magic = byteString(block, 257, 265);
  const format = magic === "ustar  \0" ? "gnu" : magic.startsWith("ustar\0") ? "ustar" : "v7";
  const prefix = format === "ustar" ? stringField(block, 345, 155) : "";
  const name = stringField(block, 0, 100);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: numberField(block, 100, 8, "mode"),
    uid: numberField(block, 108, 8, "uid"),
    gid: numberField(block, 116, 8, "gid"),
    size: numberField(block, 124, 12, "size"),
    mtime: numberField(block, 136, 12, "time"),
    typeflag: String.fromCharCode(block[156]),
    linkname: stringField(block, 157, 100),
    devMajor: format === "v7" ? 0 : numberField(block, 329, 8, "device number"),
    devMinor: format === "v7" ? 0 : numberField(block, 337, 8, "device number"),
    format,
  };
}
