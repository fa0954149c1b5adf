/**
 * A start is a list of steps. Here each of them fails once in a real start, and after each failure
 * nothing may be left: no mount, no cgroup, no process, no run directory, no range of ids. Then the
 * same container starts as if nothing had been.
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import type { Step } from "../../ffi/program.ts";
import { UserError } from "../../src/base/errors.ts";
import { parseRunFlags } from "../../src/cli/run_flags.ts";
import { createContainer } from "../../src/engine/create.ts";
import { removeContainer } from "../../src/engine/stop.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { start, stop } from "../lib/started.ts";

// A monitor whose client is slow executes this file to clean up: by then all is done here.
if (Deno.args.includes("__cleanup")) Deno.exit(0);

const engine = new Engine();
for (const [name, value] of Object.entries(engine.env)) Deno.env.set(name, value);
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const rootfs = engine.rootfs("root", (directory) => Deno.mkdirSync(`${directory}/etc`));

/** The step's place, and a call that the kernel refuses instead of its own. */
function broken(step: Step): Step {
  return { ...step, call: "close", args: [-1] };
}

/** DIPLODOCK_ALL_STEPS=1 lets steps fail that do the same to another path, too. */
const ALL = Deno.env.get("DIPLODOCK_ALL_STEPS") === "1";

/** What a step is, without the path that it is about. */
function kind({ call, goal }: Step): string {
  return `${call} ${goal.replace(/"[^"]*"|\d+/g, "…")}`;
}

/** The places of steps that are to fail: one of each kind. Pseudo calls cannot fail. */
function places(steps: readonly Step[]): number[] {
  const seen = new Set<string>();
  return steps.flatMap((step, i) => {
    if (step.call === "subtract" || (!ALL && seen.has(kind(step)))) return [];
    seen.add(kind(step));
    return [i];
  });
}

/** What the kernel and the run directory still know of the container. */
function leftovers(id: string): string[] {
  const made = [`containers/${id.slice(0, 12)}`, `containers/${id}`];
  const known = new Set(made.map((name) => `${engine.run}/${name}`));
  return engine.leftovers().filter((line) => !line.includes(" __cleanup ")).filter((line) =>
    /^(mount|process|cgroup)/.test(line) || known.has(`${engine.run}/containers/${line.slice(14)}`)
  );
}

/** A monitor needs a moment to end. */
async function nothingLeft(id: string, after: string): Promise<void> {
  await waitFor(() => leftovers(id).length === 0).catch(() => {});
  assertEquals(leftovers(id), [], after);
}

const CONFIGS: [name: string, flags: string[]][] = [
  ["with many flags", [
    ...["-v", "data:/data", "--tmpfs", "/t", "--read-only", "-w", "/data/deep", "-u", "1:1"],
    ...["--sysctl", "kernel.msgmax=9000", "--ulimit", "core=0", "--shm-size", "1m"],
    ...["--security-opt", "no-new-privileges", "--hostname", "faulty", "--cap-add", "NET_ADMIN"],
  ]],
  ["in a user namespace", ["--userns", "auto"]],
];

for (const [name, flags] of CONFIGS) {
  Deno.test({
    name: `a start ${name} undoes everything whichever step fails`,
    ...skipUnless(isRoot(), "needs root"),
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const words = [...flags, "--network", "none", "--rootfs", rootfs, "/bin/sleep", "1000"];
      const { create } = parseRunFlags("run", words);
      const record = await createContainer(create, { command: [], warn: () => {} });
      engine.remember([record.Id]);
      let wanted: number[] = [], failures = 0;
      const look = (steps: readonly Step[]) => {
        wanted = places(steps);
        return steps;
      };
      await stop(await start(record, look));
      assert(wanted.length > 80, `${wanted.length} steps`);
      for (const n of wanted) {
        let goal = "";
        const alter = (steps: readonly Step[]) => {
          goal = `step ${n}, ${steps[n].goal}`;
          return steps.map((step, i) => i === n ? broken(step) : step);
        };
        try {
          await stop(await start(record, alter));
        } catch (error) {
          assert(error instanceof UserError || error instanceof SyscallError, `${goal}: ${error}`);
          assertNotEquals(error.message, "");
          failures++;
        }
        await nothingLeft(record.Id, goal);
      }
      assert(failures > wanted.length / 3, `${failures} of ${wanted.length} steps failed`);
      await stop(await start(record));
      await removeContainer(record.Id, { force: true, volumes: true });
      await nothingLeft(record.Id, "the removal");
    },
  });
}
