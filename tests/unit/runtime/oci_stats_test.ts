import { assertEquals } from "@std/assert";
import { blockLines, blockV2, figuresText, keyed } from "../../../src/runtime/oci_stats.ts";
import { changedResources } from "../../../src/runtime/oci_update.ts";

Deno.test("figuresText() writes all 64 bits", () => {
  const text = figuresText({ id: "a", data: { limit: 2n ** 64n - 1n, list: [1n, 2n] } });
  assertEquals(text, '{"id":"a","data":{"limit":18446744073709551615,"list":[1,2]}}');
});

Deno.test("keyed() reads lines of a key and a number, and no others", () => {
  assertEquals(keyed("low 0\noom_kill 2\nodd\nslab x\n"), { low: 0n, oom_kill: 2n });
  assertEquals(keyed(undefined), {});
});

Deno.test("blockLines() reads v1's figures with and without an operation", () => {
  assertEquals(blockLines("8:0 Read 10\n8:0 7\nTotal 17\n"), [
    { major: 8n, minor: 0n, op: "Read", value: 10n },
    { major: 8n, minor: 0n, op: "", value: 7n },
  ]);
});

Deno.test("blockV2() gives v2's figures v1's names", () => {
  const entry = (op: string, value: bigint) => ({ major: 8n, minor: 16n, op, value });
  assertEquals(blockV2("8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:0 \n"), {
    ioServiceBytesRecursive: [entry("Read", 1n), entry("Write", 2n)],
    ioServicedRecursive: [entry("Read", 3n), entry("Write", 4n)],
  });
});

Deno.test("changedResources() keeps the pair of what changes, and leaves other groups alone", () => {
  const before = { memory: { limit: 5, swap: 9 }, cpu: { shares: 7 } };
  assertEquals(changedResources(before, { memory: { limit: 6 }, cpu: { quota: undefined } }), {
    memory: { limit: 6, swap: 9 },
  });
  assertEquals(changedResources(before, { devices: [], hugepageLimits: [] }), {});
});
