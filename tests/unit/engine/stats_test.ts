import { assertEquals } from "@std/assert";
import { networkBytes } from "../../../src/engine/stats.ts";

const HEAD = "Inter-|   Receive                                                |  Transmit\n" +
  " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n";

const CASES: [name: string, text: string, received: number, sent: number][] = [
  ["nothing", "", 0, 0],
  ["lo alone", `${HEAD}    lo:  500 5 0 0 0 0 0 0  500 5 0 0 0 0 0 0\n`, 0, 0],
  [
    "all other interfaces",
    `${HEAD}    lo:  500 5 0 0 0 0 0 0  500 5 0 0 0 0 0 0\n` +
    "  eth0: 1000 9 0 0 0 0 0 0  20 2 0 0 0 0 0 0\n" +
    "eth1:12345678901 9 0 0 0 0 0 0 3 2 0 0 0 0 0 0\n",
    12345679901,
    23,
  ],
];
for (const [name, text, receivedBytes, sentBytes] of CASES) {
  Deno.test(`networkBytes() counts ${name}`, () => {
    assertEquals(networkBytes(text), { receivedBytes, sentBytes });
  });
}
