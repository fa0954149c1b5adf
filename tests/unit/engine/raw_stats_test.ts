import { assertEquals } from "@std/assert";
import { interfaceStats, machineTicks } from "../../../src/engine/raw_stats.ts";

Deno.test("machineTicks() adds up what all CPUs have had, idle too, and guests once", () => {
  const stat = "cpu  1 2 3 4 5 6 7 8 100 200\ncpu0 9 9 9 9 9 9 9 9 9 9\nintr 5\n";
  assertEquals(machineTicks(stat), 36);
  assertEquals(machineTicks("cpu  10 20 30\n"), 60);
  assertEquals(machineTicks(""), 0);
});

const DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:    1516      20    1    2    3     4          5         6     2042      30    7    8    9    10      11         12
`;

Deno.test("interfaceStats() has docker's names for the figures, without the loopback's", () => {
  assertEquals(interfaceStats(DEV), {
    eth0: {
      rx_bytes: 1516,
      rx_packets: 20,
      rx_errors: 1,
      rx_dropped: 2,
      tx_bytes: 2042,
      tx_packets: 30,
      tx_errors: 7,
      tx_dropped: 8,
    },
  });
  assertEquals(interfaceStats(""), {});
});
