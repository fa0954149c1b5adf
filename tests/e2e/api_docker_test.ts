/** docker's own command line, talking to the service by docker's API. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ApiService } from "../lib/api_service.ts";
import { PseudoTerminal } from "../lib/pseudo_terminal.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const service = new ApiService();
Deno.test.afterAll(() => service[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  const ready = isRoot() && hasProgram("docker");
  Deno.test({ name, ...skipUnless(ready, "needs root and docker's client"), fn });
}

const RUN = ["run", "--network", "none"];

test("docker run has the command's output, both streams, and its exit code", async () => {
  const result = await service.docker([
    ...RUN,
    "--rm",
    "host",
    "sh",
    "-c",
    "echo o; echo e >&2; exit 7",
  ]);
  assertEquals(result, { code: 7, stdout: "o\n", stderr: "e\n" });
  assertEquals(await service.ok("ps", "-aq"), "");
});

test("docker run -i passes stdin on and ends the command's with ours", async () => {
  const result = await service.docker([...RUN, "--rm", "-i", "host", "cat"], "one\ntwo\n");
  assertEquals(result, { code: 0, stdout: "one\ntwo\n", stderr: "" });
});

test("docker run shows all of a quick command's output", async () => {
  const script = "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done";
  const { stdout } = await service.docker([...RUN, "--rm", "host", "sh", "-c", script]);
  const lines = stdout.trim().split("\n");
  assertEquals([lines.length, lines[0], lines.at(-1)], [5000, "line 0", "line 4999"]);
});

test("docker run -it has a terminal of the user's size", async () => {
  using terminal = new PseudoTerminal();
  await service.start();
  // The client says the size once the command runs.
  const script = "until stty size | grep -q '24 80'; do sleep 0.01; done; read x; echo got $x";
  const child = terminal.run(
    service.env,
    "docker",
    ...RUN,
    "-it",
    "--rm",
    "host",
    "sh",
    "-c",
    script,
  );
  terminal.type("word\n");
  await terminal.until(/got word/);
  assertEquals((await child.status).code, 0);
});

test("a command that is not there ends docker run with 127, and --rm leaves nothing", async () => {
  const { code, stderr } = await service.docker([...RUN, "--rm", "host", "no-such-command"]);
  assertEquals(code, 127);
  assertMatch(stderr, /Error response from daemon: .*no-such-command.*not found in \$PATH/);
  assertEquals(await service.ok("ps", "-aq"), "");
});

test("docker run -d, ps, inspect and wait", async () => {
  const id = await service.ok(...RUN, "-d", "--name", "web", "-l", "a=b", "host", "sleep", "1000");
  const format = "{{.ID}} {{.Names}} {{.State}} {{.Command}} {{.Labels}}";
  assertEquals(
    await service.ok("ps", "--no-trunc", "--format", format),
    `${id} web running "sleep 1000" a=b`,
  );
  assertEquals(
    await service.ok("inspect", "-f", "{{.Name}} {{.State.Running}}", "web"),
    "/web true",
  );
  await service.engine.ok("kill", "web");
  assertEquals(await service.ok("wait", "web"), "137");
  await service.engine.ok("rm", "web");
});

test("docker says what the engine refuses, in docker's words", async () => {
  const { code, stderr } = await service.docker(["start", "nobody"]);
  assertEquals(code, 1);
  assertMatch(stderr, /^Error response from daemon: No such container: nobody\n/);
  const bad = await service.docker(["create", "--name", "a b", "host", "true"]);
  assertMatch(bad.stderr, /Invalid container name \(a b\)/);
});

test("docker version and info know who answers", async () => {
  assertEquals(await service.ok("version", "-f", "{{.Server.APIVersion}}"), "1.50");
  assertEquals(await service.ok("info", "-f", "{{.DefaultRuntime}}"), "diplodock");
});

test("what stays of the service is a program of a few pages", async () => {
  await service.start();
  const rss = /^VmRSS:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${service.pid}/status`))![1];
  assert(Number(rss) <= 64, `${rss} kB`);
});

test("the socket is for root and a group, and goes with the service", async () => {
  await service.start();
  const { mode, uid } = Deno.statSync(service.socket);
  assertEquals([mode! & 0o777, uid], [0o660, 0]);
  const args = ["system", "service", `unix://${service.socket}`];
  const { stderr } = await service.engine.dd(...args);
  assertMatch(stderr, /another process listens there/);
  assertEquals(await service.stop(), 0);
  assertEquals(
    Deno.readDirSync(service.engine.top).some(({ name }) => name === "docker.sock"),
    false,
  );
});

test("a socket that a killed service left is replaced", async () => {
  await service.start();
  Deno.kill(service.pid, "SIGKILL");
  await service.stop().catch(() => {});
  assertEquals(Deno.statSync(service.socket).isSocket, true);
  assertEquals(await service.ok("ps", "-q"), "");
});

test("system dial-stdio answers one connection on stdin and stdout, and leaves nothing", async () => {
  const request = "GET /v1.41/_ping HTTP/1.1\r\nHost: d\r\n\r\n";
  const { code, stdout } = await service.engine.with(
    { stdin: request + request },
    "system",
    "dial-stdio",
  );
  assertEquals(code, 0);
  assertEquals(stdout.match(/HTTP\/1\.1 200 OK/g)?.length, 2);
  assertMatch(stdout, /Api-Version: 1\.50\r\n/);
});
