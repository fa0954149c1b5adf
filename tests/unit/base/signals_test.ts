import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { parseSignal, signalName } from "../../../src/base/signals.ts";

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

const NAMES: [number: number, name: string][] = [
  [15, "SIGTERM"],
  [34, "SIGRTMIN"],
  [37, "SIGRTMIN+3"],
  [50, "SIGRTMAX-14"],
  [64, "SIGRTMAX"],
  [33, "33"],
];
for (const [number, name] of NAMES) {
  Deno.test(`signalName() calls ${number} ${name}`, () => assertEquals(signalName(number), name));
}

Deno.test("parseSignal() reads every name that signalName() gives", () => {
  for (let number = 1; number <= 64; number++) {
    assertEquals(parseSignal(signalName(number)), number);
  }
});
