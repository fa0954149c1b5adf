import { assertEquals } from "@std/assert";
import { parseExit, parseStat } from "../../../src/runtime/monitor_protocol.ts";

/** An exit record. */
function exitBytes(status: number, timedOut = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, status, true);
  view.setUint32(4, timedOut, true);
  view.setBigUint64(8, 3n, true);
  view.setBigUint64(16, 7n, true);
  return bytes;
}

const EXITS: [status: number, code: number, signal: number | undefined][] = [
  [0, 0, undefined],
  [3 << 8, 3, undefined],
  [255 << 8, 255, undefined],
  [9, 137, 9],
  [11 | 0x80, 139, 11], // with a core dump
];
for (const [status, code, signal] of EXITS) {
  Deno.test(`parseExit() of status ${status} is ${code}`, () => {
    const exit = parseExit(exitBytes(status))!;
    assertEquals([exit.code, exit.signal, exit.timedOut], [code, signal, false]);
    assertEquals(exit.timeNs, 3_000_000_007n);
  });
}

Deno.test("parseExit() tells that the time was up", () => {
  assertEquals(parseExit(exitBytes(15, 1))?.timedOut, true);
});

Deno.test("parseExit() takes no incomplete record", () => {
  assertEquals(parseExit(exitBytes(0).subarray(0, 23)), undefined);
});

const STAT = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3\n";
Deno.test("parseStat() counts fields from the last parenthesis: names may hold anything", () => {
  assertEquals(parseStat(STAT), { pid: 42, parent: 7, state: "S", startTime: "98765" });
});
for (const text of ["", "42 (sleep", "42 (sleep) S 1 2"]) {
  Deno.test(`parseStat() knows nothing of "${text}"`, () => {
    assertEquals(parseStat(text), undefined);
  });
}
