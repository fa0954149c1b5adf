/**
 * The number grammars of flags: sizes, CPUs, durations, as docker's client reads them.
 * Every function throws a UserError with docker's text; who names the flag adds the rest.
 */
import { parseDuration as parseNanoseconds } from "../../base/duration.ts";
import { UserError } from "../../base/errors.ts";
import { parseSize } from "../../base/units.ts";

/** Exit code of a flag that does not parse. */
export const FLAG_EXIT_CODE = 125;

/** Throws the error of a flag value that is wrong. */
export function badFlag(message: string): never {
  throw new UserError(message, FLAG_EXIT_CODE);
}

/** Splits at the first `separator`; `value` is undefined where there is none. */
export function cut(text: string, separator: string): [key: string, value: string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** Parses a size as parseSize() does, and "-1" for "no limit". */
export function parseBytesOrUnlimited(text: string): number {
  return text === "-1" ? -1 : parseSize(text);
}

// The grammar of Go's big.Rat, less its octal, binary and underscores.
const RATIONAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,3}))?$/i;

/** A decimal as numerator and power of ten; undefined where it is none. */
function parseDecimal(text: string): { units: bigint; exponent: number } | undefined {
  const match = RATIONAL.exec(text);
  if (match === null || (match[2] + (match[3] ?? "")) === "") return undefined;
  const fraction = match[3] ?? "";
  const units = BigInt(match[2] + fraction) * (match[1] === "-" ? -1n : 1n);
  return { units, exponent: Number(match[4] ?? 0) - fraction.length };
}

/**
 * Parses `--cpus`: a decimal or a fraction ("1.5", "3/2"), exactly.
 * Returns billionths of a CPU; refuses what is finer than one billionth.
 */
export function parseCpus(text: string): number {
  const [over, under] = cut(text, "/");
  const top = under === undefined || /^[+-]?\d+$/.test(over) ? parseDecimal(over) : undefined;
  const bottom = under === undefined ? 1n : /^\d+$/.test(under) ? BigInt(under) : 0n;
  if (top === undefined || bottom === 0n) {
    badFlag(`failed to parse ${text} as a rational number`);
  }
  const exponent = top.exponent + 9;
  const dividend = exponent >= 0 ? top.units * 10n ** BigInt(exponent) : top.units;
  const divisor = exponent >= 0 ? bottom : bottom * 10n ** BigInt(-exponent);
  if (dividend % divisor !== 0n) badFlag("value is too precise");
  return Number(dividend / divisor);
}

/** Parses a Go duration to nanoseconds as docker's API has them: a number. */
export function parseDuration(text: string): number {
  return Number(parseNanoseconds(text));
}

/**
 * Splits one CSV record (RFC 4180: a field may stand in double quotes, "" is a quote).
 * Throws Go's csv texts.
 */
export function parseCsvRecord(text: string): string[] {
  const fields: string[] = [];
  let at = 0;
  if (text === "") badFlag("EOF");
  for (;;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(",", at);
      const field = text.slice(at, comma < 0 ? undefined : comma);
      const quote = field.indexOf('"');
      if (quote >= 0) {
        badFlag(`parse error on line 1, column ${at + quote + 1}: bare " in non-quoted-field`);
      }
      fields.push(field);
      if (comma < 0) return fields;
      at = comma + 1;
      continue;
    }
    const [field, end] = readQuoted(text, at + 1);
    fields.push(field);
    if (end >= text.length) return fields;
    at = end + 1;
  }
}

/** The quoted field that starts at `at`, and where its comma (or the end) is. */
function readQuoted(text: string, at: number): [field: string, end: number] {
  let field = "";
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) {
      badFlag(
        `parse error on line 1, column ${text.length + 1}: extraneous or missing " in quoted-field`,
      );
    }
    field += text.slice(at, quote);
    const next = text[quote + 1];
    if (next === undefined || next === ",") return [field, quote + 1];
    if (next !== '"') {
      badFlag(
        `parse error on line 1, column ${quote + 1}: extraneous or missing " in quoted-field`,
      );
    }
    field += '"';
    at = quote + 2;
  }
}
