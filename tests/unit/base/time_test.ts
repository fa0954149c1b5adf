import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  formatTime,
  formatTimePadded,
  formatTimeTable,
  humanAgo,
  nowNanoseconds,
  parseMoment,
  parseTime,
  presentTime,
  ZERO_TIME,
} from "../../../src/base/time.ts";

const T = 1_700_000_000_123_456_789n;

Deno.test("formatTime() keeps every nanosecond and no trailing zero", () => {
  assertEquals(formatTime(T), "2023-11-14T22:13:20.123456789Z");
  assertEquals(formatTime(1_700_000_000_500_000_000n), "2023-11-14T22:13:20.5Z");
  assertEquals(formatTime(1_700_000_000_000_000_000n), "2023-11-14T22:13:20Z");
  assertEquals(formatTime(-1n), "1969-12-31T23:59:59.999999999Z");
  assertEquals(formatTimePadded(1_700_000_000_500_000_000n), "2023-11-14T22:13:20.500000000Z");
  assertEquals(formatTimeTable(T), "2023-11-14 22:13:20 +0000 UTC");
});

const TIMES: [text: string, want: bigint | undefined][] = [
  ["2023-11-14T22:13:20.123456789Z", T],
  ["2023-11-14T23:13:20.123456789+01:00", T],
  ["2023-11-14T20:43:20.123456789-01:30", T],
  ["2023-11-14T22:13:20.1234567891Z", T],
  ["2023-11-14T22:13:20Z", 1_700_000_000_000_000_000n],
  ["2023-02-30T00:00:00Z", undefined],
  ["2023-11-14T24:00:00Z", undefined],
  ["2023-11-14", undefined],
  ["", undefined],
];
for (const [text, want] of TIMES) {
  Deno.test(`parseTime() of "${text}"`, () => assertEquals(parseTime(text), want));
}

Deno.test("parseTime() reads Go's zero time and prints it back", () => {
  assertEquals(formatTime(parseTime(ZERO_TIME)!), ZERO_TIME);
});

const local = (text: string) => BigInt(new Date(text).getTime()) * 1_000_000n;
const MOMENTS: [text: string, want: bigint][] = [
  ["1700000000", 1_700_000_000_000_000_000n],
  ["1700000000.123456789", T],
  ["1700000000.5", 1_700_000_000_500_000_000n],
  ["10m", T - 600_000_000_000n],
  ["1h30m", T - 5_400_000_000_000n],
  ["0s", T],
  ["0", 0n],
  ["2023-11-14T22:13:20.123456789Z", T],
  ["2023-11-14T22:13:20", local("2023-11-14T22:13:20")],
  ["2023-11-14T22:13", local("2023-11-14T22:13:00")],
  ["2023-11-14T22", local("2023-11-14T22:00:00")],
  ["2023-11-14", local("2023-11-14T00:00:00")],
  ["2023-11-14Z", 1_699_920_000_000_000_000n],
  ["2023-11-14T22:13Z", 1_699_999_980_000_000_000n],
];
for (const [text, want] of MOMENTS) {
  Deno.test(`parseMoment() takes "${text}"`, () => assertEquals(parseMoment(text, T), want));
}

Deno.test("parseMoment() refuses what is no time", () => {
  for (const text of ["", "yesterday", "2023-13-01", "2023-02-30T10:00", "10 minutes"]) {
    assertThrows(() => parseMoment(text, T), Error, "failed to parse value as time or duration");
  }
});

Deno.test("humanAgo() counts from the moment it is given", () => {
  assertEquals(humanAgo(T - 300_000_000_000n, T), "5 minutes ago");
});

Deno.test("nowNanoseconds() is the clock of Date", () => {
  const before = BigInt(Date.now()) * 1_000_000n;
  const now = nowNanoseconds();
  assert(now >= before && now < before + 60_000_000_000n);
});

Deno.test("presentTime() follows a clock that was set while this program ran", () => {
  // A machine that slept does the same: what counts from our start stood still meanwhile.
  const { now } = Date;
  try {
    Date.now = () => now() + 3_600_000;
    const ahead = Number(parseTime(presentTime())! / 1_000_000n) - now();
    assert(Math.abs(ahead - 3_600_000) < 60_000, String(ahead));
  } finally {
    Date.now = now;
  }
});
