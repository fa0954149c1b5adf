import { assertEquals } from "@std/assert";
import { LineSplitter, offsetOfLastLines, parseRecords } from "../../../src/engine/log_records.ts";
import { MARK, STDERR, STDOUT } from "../../../src/runtime/monitor_protocol.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();

/** A record as the monitor writes it. */
function record(kind: number, text: string, seconds = 1): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(text);
  const out = new Uint8Array(24 + bytes.length);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(seconds), true);
  view.setUint32(8, 5, true);
  view.setUint32(12, MARK + kind, true);
  view.setUint32(16, bytes.length, true);
  out.set(bytes, 20);
  view.setUint32(20 + bytes.length, bytes.length, true);
  return out;
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const texts = (bytes: Uint8Array<ArrayBuffer>) =>
  parseRecords(bytes).records.map(({ bytes }) => decoder.decode(bytes));

Deno.test("parseRecords() gives stream, time and text", () => {
  const { records, used } = parseRecords(join(record(STDOUT, "a\n", 7), record(STDERR, "b")));
  assertEquals(
    records.map(({ timeNs, kind, bytes }) => [timeNs, kind, decoder.decode(bytes)]),
    [[7_000_000_005n, STDOUT, "a\n"], [1_000_000_005n, STDERR, "b"]],
  );
  assertEquals(used, 24 + 2 + 24 + 1);
});

Deno.test("parseRecords() leaves a record that is still being written", () => {
  const whole = record(STDOUT, "first\n");
  for (let cut = 1; cut < 30; cut++) {
    const { records, used } = parseRecords(
      join(whole, record(STDOUT, "second\n").subarray(0, 31 - cut)),
    );
    assertEquals([records.length, used], [1, whole.length]);
  }
});

const TORN: [name: string, bytes: Uint8Array<ArrayBuffer>, want: string[]][] = [
  [
    "a record cut in its text",
    join(record(STDOUT, "lost text").subarray(0, 25), record(STDOUT, "ok")),
    ["ok"],
  ],
  [
    "a record cut in its header",
    join(record(STDOUT, "x").subarray(0, 9), record(STDOUT, "ok"), record(STDERR, "ok2")),
    ["ok", "ok2"],
  ],
  [
    "zeros, which a file system leaves after a power cut",
    join(record(STDOUT, "a"), new Uint8Array(100), record(STDOUT, "b")),
    ["a", "b"],
  ],
  [
    "a length that does not fit",
    join(record(STDOUT, "x".repeat(60)).subarray(0, 40), record(STDOUT, "b"), record(STDOUT, "c")),
    ["b", "c"],
  ],
];
for (const [name, bytes, want] of TORN) {
  Deno.test(`parseRecords() goes on behind ${name}`, () => assertEquals(texts(bytes), want));
}

Deno.test("parseRecords() survives anything", () => {
  let seed = 12345;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 8;
  for (let round = 0; round < 300; round++) {
    const bytes = join(record(STDOUT, "abc\n"), record(STDERR, "d"), record(STDOUT, "e\nf\n"));
    for (let i = 0; i < 4; i++) bytes[random() % bytes.length] = random() & 255;
    const { used } = parseRecords(bytes.subarray(random() % 20));
    assertEquals(used <= bytes.length, true);
  }
});

Deno.test("offsetOfLastLines() finds where enough lines begin", () => {
  const parts = ["a\n", "b\nc\n", "d", "e\n"].map((text) => record(STDOUT, text));
  const bytes = join(...parts);
  const file = {
    size: bytes.length,
    read: (offset: number, length: number) => bytes.slice(offset, offset + length),
  };
  const starts = [0, 26, 26 + 28, 26 + 28 + 25];
  const offsets = [1, 2, 3, 4, 5, 100].map((lines) => offsetOfLastLines(file, lines));
  assertEquals(offsets, [starts[3], starts[1], starts[1], 0, 0, 0]);
});

Deno.test("offsetOfLastLines() works through more than one window", () => {
  const part = record(STDOUT, "x".repeat(9999) + "\n");
  const bytes = join(...Array.from({ length: 500 }, () => part));
  const file = {
    size: bytes.length,
    read: (offset: number, length: number) => bytes.slice(offset, offset + length),
  };
  assertEquals(offsetOfLastLines(file, 400), 100 * part.length);
  assertEquals(offsetOfLastLines(file, 500), 0);
});

function split(...records: [kind: number, text: string][]): string[] {
  const splitter = new LineSplitter();
  const lines = records.flatMap((
    [kind, text],
    i,
  ) => [...splitter.push({ timeNs: BigInt(i), kind, bytes: encoder.encode(text) })]);
  return [...lines, ...splitter.rest()].map(({ timeNs, kind, bytes, continued }) =>
    `${timeNs} ${kind}${continued ? "+" : ""} ${
      bytes.length > 99 ? bytes.length : decoder.decode(bytes)
    }`
  );
}

const SPLITS: [name: string, records: [number, string][], want: string[]][] = [
  ["several lines of a record", [[1, "a\nb\n"]], ["0 1 a\n", "0 1 b\n"]],
  ["a line of several records", [[1, "a"], [1, "b"], [1, "c\n"]], ["2 1 abc\n"]],
  ["streams apart", [[1, "a"], [2, "x\n"], [1, "b\n"]], ["1 2 x\n", "2 1 ab\n"]],
  ["an end without a newline", [[1, "a\nb"], [2, "c"]], ["0 1 a\n", "0 1 b", "1 2 c"]],
  ["empty lines", [[1, "\n\n"]], ["0 1 \n", "0 1 \n"]],
  ["a line that is too long, in parts", [[1, "x".repeat(16384)], [1, "y\n"]], [
    "0 1 16384",
    "1 1+ y\n",
  ]],
];
for (const [name, records, want] of SPLITS) {
  Deno.test(`LineSplitter gives ${name}`, () => assertEquals(split(...records), want));
}
