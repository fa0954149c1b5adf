/** The foreground: streams, terminals, detach keys, signals, `attach`. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { PseudoTerminal } from "../lib/pseudo_terminal.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const RUN = ["run", "--network", "none"];

test("run -i passes stdin on and ends the command's with ours", async () => {
  const { code, stdout } = await engine.with(
    { stdin: "one\ntwo\n" },
    ...RUN,
    "-i",
    "--rm",
    "host",
    "cat",
  );
  assertEquals({ code, stdout }, { code: 0, stdout: "one\ntwo\n" });
});

test("run passes 50 MB through stdin and stdout unchanged", async () => {
  const bytes = new Uint8Array(50_000_000);
  for (let at = 0; at < bytes.length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, bytes.length)));
  }
  const child = engine.spawn([...RUN, "-i", "--rm", "host", "cat"], { stdin: "piped" });
  const writer = child.stdin.getWriter();
  const fed = writer.write(bytes).then(() => writer.close());
  const { code, stdout } = await child.output();
  await fed;
  assertEquals([code, stdout.length], [0, bytes.length]);
  assert(stdout.every((byte, at) => byte === bytes[at]));
});

test("run without -i gives the command an empty stdin", async () => {
  const { stdout } = await engine.with({ stdin: "x" }, ...RUN, "--rm", "host", "cat");
  assertEquals(stdout, "");
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGQUIT"] as const) {
  test(`run forwards ${signal} and ends with the command's code`, async () => {
    const script = `trap 'echo got; exit 9' ${signal.slice(3)}; echo ready; ` +
      "while :; do sleep 0.02; done";
    const child = engine.spawn([...RUN, "--rm", "host", "sh", "-c", script]);
    const reader = child.stdout.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "ready\n");
    child.kill(signal);
    assertEquals(new TextDecoder().decode((await reader.read()).value), "got\n");
    await reader.cancel();
    await child.stderr.cancel();
    assertEquals((await child.status).code, 9);
  });
}

test("run --sig-proxy=false keeps signals to itself and leaves the container alone", async () => {
  const args = [...RUN, "--name", "unproxied", "--sig-proxy=false", "host", "sh", "-c"];
  const child = engine.spawn([...args, "echo ready; sleep 1000"]);
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGTERM");
  await reader.cancel();
  await child.stderr.cancel();
  assertEquals((await child.status).code, 143);
  assertEquals(await engine.inspect("unproxied", "{{.State.Status}}"), "running");
  await engine.ok("rm", "-f", "unproxied");
});

test("run ends when the reader of its output goes away", async () => {
  const child = engine.spawn([...RUN, "--rm", "--name", "endless", "host", "yes"]);
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  await child.stderr.cancel();
  assertEquals((await child.status).code, 141);
  await engine.ok("rm", "-f", "endless");
});

test("run -t shows all on stdout, with line ends of a terminal", async () => {
  const { stdout, stderr } = await engine.host("-t", "host", "sh", "-c", "echo out; echo err >&2");
  assertEquals({ stdout, stderr }, { stdout: "out\r\nerr\r\n", stderr: "" });
});

test("run -it without a terminal says so before anything is made", async () => {
  const { code, stderr } = await engine.dd(...RUN, "-it", "--name", "no-tty", "host", "sh");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "the input device is not a TTY");
  assertEquals(await engine.ok("ps", "-aq", "--filter", "name=no-tty"), "");
});

test("run refuses bad detach keys", async () => {
  const { code, stderr } = await engine.dd(...RUN, "--detach-keys", "ctrl-1", "host", "true");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "ctrl-1");
});

test("run -it: size, detach by keys, attach, resize, exit code; the terminal is restored", async () => {
  using terminal = new PseudoTerminal();
  const before = terminal.settings();
  const run = terminal.spawn(engine, ...RUN, "-it", "--name", "shell", "host", "sh");
  await terminal.until(/# $/);
  terminal.type("stty size; echo $((20+22))\r");
  assertMatch(await terminal.until(/42\r\n/), /24 80\r\n42\r\n/);
  terminal.type("\x10\x11");
  assertEquals((await run.status).code, 0);
  assertEquals(terminal.settings(), before);
  assertEquals(await engine.inspect("shell", "{{.State.Status}}"), "running");

  terminal.shown = "";
  terminal.resize(30, 100);
  const attach = terminal.spawn(engine, "attach", "--detach-keys", "ctrl-x,y", "shell");
  terminal.type("stty size; echo $((1+1))1\r");
  assertMatch(await terminal.until(/21\r\n/), /30 100\r\n21\r\n/);
  terminal.resize(31, 101);
  // The size travels by SIGWINCH, which nothing announces.
  await waitFor(async () => {
    terminal.shown = "";
    terminal.type("stty size; echo $((1+1))2\r");
    return /31 101\r\n/.test(await terminal.until(/22\r\n/));
  });
  terminal.type("exit 5\r");
  assertEquals((await attach.status).code, 5);
  assertEquals(terminal.settings(), before);
  await engine.ok("rm", "shell");
});

test("a client with a terminal that gets SIGTERM restores it", async () => {
  using terminal = new PseudoTerminal();
  const before = terminal.settings();
  const run = terminal.spawn(engine, ...RUN, "-it", "--name", "killed-client", "host", "sh");
  await terminal.until(/# $/);
  const [client] = engine.processes().filter(({ words }) => words.includes("run --network none"));
  Deno.kill(client.pid, "SIGTERM");
  assertEquals((await run.status).code, 143);
  assertEquals(terminal.settings(), before);
  await engine.ok("rm", "-f", "killed-client");
});

test("attach joins a container, sees what comes and ends with its code", async () => {
  const id = await engine.background("-i", "host", "sh", "-c", "read x; echo got $x; exit 6");
  const child = engine.spawn(["attach", id], { stdin: "piped" });
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("word\n"));
  const { code, stdout } = await child.output();
  await writer.close().catch(() => {});
  assertEquals([code, new TextDecoder().decode(stdout)], [6, "got word\n"]);
});

test("attach works without a log", async () => {
  const id = await engine.background(
    ...["--log-driver", "none", "-i", "host", "sh", "-c", "read x; echo got $x"],
  );
  const { stdout } = await engine.with({ stdin: "it\n" }, "attach", id);
  assertEquals(stdout, "got it\n");
});

test("attach refuses a container that does not run", async () => {
  await engine.ok("create", "--network", "none", "--name", "created", "host", "true");
  const { code, stderr } = await engine.dd("attach", "created");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "cannot attach to a stopped container, start it first");
});

test("start -a shows the output and ends with the code; -i feeds it", async () => {
  await engine.ok(
    "create",
    "-i",
    "--network",
    "none",
    "--name",
    "again",
    "host",
    "sh",
    "-c",
    "cat; exit 4",
  );
  for (const text of ["first\n", "second\n"]) {
    const { code, stdout } = await engine.with({ stdin: text }, "start", "-ai", "again");
    assertEquals([code, stdout], [4, text]);
  }
});
