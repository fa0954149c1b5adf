import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { DetachFilter, parseDetachKeys } from "../../../src/engine/detach_keys.ts";

const KEYS: [text: string, bytes: number[]][] = [
  ["", [16, 17]],
  ["ctrl-p,ctrl-q", [16, 17]],
  ["ctrl-@", [0]],
  ["ctrl-a,x", [1, 120]],
  ["ctrl-z,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", [26, 27, 28, 29, 30, 31]],
  ["DEL", [127]],
  ["a,b,c", [97, 98, 99]],
];
for (const [text, bytes] of KEYS) {
  Deno.test(`parseDetachKeys() reads "${text}"`, () => assertEquals(parseDetachKeys(text), bytes));
}

for (const text of ["ctrl-A", "ctrl-1", "ab", "ctrl-p,", "é", "ctrl-"]) {
  Deno.test(`parseDetachKeys() refuses "${text}"`, () => {
    const error = assertThrows(() => parseDetachKeys(text), UserError, "Unknown character: '");
    assertEquals(error.exitCode, 1);
  });
}

/** What passes when `chunks` are typed one after the other, and whether that detaches. */
function type(keys: number[], ...chunks: string[]): [string, boolean] {
  const filter = new DetachFilter(keys);
  let passed = "";
  for (const chunk of chunks) {
    const { pass, detach } = filter.push(new TextEncoder().encode(chunk));
    passed += new TextDecoder().decode(pass);
    if (detach) return [passed, true];
  }
  return [passed, false];
}

const TYPED: [name: string, keys: number[], chunks: string[], want: [string, boolean]][] = [
  ["passes what is no key", [16, 17], ["ls\n"], ["ls\n", false]],
  ["detaches", [16, 17], ["a\x10\x11b"], ["a", true]],
  ["detaches when the keys come one by one", [16, 17], ["\x10", "\x11"], ["", true]],
  ["gives back a start that went on otherwise", [16, 17], ["\x10", "x"], ["\x10x", false]],
  ["takes a second start after a first one", [16, 17], ["\x10\x10\x11"], ["\x10", true]],
  ["holds a start back until it is known", [16, 17], ["a\x10"], ["a", false]],
  ["works with one key", [24], ["ab\x18"], ["ab", true]],
  ["passes everything without keys", [], ["a\x10\x11b"], ["a\x10\x11b", false]],
];
for (const [name, keys, chunks, want] of TYPED) {
  Deno.test(`DetachFilter ${name}`, () => assertEquals(type(keys, ...chunks), want));
}
