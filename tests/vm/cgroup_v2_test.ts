import { assertEquals } from "@std/assert";
import { skipUnless } from "../lib/skip.ts";
import { runMachine, whyNoMachine } from "./machine.ts";

const why = whyNoMachine();
const PROJECT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** What the scripts of tests/kernel/cgroup_test.ts call. */
const PROGRAMS = [
  ..."cat dd head mkdir mknod sleep tail touch sh".split(" ").map((name) => `/bin/${name}`),
  "/sbin/losetup",
];

Deno.test({
  name: "cgroups of version 2 pass the kernel tests in a machine of their own",
  ...skipUnless(why === undefined, `cgroup v2: ${why}`),
  async fn() {
    const { code, output } = await runMachine({
      programs: [...PROGRAMS.map((path) => Deno.realPathSync(path)), Deno.execPath()],
      copies: {
        ...Object.fromEntries(PROGRAMS.map((path) => [path, path])),
        ...Object.fromEntries(
          ["deno.json", "ffi", "src", "tests/lib", "tests/kernel/cgroup_test.ts"]
            .map((path) => [`${PROJECT}/${path}`, `/project/${path}`]),
        ),
      },
      modules: ["drivers/block/loop.ko", "block/bfq.ko"],
      script: `cd /project && NO_COLOR=1 ${Deno.execPath()} test -A --no-check --no-remote \\
        --no-lock tests/kernel/cgroup_test.ts 2>&1`,
    });
    assertEquals(code, 0, output);
  },
});
