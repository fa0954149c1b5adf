import { assertEquals } from "@std/assert";
import { unwrittenKb } from "../../../src/image/durability.ts";

const TEXTS: [name: string, meminfo: string, kb: number][] = [
  [
    "both",
    "Cached:  1 kB\nDirty:            148 kB\nWriteback:         2 kB\nWritebackTmp: 7 kB\n",
    150,
  ],
  ["a kernel that tells nothing", "MemTotal: 5 kB\n", 0],
];
for (const [name, meminfo, kb] of TEXTS) {
  Deno.test(`unwrittenKb() of ${name}`, () => assertEquals(unwrittenKb(meminfo), kb));
}
