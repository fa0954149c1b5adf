import { assertEquals, assertThrows } from "@std/assert";
import { cpuList, cpuMask } from "../../../src/runtime/cpu_list.ts";

const LISTS: [text: string, want: number[]][] = [
  ["0", [0]],
  ["0-2,7", [0, 1, 2, 7]],
  ["0-1\n", [0, 1]],
  ["", []],
];
for (const [text, want] of LISTS) {
  Deno.test(`cpuList() reads ${JSON.stringify(text)}`, () => assertEquals(cpuList(text), want));
}

for (const text of ["x", "2-1", "-1", "1-", "0-99999999"]) {
  Deno.test(`cpuList() refuses "${text}"`, () => {
    assertThrows(() => cpuList(text), Error, `Cannot use CPU list "${text}"`);
  });
}

Deno.test("cpuMask() has a bit for each CPU, in words of 64", () => {
  assertEquals(cpuMask("0,2,9"), new Uint8Array([5, 2, 0, 0, 0, 0, 0, 0]));
  assertEquals(cpuMask("64").length, 16);
  assertThrows(() => cpuMask(""), Error, "empty");
});
