/** Every controller of the kernel with real values: as v1 hierarchies, and on v2. */
import { hasProgram, skipUnless } from "../lib/skip.ts";
import { type Hierarchies, whyNoMachine } from "./machine.ts";
import { testInMachine } from "./project.ts";

const why = hasProgram("rdma") ? whyNoMachine("full") : "there is no rdma of iproute2";

/** In the order of loading; the last ones make an RDMA device of a network interface. */
const MODULES = [
  ...["drivers/block/loop.ko", "block/bfq.ko", "fs/overlayfs/overlay.ko"],
  ...["drivers/net/dummy.ko", "crypto/crc32_generic.ko", "net/ipv4/udp_tunnel.ko"],
  ...["net/ipv6/ip6_udp_tunnel.ko", "drivers/infiniband/core/ib_core.ko"],
  ...["drivers/infiniband/core/ib_uverbs.ko", "drivers/infiniband/sw/rxe/rdma_rxe.ko"],
];

const ROWS: [hierarchies: Hierarchies, more: string[], least: number][] = [
  ["v1", [], 8],
  // Who else knows what the files of v2 are like: `events` of OCI, and explain's scripts.
  ["v2", ["tests/e2e/oci_limits_test.ts", "tests/e2e/explain_script_test.ts"], 14],
];
for (const [hierarchies, more, least] of ROWS) {
  Deno.test({
    name: `every controller takes its value on cgroup ${hierarchies}, in a machine of its own`,
    ...skipUnless(why === undefined, `controllers on ${hierarchies}: ${why}`),
    fn: () =>
      testInMachine({
        tests: [
          "tests/kernel/cgroup_controllers_test.ts",
          "tests/e2e/oci_controllers_test.ts",
          ...more,
        ],
        hierarchies,
        kernel: "full",
        modules: MODULES,
        prepare: "ip link set dummy0 up && rdma link add rxe0 type rxe netdev dummy0 || exit",
      }, least),
  });
}
