import { assertEquals } from "@std/assert";
import { textBefore } from "../../../src/runtime/cgroup_undo.ts";

const CASES: [name: string, file: string, before: string, text: string, want: string][] = [
  ["a number", "memory.limit_in_bytes", "67108864\n", "1000", "67108864"],
  ["a quota", "cpu.max", "50000 100000\n", "max 20000", "50000 100000"],
  ["a weight beside devices", "io.weight", "default 100\n8:0 7\n", "500", "default 100"],
  [
    "a device that had a rate",
    "blkio.throttle.read_bps_device",
    "8:1 5\n8:0 7\n",
    "8:0 9",
    "8:0 7",
  ],
  ["a device that had none", "blkio.throttle.read_bps_device", "8:1 5\n", "8:0 9", "8:0 0"],
  [
    "a device of which one rate changes",
    "io.max",
    "8:0 rbps=5 wbps=max riops=max wiops=max\n",
    "8:0 wbps=9",
    "8:0 rbps=5 wbps=max riops=max wiops=max",
  ],
  [
    "a device without rates",
    "io.max",
    "",
    "8:0 wbps=9",
    "8:0 rbps=max wbps=max riops=max wiops=max",
  ],
  ["a device that BFQ gave no weight", "blkio.bfq.weight_device", "100\n", "8:0 9", "8:0 default"],
  ["a device without a weight", "io.bfq.weight", "default 100\n", "8:0 9", "8:0 default"],
];
for (const [name, file, before, text, want] of CASES) {
  Deno.test(`textBefore() of ${name}`, () => assertEquals(textBefore(file, before, text), want));
}
