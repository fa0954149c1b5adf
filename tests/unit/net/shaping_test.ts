import { assertEquals } from "@std/assert";
import { encodeProgram } from "../../../ffi/bpf.ts";
import { BodyWriter, parseAttributes } from "../../../ffi/netlink_message.ts";
import { lossProgram, netemOptions, tbfOptions } from "../../../src/net/shaping.ts";

const bytesOf = (fill: (writer: BodyWriter) => void): Uint8Array => {
  const writer = new BodyWriter();
  fill(writer);
  return writer.done();
};
const words = (bytes: Uint8Array) =>
  Array.from(
    { length: bytes.length / 4 },
    (_, i) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(i * 4, true),
  );

Deno.test("netemOptions() writes what tc(8) does for delay 10ms loss 1%", () => {
  const bytes = bytesOf(netemOptions({ delayMicros: 10_000, lossPercent: 1 }));
  const [latency, , loss, gap, duplicate, jitter] = words(bytes.slice(0, 24));
  assertEquals([latency, loss, gap, duplicate, jitter], [0x2625a, 0x028f5c29, 0, 0, 0]);
  const nanoseconds = parseAttributes(bytes.subarray(24)).get(10)!;
  assertEquals(words(nanoseconds.slice()), [10_000_000, 0]);
});

const RATES: [bits: number, rate: number, rate64: number | undefined][] = [
  [8_000_000, 1_000_000, undefined],
  [8, 1, undefined],
  [80e9, 0xffff_ffff, 10e9],
];
for (const [bits, rate, rate64] of RATES) {
  Deno.test(`tbfOptions() of ${bits} bit/s are ${rate64 ?? rate} bytes a second`, () => {
    const attributes = parseAttributes(bytesOf(tbfOptions(bits)));
    const [, , rateWord, , , , limit] = words(attributes.get(1)!.slice());
    assertEquals(rateWord, rate);
    assertEquals(limit > words(attributes.get(6)!.slice())[0], true, "more waits than a burst");
    const wide = attributes.get(4)?.slice();
    assertEquals(wide && Number(new DataView(wide.buffer).getBigUint64(0, true)), rate64);
  });
}

Deno.test("lossProgram() compares a random number with the share", () => {
  const half = encodeProgram(lossProgram(50));
  assertEquals([...half.subarray(8, 16)], [0x36, 0, 2, 0, 0, 0, 0, 0x80], "if r0 >= 2^31 go on");
  assertEquals(lossProgram(100).length, 2, "all: nothing to compare");
});
