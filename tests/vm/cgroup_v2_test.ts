/** The tests that prove limits: the same as on this machine, here on cgroup v2. */
import { skipUnless } from "../lib/skip.ts";
import { whyNoMachine } from "./machine.ts";
import { testInMachine } from "./project.ts";

const why = whyNoMachine();

Deno.test({
  name: "limits hold on cgroup v2, in a machine of its own",
  ...skipUnless(why === undefined, `cgroup v2: ${why}`),
  fn: () =>
    testInMachine({
      tests: [
        "tests/kernel/cgroup_test.ts",
        "tests/kernel/cgroup_bundle_test.ts",
        "tests/e2e/limits_test.ts",
        "tests/e2e/stats_test.ts",
      ],
      hierarchies: "v2",
      modules: ["drivers/block/loop.ko", "block/bfq.ko", "fs/overlayfs/overlay.ko"],
    }, 38),
});
