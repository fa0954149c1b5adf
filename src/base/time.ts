import { humanDuration, parseDuration, SECOND } from "./duration.ts";
import { quoteGo } from "./quote.ts";

/** Docker's "never": Go's zero time. */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

/** Now, in nanoseconds since 1970; the clock of Deno has steps of a millisecond or finer. */
export function nowNanoseconds(): bigint {
  // Date.now() is whole milliseconds; the sub-millisecond part orders what happens within one.
  const fine = performance.timeOrigin + performance.now();
  const whole = Date.now();
  const rest = fine - whole;
  const extra = rest >= 0 && rest < 1 ? BigInt(Math.trunc(rest * 1e6)) : 0n;
  return BigInt(whole) * 1_000_000n + extra;
}

function split(nanoseconds: bigint): [date: string, nano: string] {
  let seconds = nanoseconds / SECOND;
  let nano = nanoseconds % SECOND;
  if (nano < 0n) {
    seconds -= 1n;
    nano += SECOND;
  }
  const date = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return [date, nano.toString().padStart(9, "0")];
}

/** RFC 3339 in UTC with as many digits of the second as needed, as `inspect` has it. */
export function formatTime(nanoseconds: bigint): string {
  const [date, nano] = split(nanoseconds);
  const fraction = nano.replace(/0+$/, "");
  return `${date}${fraction === "" ? "" : "." + fraction}Z`;
}

/** RFC 3339 in UTC with always nine digits, as `logs --timestamps` has it. */
export function formatTimePadded(nanoseconds: bigint): string {
  const [date, nano] = split(nanoseconds);
  return `${date}.${nano}Z`;
}

/** Now, as records and `info` have it. */
export function presentTime(): string {
  return formatTimePadded(nowNanoseconds());
}

/** The form of tables' CreatedAt, `2023-11-14 22:13:20 +0000 UTC`. */
export function formatTimeTable(nanoseconds: bigint): string {
  return `${split(nanoseconds)[0].replace("T", " ")} +0000 UTC`;
}

const FULL = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?([Zz]|[+-]\d\d:\d\d)$/;

function offsetMinutes(zone: string): number {
  if (zone === "Z" || zone === "z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return zone[0] === "-" ? -minutes : minutes;
}

/** Milliseconds since 1970 of a date whose parts are in range; NaN otherwise (30 February). */
function utc(parts: readonly number[]): number {
  const [year, month, day, hour = 0, minute = 0, second = 0] = parts;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second, 0);
  const same = date.getUTCMonth() === month - 1 && date.getUTCDate() === day &&
    hour < 24 && minute < 60 && second < 60;
  return same ? date.getTime() : NaN;
}

function nano(fraction = ""): bigint {
  return BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

/**
 * Parses an RFC 3339 time to nanoseconds since 1970. Digits beyond the ninth are cut off.
 * Returns undefined for anything else.
 */
export function parseTime(text: string): bigint | undefined {
  const match = FULL.exec(text);
  if (match === null) return undefined;
  const milliseconds = utc(match.slice(1, 7).map(Number));
  if (Number.isNaN(milliseconds)) return undefined;
  const zone = BigInt(offsetMinutes(match[8])) * 60n * SECOND;
  return BigInt(milliseconds) * 1_000_000n + nano(match[7]) - zone;
}

const LOCAL =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?)?([Zz]|[+-]\d\d:\d\d)?$/;

function localMilliseconds(parts: readonly number[]): number {
  if (Number.isNaN(utc(parts))) return NaN;
  const [year, month, day, hour = 0, minute = 0, second = 0] = parts;
  const date = new Date(0);
  date.setFullYear(year, month - 1, day);
  date.setHours(hour, minute, second, 0);
  return date.getTime();
}

/**
 * Parses a `--since` or `--until`: a Go duration before `now`, unix seconds with a fraction,
 * or a date with as much of the time as wanted; without a zone it is local. Nanoseconds since
 * 1970. Throws an Error with docker's text.
 */
export function parseMoment(text: string, now: bigint = nowNanoseconds()): bigint {
  const unix = /^(-?\d+)(?:\.(\d{1,9})\d*)?$/.exec(text);
  // So "0" is 1970, not the duration of nothing: as in docker, it asks for everything.
  if (unix !== null) return BigInt(unix[1]) * SECOND + nano(unix[2]);
  if (!/^\d{4}-/.test(text)) {
    try {
      return now - parseDuration(text);
    } catch {
      throw new Error(`failed to parse value as time or duration: ${quoteGo(text)}`);
    }
  }
  const match = LOCAL.exec(text);
  const parts = match?.slice(1, 7).map((part) => part === undefined ? 0 : Number(part)) ?? [];
  const zone = match?.[8];
  const milliseconds = match === null
    ? NaN
    : zone === undefined
    ? localMilliseconds(parts)
    : utc(parts) - offsetMinutes(zone) * 60_000;
  if (Number.isNaN(milliseconds)) {
    throw new Error(`failed to parse value as time or duration: ${quoteGo(text)}`);
  }
  return BigInt(milliseconds) * 1_000_000n + nano(match![7]);
}

/** `5 minutes ago`: how long before `now` a moment lies, in docker's words. */
export function humanAgo(moment: bigint, now: bigint = nowNanoseconds()): string {
  return humanDuration(now - moment) + " ago";
}
