import { assertEquals, assertThrows } from "@std/assert";
import {
  parseBytesOrUnlimited,
  parseCpus,
  parseCsvRecord,
  parseDuration,
} from "../../../../src/cli/flags/units.ts";

/** Runs a parser over its table: a value, or the text of the error. */
function table<T>(
  name: string,
  parse: (text: string) => T,
  rows: readonly [text: string, want: T | { error: string }][],
): void {
  for (const [text, want] of rows) {
    Deno.test(`${name}() reads ${JSON.stringify(text)} as docker does`, () => {
      if (typeof want === "object" && want !== null && "error" in want) {
        assertEquals(assertThrows(() => parse(text)).message, want.error);
      } else assertEquals(parse(text), want);
    });
  }
}

table<number>("parseBytesOrUnlimited", parseBytesOrUnlimited, [
  ["-1", -1],
  ["1k", 1024],
  ["1.5GiB", 1.5 * 1024 ** 3],
  ["5x", { error: "invalid suffix: 'x'" }],
  ["-2", { error: "invalid size: '-2'" }],
]);

table<number>("parseCpus", parseCpus, [
  ["1", 1e9],
  ["1.5", 1.5e9],
  ["0.01", 1e7],
  ["3/2", 1.5e9],
  ["1e-1", 1e8],
  ["-1", -1e9],
  ["0.000000001", 1],
  ["0.0000000001", { error: "value is too precise" }],
  ["1/3", { error: "value is too precise" }],
  ["1/0", { error: "failed to parse 1/0 as a rational number" }],
  ["1.5/2", { error: "failed to parse 1.5/2 as a rational number" }],
  ["", { error: "failed to parse  as a rational number" }],
  ["two", { error: "failed to parse two as a rational number" }],
]);

table<number>("parseDuration", parseDuration, [
  ["0", 0],
  ["5s", 5e9],
  ["1h30m5.5s", 5405.5e9],
  ["100ms", 1e8],
  ["1us", 1000],
  ["1µs", 1000],
  ["7ns", 7],
  [".5s", 5e8],
  ["-2m", -120e9],
  ["", { error: 'time: invalid duration ""' }],
  ["abc", { error: 'time: invalid duration "abc"' }],
  ["10", { error: 'time: missing unit in duration "10"' }],
  ["10y", { error: 'time: unknown unit "y" in duration "10y"' }],
  ["1s5", { error: 'time: missing unit in duration "1s5"' }],
  ["3000000h", { error: 'time: invalid duration "3000000h"' }],
]);

table<string[]>("parseCsvRecord", parseCsvRecord, [
  ["a,b", ["a", "b"]],
  ["a,", ["a", ""]],
  ['"a,b",c', ["a,b", "c"]],
  ['"say ""hi""",x', ['say "hi"', "x"]],
  ["", { error: "EOF" }],
  ['a"b', { error: 'parse error on line 1, column 2: bare " in non-quoted-field' }],
  ['"a"b', {
    error: 'parse error on line 1, column 3: extraneous or missing " in quoted-field',
  }],
  ['"type=bind,a', {
    error: 'parse error on line 1, column 13: extraneous or missing " in quoted-field',
  }],
]);
