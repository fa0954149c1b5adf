/** What stats measures, once and as a stream. */
import { assert, assertEquals } from "@std/assert";
import { whyNoCgroups } from "../lib/cgroup_box.ts";
import { Engine } from "../lib/engine.ts";
import { skipUnless } from "../lib/skip.ts";

const why = whyNoCgroups();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(why === undefined, `cgroups: ${why}`), fn });
}

interface Figures {
  ID: string;
  Name: string;
  Container: string;
  CPUPerc: string;
  MemUsage: string;
  MemPerc: string;
  NetIO: string;
  BlockIO: string;
  PIDs: string;
}

async function figures(...args: string[]): Promise<Figures[]> {
  const text = await engine.ok("stats", "--no-stream", "--format", "json", ...args);
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

test("stats --no-stream shows running containers, with -a all", async () => {
  const busy = await engine.background(
    ...["--name", "busy", "-m", "64m", "--cpus", ".5", "host", "sh", "-c"],
    "sleep 600 & while :; do :; done",
  );
  await engine.ok("create", "--name", "made", "host", "true");
  const [row, ...others] = await figures();
  assertEquals(others, []);
  assertEquals([row.Name, row.ID, row.Container, row.PIDs], [
    ...["busy", busy.slice(0, 12), busy.slice(0, 12), "2"],
  ]);
  // The quota bounds it; how near it comes is the machine's affair.
  const cpu = Number(row.CPUPerc.slice(0, -1));
  assert(cpu > 0 && cpu < 100, row.CPUPerc);
  assert(/^[\d.]+[KM]iB \/ 64MiB$/.test(row.MemUsage), row.MemUsage);
  assertEquals([row.NetIO, (await figures("-a")).map(({ Name }) => Name)], [
    ...["0B / 0B", ["made", "busy"]],
  ]);
  const [made] = await figures("made");
  assertEquals([made.CPUPerc, made.MemUsage, made.PIDs], ["0.00%", "0B / 0B", "0"]);
  const table = await engine.ok("stats", "--no-stream", "busy");
  assertEquals(table.split("\n")[0].split(/ {2,}/), [
    ...["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O"],
    "PIDS",
  ]);
  const wide = await engine.ok("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}", "busy");
  assertEquals(wide, busy);
  await engine.ok("rm", "-f", "busy", "made");
});
