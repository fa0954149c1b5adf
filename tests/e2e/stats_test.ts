/** What stats measures; how it is shown is in stats_screen_test.ts. */
import { assert, assertEquals } from "@std/assert";
import { whyNoCgroups } from "../lib/cgroup_box.ts";
import { openCgroup } from "../../src/runtime/cgroup_place.ts";
import { cgroupPids } from "../../src/runtime/cgroup_processes.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { skipUnless } from "../lib/skip.ts";

const why = whyNoCgroups();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(why === undefined, `cgroups: ${why}`), fn });
}

test("stats measures what a container uses, and nothing of one that does not run", async () => {
  const busy = await engine.background(
    ...["--name", "busy", "-m", "64m", "--cpus", ".5", "host", "sh", "-c"],
    "sleep 600 & while :; do :; done",
  );
  await engine.ok("create", "--name", "made", "host", "true");
  const cgroup = openCgroup(`/diplodock/${busy}`);
  await waitFor(() => cgroupPids(cgroup).length === 2);
  let [made, row] = [{}, {}] as Record<string, string>[];
  const cpuOf = () => Number(row.CPUPerc.slice(0, -1));
  // A busy machine may give it no time at all between two looks.
  await waitFor(async () => {
    const text = await engine.ok("stats", "-a", "--no-stream", "--format", "json");
    [made, row] = text.split("\n").map((line) => JSON.parse(line));
    return cpuOf() > 0;
  });
  assertEquals([row.Name, row.ID, row.Container, row.PIDs], [
    ...["busy", busy.slice(0, 12), busy.slice(0, 12), "2"],
  ]);
  // The quota bounds it; how near it comes is the machine's affair.
  assert(cpuOf() < 100, row.CPUPerc);
  assert(/^[\d.]+[KM]iB \/ 64MiB$/.test(row.MemUsage), row.MemUsage);
  assertEquals([row.NetIO, made.Name, made.CPUPerc, made.MemUsage, made.PIDs], [
    ...["0B / 0B", "made", "0.00%", "0B / 0B", "0"],
  ]);
  await engine.ok("rm", "-f", "busy", "made");
});
