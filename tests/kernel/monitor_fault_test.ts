/**
 * The monitor's own steps, each of which fails once in a real start. Before the clone the start
 * fails, names the step and leaves nothing; after it the container goes on, and its end is noticed:
 * the monitor is gone, and whoever waits for the container is told.
 */
import { assert, assertEquals } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import { assign, goTo, type Program, slot, type Step } from "../../ffi/program.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../../src/base/errors.ts";
import { attachMonitored, type MonitoredStart } from "../../src/runtime/monitor.ts";
import { readExit } from "../../src/runtime/monitor_protocol.ts";
import { collect, type Monitored, startShell, until } from "../lib/monitored.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

/** The same program, whose step `n` fails the first time that it is done. */
function failOnce(program: Program, n: number): Program {
  const { label, ...step } = program.steps[n];
  const failed = slot("failed once");
  const broken: Step = {
    ...step,
    call: "close",
    args: [-1],
    allow: undefined,
    onNegative: step.onNegative === "next" ? "@fault.after" : step.onNegative,
  };
  const steps: Step[] = [
    {
      call: "subtract",
      args: [failed, 1],
      goal: "see whether it failed before",
      label,
      onZero: "@fault.real",
    },
    assign(failed, 1),
    broken,
    { ...step, label: "fault.real" },
    { ...goTo("next"), label: "fault.after" },
  ];
  // A difference of -1 is the first time: on with the failure.
  steps[0] = { ...steps[0], onNegative: "next" };
  return { ...program, steps: program.steps.toSpliced(n, 1, ...steps) };
}

/** What the command does: output on both streams, more than one log file takes, and an end. */
const COMMAND = "echo out; echo err >&2; read x; seq 1 3000; exit 5";

const CONFIGS: [name: string, more: Partial<MonitoredStart>][] = [
  ["with pipes and a log that rotates", {
    stdio: { kind: "pipes", stdin: "hold" },
    log: { maxBytes: 4096, maxFiles: 3 },
    timeout: { seconds: 1000, signal: 15, graceSeconds: 10 },
  }],
];

/** What cannot fail: Linux lets go of a descriptor whatever close(2) says. */
const INFALLIBLE = ["subtract", "exit_group", "close"];

/** Goals of steps without which the monitor cannot tell how init ended. */
const TELLING = /reap init|the exit record|tell the first client the end/;

/** Runs the container to its end beside a second client. */
function live(container: Monitored): { code: number | undefined; seen: string } {
  const second = attachMonitored(container.runtime);
  Deno.writeTextFileSync(`${container.runtime}/stdin`, "go\n");
  const { stdout } = collect(container);
  container.client.acknowledge();
  second?.[Symbol.dispose]();
  return { code: container.client.exit?.code, seen: stdout };
}

async function isGone(pid: number): Promise<boolean> {
  return await until(() => sys("wait4", pid, 0, 1, 0) !== 0).then(() => true, () => false);
}

for (const [name, more] of CONFIGS) {
  Deno.test({
    name: `a monitor ${name} survives the failure of each of its steps`,
    ...skipUnless(isRoot(), "needs root"),
    fn: async () => {
      let steps: readonly Step[] = [];
      const look = (program: Program) => {
        steps = program.steps;
        return program;
      };
      {
        await using sound = startShell(COMMAND, { ...more, alterProgram: look });
        assertEquals(live(sound).code, 5);
      }
      const ours = steps.findIndex(({ label }) => label === "init.start");
      const clone = steps.findIndex(({ call }) => call === "clone3");
      assert(clone > 0 && ours > 60);
      let before = 0, after = 0;
      for (const [n, { call, goal }] of steps.slice(0, ours).entries()) {
        if (INFALLIBLE.includes(call)) continue;
        const told = `step ${n}, ${call}: ${goal}`;
        const alterProgram = (program: Program) => failOnce(program, n);
        let container: Monitored;
        try {
          container = startShell(COMMAND, { ...more, alterProgram });
        } catch (error) {
          assert(error instanceof SyscallError || error instanceof UserError, `${told}: ${error}`);
          assert(n <= clone || goal === "tell the client init's number", `${told}: ${error}`);
          if (n <= clone) assertEquals(error.message, `Cannot ${goal}: close: EBADF`);
          before++;
          continue;
        }
        await using _ended = container;
        const { code, seen } = live(container);
        assert(await isGone(container.monitorPid), `${told}: the monitor stays`);
        after++;
        if (goal === "reap init") {
          assertEquals([code, readExit(container.directory)?.code], [255, 255]);
        }
        if (goal.includes("the exit record")) {
          assertEquals(readExit(container.directory), undefined, told);
          assertEquals(code, 5, told);
        }
        if (TELLING.test(goal)) continue;
        assertEquals(readExit(container.directory)?.code, 5, told);
        if (goal === "show the output") continue; // to whom nothing can be sent has gone
        assertEquals(code, 5, told);
        if (!goal.includes("read the container's")) assert(seen.endsWith("3000\n"), told);
      }
      assert(before > 4 && after > 40, `${before} before, ${after} after`);
    },
  });
}
