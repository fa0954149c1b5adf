import { assertEquals, assertThrows } from "@std/assert";
import { formatDuration, humanDuration, parseDuration } from "../../../src/base/duration.ts";

const S = 1_000_000_000n;
const PARSED: [text: string, want: bigint][] = [
  ["0", 0n],
  ["-0", 0n],
  ["5s", 5n * S],
  ["+5s", 5n * S],
  ["1h30m", 5400n * S],
  ["1.5h", 5400n * S],
  ["-1.5s", -1_500_000_000n],
  ["1m0.000000001s", 60n * S + 1n],
  ["100ms", 100_000_000n],
  ["1us1µs1μs", 3000n],
  [".5s", 500_000_000n],
  ["1.s", S],
  ["3ns", 3n],
  ["9223372036.854775807s", 9223372036854775807n],
];
for (const [text, want] of PARSED) {
  Deno.test(`parseDuration() takes "${text}"`, () => assertEquals(parseDuration(text), want));
}

const REFUSED: [text: string, want: string][] = [
  ["", 'time: invalid duration ""'],
  ["x", 'time: invalid duration "x"'],
  ["3", 'time: missing unit in duration "3"'],
  ["1h5", 'time: missing unit in duration "1h5"'],
  ["1d", 'time: unknown unit "d" in duration "1d"'],
  [".s", 'time: invalid duration ".s"'],
  ["-", 'time: invalid duration "-"'],
  ["9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'],
];
for (const [text, want] of REFUSED) {
  Deno.test(`parseDuration() refuses "${text}" with Go's text`, () => {
    assertEquals(assertThrows(() => parseDuration(text), Error).message, want);
  });
}

const PRINTED: [nanoseconds: bigint, want: string][] = [
  [0n, "0s"],
  [1n, "1ns"],
  [1100n, "1.1µs"],
  [2_200_000n, "2.2ms"],
  [1_500_000_000n, "1.5s"],
  [60n * S, "1m0s"],
  [5400n * S, "1h30m0s"],
  [-30n * S, "-30s"],
  [3600n * S + 1n, "1h0m0.000000001s"],
];
for (const [nanoseconds, want] of PRINTED) {
  Deno.test(`formatDuration() prints ${want}`, () => {
    assertEquals(formatDuration(nanoseconds), want);
    assertEquals(parseDuration(want), nanoseconds);
  });
}

const MINUTE = 60n;
const HOUR = 3600n;
const DAY = 24n * HOUR;
const HUMAN: [seconds: bigint, want: string][] = [
  [0n, "Less than a second"],
  [1n, "1 second"],
  [45n, "45 seconds"],
  [60n, "About a minute"],
  [119n, "About a minute"],
  [3n * MINUTE, "3 minutes"],
  [59n * MINUTE + 59n, "59 minutes"],
  [60n * MINUTE, "About an hour"],
  [89n * MINUTE, "About an hour"],
  [90n * MINUTE, "2 hours"],
  [47n * HOUR, "47 hours"],
  [2n * DAY, "2 days"],
  [13n * DAY, "13 days"],
  [14n * DAY, "2 weeks"],
  [59n * DAY, "8 weeks"],
  [60n * DAY, "2 months"],
  [729n * DAY, "24 months"],
  [730n * DAY, "2 years"],
];
for (const [seconds, want] of HUMAN) {
  Deno.test(`humanDuration() of ${seconds} s is "${want}"`, () => {
    assertEquals(humanDuration(seconds * S), want);
  });
}
