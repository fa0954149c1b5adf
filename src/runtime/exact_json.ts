/**
 * JSON with 64-bit numbers. config.json and seccomp profiles hold masks such as 2^64-1, which a
 * JavaScript number would round; these few become raw JSON values, which JSON.stringify writes as
 * they were read.
 */

/** A number as it stands in the text; what JSON.rawJSON makes. */
export interface RawNumber {
  readonly rawJSON: string;
}

// In V8 since 114; not yet in TypeScript's library.
const json = JSON as unknown as { rawJSON(text: string): RawNumber };

/** An integer of any size as JSON.stringify is to write it. */
export function rawInteger(digits: string): RawNumber {
  return json.rawJSON(digits);
}

/** JSON.parse, but integers that a number cannot hold become RawNumber. Throws SyntaxError. */
export function parseExactJson(text: string): unknown {
  return /\d{16}/.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text);
}

function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return /^-?\d+$/.test(source) ? json.rawJSON(source) : value;
}

/** The exact integer of a number or RawNumber; undefined if it is not an integer. */
export function exactInteger(value: unknown): bigint | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  const raw = (value as RawNumber | null)?.rawJSON;
  return typeof raw === "string" && /^-?\d+$/.test(raw) ? BigInt(raw) : undefined;
}
