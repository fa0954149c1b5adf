/** Containers' lives, files and further processes, by docker's own command line over the API. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ApiService } from "../lib/api_service.ts";
import { waitFor } from "../lib/engine.ts";
import { PseudoTerminal } from "../lib/pseudo_terminal.ts";
import { RawClient } from "../lib/raw_http.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const service = new ApiService();
Deno.test.afterAll(() => service[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  const ready = isRoot() && hasProgram("docker");
  Deno.test({ name, ...skipUnless(ready, "needs root and docker's client"), fn });
}

const RUN = ["run", "--network", "none"];
const state = () => service.ok("inspect", "-f", "{{.State.Status}}", "web");

test("docker stop, start, restart, pause, unpause, rename, update, kill and rm", async () => {
  await service.ok(...RUN, "-d", "--name", "web", "host", "sleep", "1000");
  await service.ok("stop", "-t", "0", "web");
  assertEquals(await state(), "exited");
  await service.ok("start", "web");
  assertEquals(await state(), "running");
  await service.ok("restart", "-t", "0", "web");
  await service.ok("pause", "web");
  assertEquals(await state(), "paused");
  assertMatch((await service.docker(["exec", "web", "true"])).stderr, /is paused/);
  await service.ok("unpause", "web");
  await service.ok("rename", "web", "other");
  await service.ok("rename", "other", "web");
  await service.ok("update", "--pids-limit", "77", "--restart", "always", "web");
  const format = "{{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}";
  assertEquals(await service.ok("inspect", "-f", format, "web"), "77 always");
  assertMatch((await service.docker(["rm", "web"])).stderr, /cannot remove container/);
  await service.ok("kill", "web");
  assertEquals(await state(), "exited");
  assertMatch((await service.docker(["kill", "web"])).stderr, /is not running/);
  await service.ok("rm", "web");
  assertMatch((await service.docker(["stop", "web"])).stderr, /No such container: web/);
});

test("docker logs: both streams, --tail, -t, and -f to the end", async () => {
  const script = "echo one; echo two >&2; sleep 0.3; echo three";
  await service.ok(...RUN, "-d", "--name", "talk", "host", "sh", "-c", script);
  const followed = await service.docker(["logs", "-f", "talk"]);
  assertEquals([followed.stdout, followed.stderr], ["one\nthree\n", "two\n"]);
  assertEquals(await service.ok("logs", "--tail", "1", "talk"), "three");
  assertMatch(await service.ok("logs", "--tail", "1", "-t", "talk"), /^\d{4}-\d\d-.*Z three$/);
  assertEquals(await service.ok("logs", "--until", "2020-01-01", "talk"), "");
  await service.ok("rm", "talk");
});

test("docker attach joins a container that runs, and its end is ours", async () => {
  await service.ok(
    ...RUN,
    "-di",
    "--name",
    "cat",
    "host",
    "sh",
    "-c",
    "read x; echo got $x; exit 4",
  );
  const { code, stdout } = await service.docker(["attach", "cat"], "word\n");
  assertEquals({ code, stdout }, { code: 4, stdout: "got word\n" });
  await service.ok("rm", "cat");
});

test("docker start -a of a container that was made shows all and ends with its code", async () => {
  await service.ok(
    "create",
    "--network",
    "none",
    "--name",
    "made",
    "host",
    "sh",
    "-c",
    "echo a; exit 3",
  );
  const { code, stdout } = await service.docker(["start", "-a", "made"]);
  assertEquals({ code, stdout }, { code: 3, stdout: "a\n" });
  await service.ok("rm", "made");
});

test("docker exec: streams, stdin, exit codes, a terminal, and without a client", async () => {
  const id = await service.ok(...RUN, "-d", "--name", "box", "host", "sleep", "1000");
  const exec = (...args: string[]) => service.docker(["exec", ...args]);
  assertEquals(
    await exec("-e", "A=b", "-w", "/tmp", "box", "sh", "-c", "echo $A; pwd >&2; exit 6"),
    {
      code: 6,
      stdout: "b\n",
      stderr: "/tmp\n",
    },
  );
  const fed = await service.docker(["exec", "-i", "box", "cat"], "one\ntwo\n");
  assertEquals(fed, { code: 0, stdout: "one\ntwo\n", stderr: "" });
  const missing = await exec("box", "no-such-command");
  assertEquals(missing.code, 127);
  assertMatch(missing.stdout, /"no-such-command": executable file not found/);
  await service.ok("exec", "-d", "box", "sh", "-c", "echo done >/done");
  await waitFor(async () => (await exec("box", "cat", "/done")).stdout === "done\n");
  using terminal = new PseudoTerminal();
  const script =
    "until stty size | grep -q '30 100'; do sleep 0.01; done; echo wide; read x; exit 2";
  terminal.resize(30, 100);
  const child = terminal.run(service.env, "docker", "exec", "-it", "box", "sh", "-c", script);
  await terminal.until(/wide/);
  // What ran before without a client may still be about to end.
  await waitFor(async () => await service.ok("inspect", "-f", "{{len .ExecIDs}}", "box") === "1");
  terminal.type("\n");
  assertEquals((await child.status).code, 2);
  assertEquals(await service.ok("inspect", "-f", "{{json .ExecIDs}} {{.Id}}", "box"), `null ${id}`);
});

test("what a command of exec prints does not come with the head of the answer", async () => {
  using http = new RawClient(service.socket);
  const wish = new TextEncoder().encode('{"AttachStdout":true,"Cmd":["echo","out"]}');
  const made = await http.ask("POST", "/v1.41/containers/box/exec", wish);
  const { Id } = JSON.parse(new TextDecoder().decode(made.body));
  using connection = await Deno.connect({ transport: "unix", path: service.socket });
  const request = `POST /v1.41/exec/${Id}/start HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}`;
  await connection.write(new TextEncoder().encode(request));
  // A client that is slow to read, and then reads as much as there is.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const bytes = new Uint8Array(65536);
  const read = async () =>
    new TextDecoder().decode(bytes.subarray(0, await connection.read(bytes) ?? 0));
  assertMatch(await read(), /^HTTP.*\r\n\r\n$/s);
  assertEquals(await read(), "\x01\0\0\0\0\0\0\x04out\n");
});

test("a command of exec goes on when its client is killed", async () => {
  const script = "echo begun; sleep 0.5; echo more; echo end >/end";
  const child = new Deno.Command("docker", {
    args: ["exec", "box", "sh", "-c", script],
    env: service.env,
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
  await waitFor(async () =>
    (await service.docker(["exec", "box", "cat", "/end"])).stdout === "end\n"
  );
});

test("docker cp, both ways and as archives; diff and export", async () => {
  const file = service.engine.file("sent", "hello\n");
  await service.ok("cp", file, "box:/got");
  assertEquals(await service.ok("exec", "box", "cat", "/got"), "hello");
  await service.ok("exec", "box", "ln", "-s", "/got", "/link");
  const back = service.engine.path("back");
  await service.ok("cp", "-L", "box:/link", back);
  assertEquals(Deno.readTextFileSync(back), "hello\n");
  const directory = service.engine.path("tree");
  Deno.mkdirSync(`${directory}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${directory}/sub/file`, "deep");
  await service.ok("cp", `${directory}/.`, "box:/new");
  assertEquals(await service.ok("exec", "box", "cat", "/new/sub/file"), "deep");
  const { code, stderr } = await service.docker(["cp", "box:/missing", back]);
  assertEquals(code, 1);
  assertMatch(stderr, /Could not find the file \/missing in container/);
  assertMatch(await service.ok("diff", "box"), /^A \/got$/m);
});

test("docker top and stats", async () => {
  assertMatch(await service.ok("top", "box", "-o", "pid,args"), /sleep 1000/);
  const format = "{{.Name}} {{.PIDs}} {{.MemUsage}}";
  assertMatch(
    await service.ok("stats", "--no-stream", "--format", format, "box"),
    /^box \d+ .+B \/ .+B$/,
  );
});

test("docker container prune removes what has ended, and docker rm -f the rest", async () => {
  await service.ok(...RUN, "--name", "over", "host", "true");
  assertMatch(await service.ok("container", "prune", "-f"), /Total reclaimed space/);
  assertEquals(await service.ok("ps", "-a", "--format", "{{.Names}}"), "box");
  await service.ok("rm", "-f", "box");
});

test("when the clients are gone nothing is left", async () => {
  assertEquals(await service.stop(), 0);
  assertEquals(await service.engine.left(), []);
  assert(!service.engine.processes().some(({ words }) => words.includes("dial-stdio")));
});
