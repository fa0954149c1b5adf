import { quoteGo } from "./quote.ts";

/** Nanoseconds in a second: times and durations are bigints of nanoseconds here. */
export const SECOND = 1_000_000_000n;

const UNITS: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  "µs": 1_000n,
  "μs": 1_000n,
  ms: 1_000_000n,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND,
};

/** Parses a Go duration, `1h30m` or `-1.5s`, to nanoseconds. Throws an Error with Go's text. */
export function parseDuration(text: string): bigint {
  const invalid = () => new Error(`time: invalid duration ${quoteGo(text)}`);
  let rest = text.replace(/^[+-]/, "");
  if (rest === "0") return 0n;
  if (rest === "") throw invalid();
  let total = 0n;
  while (rest !== "") {
    const match = /^(\d*)(?:\.(\d*))?([^\d.]*)/.exec(rest)!;
    const [whole, digits, fraction = "", unit] = match;
    if (digits === "" && fraction === "") throw invalid();
    if (unit === "") throw new Error(`time: missing unit in duration ${quoteGo(text)}`);
    const scale = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
    if (scale === undefined) {
      throw new Error(`time: unknown unit ${quoteGo(unit)} in duration ${quoteGo(text)}`);
    }
    total += BigInt(digits || "0") * scale;
    if (fraction !== "") total += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
    // Go's durations are int64; the most negative one has no positive twin.
    if (total > 1n << 63n || (total === 1n << 63n && text[0] !== "-")) throw invalid();
    rest = rest.slice(whole.length);
  }
  return text[0] === "-" ? -total : total;
}

function withFraction(value: bigint, scale: bigint, unit: string): string {
  const digits = scale.toString().length - 1;
  const fraction = (value % scale).toString().padStart(digits, "0").replace(/0+$/, "");
  return `${value / scale}${digits === 0 || fraction === "" ? "" : "." + fraction}${unit}`;
}

/** Nanoseconds as Go prints a duration: 1h30m0s, 1.5s, 20ms, 0s. */
export function formatDuration(nanoseconds: bigint): string {
  if (nanoseconds < 0n) return "-" + formatDuration(-nanoseconds);
  if (nanoseconds === 0n) return "0s";
  if (nanoseconds < 1_000n) return `${nanoseconds}ns`;
  if (nanoseconds < 1_000_000n) return withFraction(nanoseconds, 1_000n, "µs");
  if (nanoseconds < SECOND) return withFraction(nanoseconds, 1_000_000n, "ms");
  const hours = nanoseconds / UNITS.h;
  const minutes = (nanoseconds % UNITS.h) / UNITS.m;
  const seconds = withFraction(nanoseconds % UNITS.m, SECOND, "s");
  if (hours > 0n) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${minutes}m${seconds}` : seconds;
}

/**
 * A duration in words, as docker's tables have it (go-units HumanDuration): "Less than a
 * second", "About a minute", "5 hours", "2 weeks".
 */
export function humanDuration(nanoseconds: bigint): string {
  const seconds = Number(nanoseconds / SECOND);
  const minutes = Math.trunc(seconds / 60);
  // Hours are rounded to the nearest, all the others are cut off.
  const hours = Math.floor(Number(nanoseconds) / 3.6e12 + 0.5);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Number(nanoseconds) / 3.6e12 / 24 / 365)} years`;
}
