/** How stats shows what it measured (stats_test.ts), and top. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { whyNoCgroups } from "../lib/cgroup_box.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { PseudoTerminal } from "../lib/pseudo_terminal.ts";
import { hasProgram, skipUnless } from "../lib/skip.ts";

const why = whyNoCgroups();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>, more = true, reason = ""): void {
  const can = why === undefined && more;
  Deno.test({ name, ...skipUnless(can, why === undefined ? reason : `cgroups: ${why}`), fn });
}

test("stats --no-stream is a table of running containers, or of those named", async () => {
  const up = await engine.background("--name", "up", "host", "sleep", "600");
  await engine.ok("create", "--name", "made", "host", "true");
  const [titles, ...rows] = (await engine.ok("stats", "--no-stream")).split("\n");
  assertEquals(titles.split(/ {2,}/), [
    ...["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O"],
    "PIDS",
  ]);
  assertEquals(rows.map((row) => row.split(/ {2,}/)[1]), ["up"]);
  const format = ["--no-stream", "--no-trunc", "--format", "{{.ID}} {{.Container}}"];
  const named = await engine.ok("stats", ...format, "made", "up");
  assertEquals(named.split("\n").map((line) => line.split(" ")[1]), ["made", "up"]);
  assertEquals(named.split("\n")[1].split(" ")[0], up);
  await engine.ok("rm", "-f", "up", "made");
});

test("a name that is none is refused, and so is a field", async () => {
  const none = await engine.dd("stats", "--no-stream", "nosuch");
  assertEquals([none.code, none.stderr], [
    ...[1, "Error response from daemon: No such container: nosuch\n"],
  ]);
  const field = await engine.dd("stats", "--no-stream", "--format", "{{.Nope}}");
  assertEquals(field.code, 1);
  assertStringIncludes(field.stderr, "can't evaluate field Nope in type *container.statsContext");
});

test("a stream goes on until the container is removed", async () => {
  const id = await engine.background("--name", "short", "host", "sleep", "600");
  const child = engine.spawn(["stats", "--format", "{{.Name}} {{.PIDs}}", "short"]);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.split("\n").length < 3) text += (await reader.read()).value ?? "";
  assertEquals(text.split("\n").slice(0, 2), ["short 1", "short 1"]);
  await engine.ok("rm", "-f", id);
  while (!(await reader.read()).done);
  await child.stderr.cancel();
  assertEquals((await child.status).code, 0);
});

test("on a terminal the table is redrawn in place, with graphs", async () => {
  await engine.background("--name", "shown", "host", "sh", "-c", "while :; do :; done");
  engine.env.NO_COLOR = "";
  using terminal = new PseudoTerminal();
  terminal.resize(24, 150);
  const child = terminal.spawn(engine, "stats");
  // deno-lint-ignore no-control-regex -- the cursor goes up over the first table
  const again = /shown.*[▁▂▃▄▅▆▇█][^]*\x1b\[\d+A\r[^]*shown.*[▁▂▃▄▅▆▇█]{2}/;
  const shown = await terminal.until(again);
  assertStringIncludes(shown, "CPU HISTORY");
  assert(shown.includes("\x1b[32m"), "no colour");
  terminal.type("\x03");
  await engine.ok("rm", "-f", "shown");
  await waitFor(() => engine.processes().length === 0);
  await child.status;
});

test(
  "top passes its words on to ps, and keeps the container's processes",
  async () => {
    const id = await engine.background("host", "sleep", "987");
    const lines = (await engine.ok("top", id)).split("\n");
    assertEquals(lines[0].split(/ {2,}/), [
      "UID",
      "PID",
      "PPID",
      "C",
      "STIME",
      "TTY",
      "TIME",
      "CMD",
    ]);
    assertEquals(lines.length, 2);
    assert(lines[1].endsWith("sleep 987"), lines[1]);
    const [titles, row] = (await engine.ok("top", id, "-o", "pid,comm")).split("\n");
    assertEquals(titles.split(/ {2,}/), ["PID", "COMMAND"]);
    assertEquals(row.split(/ {2,}/), [await engine.inspect(id, "{{.State.Pid}}"), "sleep"]);
    const wrong = await engine.dd("top", id, "-o", "comm");
    assertEquals([wrong.code, wrong.stderr], [
      ...[1, "Error response from daemon: Couldn't find PID field in ps output\n"],
    ]);
    await engine.ok("rm", "-f", id);
  },
  hasProgram("ps"),
  "there is no ps",
);
