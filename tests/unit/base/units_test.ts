import { assertEquals, assertThrows } from "@std/assert";
import { formatMemory, formatSize, parseSize } from "../../../src/base/units.ts";

const SIZES: [text: string, want: number][] = [
  ["0", 0],
  ["512", 512],
  ["1b", 1],
  ["1k", 1024],
  ["1K", 1024],
  ["1kb", 1024],
  ["1KiB", 1024],
  ["1.5g", 1610612736],
  ["6m", 6291456],
  ["2 mb", 2097152],
  ["1t", 2 ** 40],
  ["1p", 2 ** 50],
  [".5k", 512],
  ["1.k", 1024],
  ["12b", 12],
];
for (const [text, want] of SIZES) {
  Deno.test(`parseSize() takes "${text}"`, () => assertEquals(parseSize(text), want));
}

const BAD_SIZES: [text: string, want: string][] = [
  ["abc", "invalid size: 'abc'"],
  ["", "invalid size: ''"],
  ["-1", "invalid size: '-1'"],
  ["8388608t", "invalid size: '8388608t'"],
  ["1x", "invalid suffix: 'x'"],
  ["1kx", "invalid suffix: 'kx'"],
  ["1.2.3", 'strconv.ParseFloat: parsing "1.2.3": invalid syntax'],
];
for (const [text, want] of BAD_SIZES) {
  Deno.test(`parseSize() refuses "${text}"`, () => {
    assertEquals(assertThrows(() => parseSize(text), Error).message, want);
  });
}

const DECIMALS: [bytes: number, want: string][] = [
  [0, "0B"],
  [5, "5B"],
  [999, "999B"],
  [1000, "1kB"],
  [1234, "1.23kB"],
  [1_980_000, "1.98MB"],
  [202_900_000, "203MB"],
  [7_799_999, "7.8MB"],
  [123_456_789_012, "123GB"],
  [999_999, "1e+03kB"], // docker's own rounding: %.4g would not, its %.3g does
];
for (const [bytes, want] of DECIMALS) {
  Deno.test(`formatSize() of ${bytes} is ${want}`, () => assertEquals(formatSize(bytes), want));
}

const BINARIES: [bytes: number, want: string][] = [
  [0, "0B"],
  [798720, "780KiB"],
  [25276366029, "23.54GiB"],
  [1024, "1KiB"],
  [1536, "1.5KiB"],
];
for (const [bytes, want] of BINARIES) {
  Deno.test(`formatMemory() of ${bytes} is ${want}`, () => assertEquals(formatMemory(bytes), want));
}
