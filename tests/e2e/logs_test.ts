/** `logs`: streams, tails, times, rotation, following. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

/** Runs a script in a container of this name to its end. */
async function ran(name: string, script: string, ...flags: string[]): Promise<void> {
  await engine.dd("run", "--network", "none", "--name", name, ...flags, "host", "sh", "-c", script);
}

test("logs gives stdout on stdout and stderr on stderr", async () => {
  await ran("both", "echo out; echo err >&2; printf end");
  assertEquals(await engine.dd("logs", "both"), { code: 0, stdout: "out\nend", stderr: "err\n" });
});

const TAILS: [tail: string, want: string][] = [
  ["0", ""],
  ["2", "line4\nline5\n"],
  ["100", "line1\nline2\nline3\nline4\nline5\n"],
  ["all", "line1\nline2\nline3\nline4\nline5\n"],
  ["nonsense", "line1\nline2\nline3\nline4\nline5\n"],
  ["-1", "line1\nline2\nline3\nline4\nline5\n"],
];
test("logs --tail takes the last lines; what is no number means all", async () => {
  await ran("five", "for i in 1 2 3 4 5; do echo line$i; done");
  for (const [tail, want] of TAILS) {
    assertEquals((await engine.dd("logs", `--tail=${tail}`, "five")).stdout, want, tail);
  }
});

test("logs --tail reaches back through rotated files", async () => {
  const script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line$i; done";
  await ran("rotated", script, "--log-opt", "max-size=2k", "--log-opt", "max-file=4");
  const lines = (await engine.ok("logs", "--tail", "20", "rotated")).split("\n");
  assertEquals([lines.length, lines[0], lines[19]], [20, "line19981", "line20000"]);
  const all = (await engine.ok("logs", "rotated")).split("\n");
  assert(all.length < 20000 && all.at(-1) === "line20000");
});

test("logs -t puts the time before each line, also of one that came in parts", async () => {
  await ran("timed", "printf a; sleep 0.1; echo b; echo c");
  assertMatch(
    await engine.ok("logs", "-t", "timed"),
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ab\n\d{4}-\d\d-\d\dT\S{18}Z c$/,
  );
});

test("logs --since and --until cut by time", async () => {
  await ran("cut", "echo early; sleep 1.2; echo late");
  const [early, late] = (await engine.ok("logs", "-t", "cut")).split("\n")
    .map((line) => Date.parse(line.split(" ")[0]));
  const between = new Date((early + late) / 2).toISOString();
  assertEquals(await engine.ok("logs", "--since", between, "cut"), "late");
  assertEquals(await engine.ok("logs", "--until", between, "cut"), "early");
  assertEquals(await engine.ok("logs", "--since", "1h", "cut"), "early\nlate");
  const { code, stderr } = await engine.dd("logs", "--since", "yesterday", "cut");
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'invalid value for "since"');
});

test("logs --details shows the labels and variables that the log options name", async () => {
  await ran(
    "detailed",
    "echo x",
    ...["--label", "team=a b", "-e", "COLOUR=red", "--log-opt", "labels=team"],
    ...["--log-opt", "env=COLOUR"],
  );
  assertEquals(await engine.ok("logs", "--details", "detailed"), "COLOUR=red,team=a+b x");
});

test("logs of a restarted container has both runs", async () => {
  await ran("twice", "echo run");
  await engine.ok("start", "-a", "twice");
  assertEquals(await engine.ok("logs", "twice"), "run\nrun");
});

test("logs -f follows until the container ends", async () => {
  const script = "for i in 1 2 3 4 5; do echo line$i; sleep 0.1; done";
  const id = await engine.background("host", "sh", "-c", script);
  const { code, stdout } = await engine.dd("logs", "-f", id);
  assertEquals([code, stdout], [0, "line1\nline2\nline3\nline4\nline5\n"]);
});

test("logs -f loses nothing through rotation", async () => {
  const script = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line$i; done";
  // As many files as it takes at the worst: who follows may come late.
  const id = await engine.background(
    ...["--log-opt", "max-size=20k", "--log-opt", "max-file=20"],
    ...["-i", "host", "sh", "-c", `echo line0; read go; ${script}`],
  );
  const following = engine.spawn(["logs", "-f", id]);
  const reader = following.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value ?? ""; // from here on it follows
  assertEquals(text, "line0\n");
  await engine.with({ stdin: "go\n" }, "attach", id);
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    text += piece.value;
  }
  await following.stderr.cancel();
  assertEquals((await following.status).code, 0);
  const numbers = text.trim().split("\n").slice(1).map((line) => Number(line.slice(4)));
  assertEquals(numbers.length, 2000);
  assert(numbers.every((number, at) => number === at + 1));
});

test("logs -f goes on through restarts until the container is stopped", async () => {
  const id = await engine.background(
    ...["--restart", "always", "host", "sh", "-c", "echo run; sleep 0.2"],
  );
  const child = engine.spawn(["logs", "-f", id]);
  const reader = child.stdout.getReader();
  let text = "";
  while (!/(run\n){3}/.test(text)) text += new TextDecoder().decode((await reader.read()).value);
  await engine.ok("stop", "-t", "0", id);
  while (!(await reader.read()).done);
  await child.stderr.cancel();
  assertEquals((await child.status).code, 0);
});

test("logs -f ends when the container is removed", async () => {
  const id = await engine.background("host", "sh", "-c", "echo up; sleep 1000");
  const following = engine.spawn(["logs", "-f", id]);
  const reader = following.stdout.getReader();
  await reader.read(); // from here on it follows
  await engine.ok("rm", "-f", id);
  while (!(await reader.read()).done);
  await following.stderr.cancel();
  assertEquals((await following.status).code, 0);
});

test("logs --clear empties the log, and the container goes on writing to it", async () => {
  const id = await engine.background("-i", "host", "sh", "-c", "echo old; read x; echo new");
  await waitFor(async () => await engine.ok("logs", id) === "old");
  await engine.ok("logs", "--clear", id);
  assertEquals(await engine.ok("logs", id), "");
  await engine.with({ stdin: "x\n" }, "attach", id);
  assertEquals(await engine.ok("logs", id), "new");
});

test("logs of the driver none says that there is nothing to read", async () => {
  await ran("silent", "echo x", "--log-driver", "none");
  const { code, stderr } = await engine.dd("logs", "silent");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "configured logging driver does not support reading");
});

test("200 MB of log are complete", async () => {
  await ran("much", "seq 1 25500000 ", "--log-opt", "max-size=-1", "-d");
  await engine.ok("wait", "much");
  const child = engine.spawn(["logs", "much"]);
  let next = 1, number = 0, bytes = 0;
  for await (const chunk of child.stdout) {
    bytes += chunk.length;
    for (const byte of chunk) {
      if (byte !== 10) number = number * 10 + byte - 48;
      else {
        if (number !== next) throw new Error(`${number} where ${next} should be`);
        next++;
        number = 0;
      }
    }
  }
  await child.stderr.cancel();
  await child.status;
  assert(bytes > 200e6 && next === 25500001, `${bytes} bytes, ${next - 1} lines`);
  await engine.ok("rm", "much");
});
