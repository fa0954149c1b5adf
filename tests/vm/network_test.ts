import { assertEquals } from "@std/assert";
import { skipUnless } from "../lib/skip.ts";
import { runMachine, whyNoMachine } from "./machine.ts";

const why = whyNoMachine();
const PROJECT = decodeURIComponent(new URL("../..", import.meta.url).pathname).replace(/\/$/, "");
const TESTS = ["net_shaping_test.ts", "net_dns_test.ts"].map((name) => `tests/kernel/${name}`);

Deno.test({
  name: "packets are delayed and lost by netem, and DNS is answered, by the kernel of Debian",
  ...skipUnless(why === undefined, `netem: ${why}`),
  async fn() {
    const { code, output } = await runMachine({
      programs: [Deno.execPath(), "/bin/sh"],
      copies: Object.fromEntries(
        ["deno.json", "ffi", "src", "tests/lib", "tests/kernel/net_host.ts", ...TESTS].map((
          path,
        ) => [
          `${PROJECT}/${path}`,
          `/project/${path}`,
        ]),
      ),
      modules: [
        ...["net/llc/llc.ko", "net/802/stp.ko", "net/bridge/bridge.ko", "drivers/net/veth.ko"],
        ...["net/sched/sch_netem.ko", "net/sched/sch_tbf.ko"],
        ...["net/sched/sch_ingress.ko", "net/sched/cls_bpf.ko"],
      ],
      script: `cd /project && DIPLODOCK_TEST_NETEM=1 NO_COLOR=1 '${Deno.execPath()}' test -A \\
        --no-check --no-remote --no-lock ${TESTS.join(" ")} 2>&1`,
    });
    assertEquals(code, 0, output);
  },
});
