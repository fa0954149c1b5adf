import { assertEquals } from "@std/assert";
import { toSettle, unwrittenKb } from "../../../src/image/durability.ts";

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

const BOOT = "0b", OTHER = "0a";
const SETTLED: [name: string, directories: string[], quiet: boolean, settled: string[]][] = [
  ["this minute's and the last one's marks stay", [`${BOOT}.100`, `${BOOT}.99`], true, []],
  ["older ones go", [`${BOOT}.98`, `${BOOT}.99`, `${BOOT}.97`], true, [`${BOOT}.98`, `${BOOT}.97`]],
  ["they wait while somebody writes much", [`${BOOT}.98`, `${BOOT}.85`], false, []],
  ["but not for ever", [`${BOOT}.98`, `${BOOT}.84`], false, [`${BOOT}.98`, `${BOOT}.84`]],
  ["marks without a minute are old", [BOOT], false, [BOOT]],
  ["those of another boot are not flushed", [`${OTHER}.1`, OTHER], true, []],
];
for (const [name, directories, quiet, settled] of SETTLED) {
  Deno.test(`toSettle(): ${name}`, () => {
    assertEquals(toSettle(directories, BOOT, 100, () => quiet), settled);
  });
}
