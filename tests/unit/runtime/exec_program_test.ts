import { assert, assertEquals } from "@std/assert";
import { PR_SET_DUMPABLE } from "../../../ffi/constants.ts";
import { type ExecPlan, joinContainer } from "../../../src/runtime/exec.ts";

const PLAN: ExecPlan = {
  process: { args: ["sh"], cwd: "/", user: { uid: 0, gid: 0 }, oomScoreAdj: 5 },
  pidfd: 9,
  userNamespace: false,
  cgroupTasks: [],
  streams: [0, 1, 2],
  deathSignal: 0,
};

for (const userNamespace of [false, true]) {
  Deno.test(`joinContainer() hides ${userNamespace ? "with" : "without"} a user namespace`, () => {
    const steps = joinContainer({ ...PLAN, userNamespace });
    const joins = steps.findIndex(({ call }) => call === "setns");
    assertEquals(joins, steps.length - 1);
    // The last word about it, before anybody of the container can see us, is no.
    const words = steps.filter(({ call, args }) => call === "prctl" && args[0] === PR_SET_DUMPABLE);
    assertEquals(words.at(-1)?.args[1], 0);
  });
}

Deno.test("joinContainer() writes the OOM score while /proc still is the machine's", () => {
  const steps = joinContainer(PLAN);
  const opens = steps.findIndex(({ args }) => args[1] === "/proc/self/oom_score_adj");
  assert(opens >= 0 && opens < steps.findIndex(({ call }) => call === "setns"));
});
