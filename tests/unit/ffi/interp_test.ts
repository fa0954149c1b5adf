import { assert, assertEquals, assertThrows } from "@std/assert";
import { encode } from "../../../ffi/interp.ts";
import {
  addressIn,
  block,
  goTo,
  placeIn,
  type Program,
  slot,
  STATE,
  type Step,
  stepAddress,
  stringArray,
} from "../../../ffi/program.ts";
import { syscallNumber } from "../../../ffi/syscalls.ts";

const BASE = 0x600000;
const STEP_BYTES = 96;
const GETPID: Step = { call: "getpid", args: [], goal: "ask" };

/** Word `index` of step `step`. */
function word(program: Program, step: number, index: number): bigint {
  const { bytes, firstStep } = encode(program, BASE, "x86_64");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getBigInt64(firstStep - BASE + step * STEP_BYTES + index * 8, true);
}

const address = (step: number) => BigInt(BASE + STATE.bytes.length + step * STEP_BYTES);

Deno.test("encode() numbers calls by architecture", () => {
  for (const arch of ["x86_64", "aarch64"] as const) {
    const { bytes, firstStep } = encode({ steps: [GETPID] }, BASE, arch);
    const number = new DataView(bytes.buffer).getBigInt64(firstStep - BASE, true);
    assertEquals(number, BigInt(syscallNumber("getpid", arch)));
  }
});

Deno.test("encode() makes failure 0, the end 1 and the step below the default", () => {
  const program = { steps: [GETPID, GETPID] };
  assertEquals([9, 10, 11].map((index) => word(program, 0, index)), [0n, address(1), address(1)]);
  assertEquals([9, 10, 11].map((index) => word(program, 1, index)), [0n, 1n, 1n]);
});

Deno.test("encode() turns labels into addresses", () => {
  const program: Program = {
    steps: [goTo("@b"), { ...GETPID, args: [stepAddress("b")] }, { ...GETPID, label: "b" }],
  };
  assertEquals(word(program, 0, 10), address(2));
  assertEquals(word(program, 1, 1), address(2));
});

Deno.test("encode() flags the arguments that are read when the step runs", () => {
  const place = slot("x", 5);
  const step: Step = { call: "read", args: [place, addressIn(place), 8], goal: "read" };
  assertEquals(word({ steps: [step] }, 0, 7), 1n);
  assertEquals(word({ steps: [step] }, 0, 1), word({ steps: [step] }, 0, 2));
});

Deno.test("encode() keeps negative numbers and bigints of 64 bits", () => {
  const step: Step = { call: "read", args: [-1, 0xffff_ffff_ffff_fffen, -(1n << 40n)], goal: "x" };
  const words = [1, 2, 3].map((index) => word({ steps: [step] }, 0, index));
  assertEquals(words, [-1n, -2n, -(1n << 40n)]);
});

Deno.test("encode() stores each string once", () => {
  const step: Step = { call: "chdir", args: ["/same"], goal: "go" };
  const program = { steps: [step, step] };
  assertEquals(word(program, 0, 1), word(program, 1, 1));
});

Deno.test("encode() fills the pointers of blocks, through blocks that only blocks name", () => {
  const argv = stringArray("argv", ["one", "two"]);
  const outer = block("outer", new Uint8Array(8), [{ offset: 0, to: argv }]);
  const program: Program = { steps: [{ call: "chdir", args: [addressIn(outer)], goal: "x" }] };
  const encoded = encode(program, BASE, "x86_64");
  const view = new DataView(encoded.bytes.buffer);
  const at = (place: number) => Number(view.getBigUint64(place - BASE, true));
  const list = at(encoded.addressOf(outer));
  const text = (place: number) => {
    const bytes = encoded.bytes.subarray(place - BASE);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  };
  assertEquals([text(at(list)), text(at(list + 8)), at(list + 16)], ["one", "two", 0]);
});

Deno.test("encode() expands allow and names the source step of each part", () => {
  const step: Step = { call: "chdir", args: ["/"], allow: [2, 20], goal: "go" };
  const encoded = encode({ steps: [step, GETPID] }, BASE, "x86_64");
  for (const part of [0, 1, 2, 3]) {
    assertEquals(encoded.stepAt(address(part)), step);
  }
  assertEquals(encoded.stepAt(address(4)), GETPID);
  assertEquals(encoded.stepAt(address(5)), undefined);
});

Deno.test("encode() places results inside blocks", () => {
  const of = block("b", new Uint8Array(32));
  const program: Program = { steps: [{ ...GETPID, result: placeIn(of, 24) }] };
  const encoded = encode(program, BASE, "x86_64");
  assertEquals(word(program, 0, 8), BigInt(encoded.addressOf(of) + 24));
});

Deno.test("encode() throws RangeError when a label is missing or used twice", () => {
  assertThrows(
    () => encode({ steps: [goTo("@nowhere")] }, BASE),
    RangeError,
    'Cannot encode label "nowhere": not defined',
  );
  const twice = { ...GETPID, label: "a" };
  assertThrows(() => encode({ steps: [twice, twice] }, BASE), RangeError, "used twice");
});

const PAGE = 4096;
const SPENT: [name: string, count: number, from: number, want: [first: number, pages: number]][] = [
  ["the whole pages of the last steps", 200, 100, [3, 1]],
  ["nothing where they fill no page", 60, 30, [1, 0]],
];
for (const [name, count, from, [first, pages]] of SPENT) {
  Deno.test(`encode() finds ${name} that may be let go`, () => {
    const address = slot("address"), length = slot("length");
    const steps = Array.from({ length: count }, (_, i): Step => ({
      ...GETPID,
      ...(i === from && { label: "spent" }),
      ...(i === 0 && { args: [address, length] }),
    }));
    const encoded = encode({ steps, spent: { from: "spent", address, length } }, BASE, "x86_64");
    const view = new DataView(encoded.bytes.buffer);
    const read = ({ block }: typeof address) =>
      Number(view.getBigUint64(encoded.addressOf(block) - BASE, true));
    assertEquals([read(address), read(length)], [BASE + first * PAGE, pages * PAGE]);
  });
}

Deno.test("encode() puts what only the spent steps use on pages that may be let go", () => {
  const address = slot("address"), length = slot("length");
  const shared = block("shared", new Uint8Array(8)), own = block("own", new Uint8Array(3 * PAGE));
  const steps: Step[] = [
    { ...GETPID, args: [address, length, addressIn(shared)] },
    { ...GETPID, label: "spent", args: [addressIn(shared), addressIn(own), "text"] },
  ];
  const encoded = encode({ steps, spent: { from: "spent", address, length } }, BASE, "x86_64");
  const { address: begin, length: bytes } = encoded.spent!;
  assert(encoded.addressOf(shared) < begin, "the other step uses it as well");
  assert(encoded.addressOf(own) < begin + bytes && bytes >= 2 * PAGE, `${bytes} bytes`);
});
