import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { parseSignal } from "../../../src/base/signals.ts";

const GOOD: [text: string, number: number][] = [
  ["TERM", 15],
  ["SIGTERM", 15],
  ["sigkill", 9],
  ["15", 15],
  ["1", 1],
  ["64", 64],
  ["HUP", 1],
  ["SYS", 31],
  ["CLD", 17],
  ["POLL", 29],
  ["RTMIN", 34],
  ["SIGRTMIN+3", 37],
  ["rtmax-14", 50],
  ["RTMAX", 64],
];
for (const [text, number] of GOOD) {
  Deno.test(`parseSignal() takes ${text}`, () => assertEquals(parseSignal(text), number));
}

for (const text of ["FOO", "0", "65", "-9", "", "SIG", "SIGSIGTERM", "RTMIN-1", "RTMIN+31", "9 "]) {
  Deno.test(`parseSignal() refuses "${text}"`, () => {
    assertThrows(() => parseSignal(text), UserError, `Invalid signal: ${text}`);
  });
}
