import { assertEquals } from "@std/assert";
import { shiftedId } from "../../../src/engine/shift_owners.ts";
import type { IdMapping } from "../../../src/runtime/spec_types.ts";

const map = (hostID: number, size = 65536): IdMapping[] => [{ containerID: 0, hostID, size }];
const A = map(100000), B = map(200000), PLAIN = map(0, 2 ** 32 - 1);

const CASES: [name: string, id: number, from: IdMapping[][], to: IdMapping[], want: number][] = [
  ["a plain id gets its place in a range", 33, [PLAIN], A, 100033],
  ["an id of one range moves to another", 100033, [A], B, 200033],
  ["what a walk that was cut off has moved stays", 200033, [B, A], B, 200033],
  ["an id of a range becomes plain", 100033, [A, PLAIN], PLAIN, 33],
  ["an id that no map has is root's", 7, [A], B, 200000],
  ["an id too large for the new map is root's", 100500, [A], map(200000, 100), 200000],
];
for (const [name, id, from, to, want] of CASES) {
  Deno.test(`shiftedId(): ${name}`, () => assertEquals(shiftedId(id, from, to), want));
}
