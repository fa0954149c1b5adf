/** `run`: exit codes, what it prints and where, names, clean-up with --rm. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const CODES: [name: string, command: string[], code: number][] = [
  ["success", ["true"], 0],
  ["the command's own code", ["sh", "-c", "exit 7"], 7],
  ["the greatest code", ["sh", "-c", "exit 255"], 255],
  ["128 + the signal for a child that was killed", ["sh", "-c", "sh -c 'kill -9 $$'"], 137],
  ["0 for a first process that sends itself a signal", ["sh", "-c", "kill -9 $$"], 0],
  ["127 for a command that is not on PATH", ["nosuchcommand"], 127],
  ["127 for a path that is not there", ["/no/such/command"], 127],
  ["126 for a file that may not be executed", ["/etc/passwd"], 126],
  ["126 for a directory", ["/etc"], 126],
];

for (const [name, command, code] of CODES) {
  test(`run() ends with ${name}`, async () => {
    assertEquals((await engine.host("host", ...command)).code, code);
  });
}

const DOCKER_ERROR =
  "diplodock: Error response from daemon: failed to create task for container: failed to " +
  "create shim task: OCI runtime create failed: diplodock create failed: unable to start " +
  "container process: ";
const TRAILER = "\n\nRun 'diplodock run --help' for more information\n";

const UNSTARTABLE: [command: string, why: string][] = [
  ["nosuch", 'exec: "nosuch": executable file not found in $PATH'],
  ["/no/such", 'exec: "/no/such": stat /no/such: no such file or directory'],
  ["/etc/passwd", 'exec: "/etc/passwd": permission denied'],
  ["/etc", 'exec: "/etc": permission denied'],
];

for (const [command, why] of UNSTARTABLE) {
  test(`run() tells on stderr why "${command}" cannot be started`, async () => {
    const { stdout, stderr } = await engine.host("host", command);
    assertEquals({ stdout, stderr }, { stdout: "", stderr: DOCKER_ERROR + why + TRAILER });
  });
}

test("run() says of a script without #! that its format is wrong", async () => {
  const script = engine.file("script", "echo hello\n", 0o755);
  const { code, stderr } = await engine.host("-v", `${script}:/script`, "host", "/script");
  assertEquals(code, 126);
  assertStringIncludes(stderr, "exec /script: exec format error");
});

test("run() leaves nothing of a container that could not be started with --rm", async () => {
  await engine.host("--name", "unstartable", "host", "nosuch");
  assertEquals(await engine.ok("ps", "-aq", "--filter", "name=unstartable"), "");
});

test("run() keeps a container that could not be started without --rm, as created", async () => {
  const { code } = await engine.dd("run", "--network", "none", "--name", "kept", "host", "nosuch");
  assertEquals(code, 127);
  assertEquals(await engine.inspect("kept", "{{.State.Status}}"), "created");
  assertEquals((await engine.dd("rm", "kept")).stdout, "kept\n");
});

test("run() keeps stdout and stderr apart", async () => {
  const result = await engine.host("host", "sh", "-c", "echo out; echo err >&2; exit 4");
  assertEquals(result, { code: 4, stdout: "out\n", stderr: "err\n" });
});

test("run() gives the command nothing to read without -i", async () => {
  const options = { stdin: "never seen" };
  const args = ["run", "--rm", "--network", "none", "host", "cat"];
  assertEquals(await engine.with(options, ...args), { code: 0, stdout: "", stderr: "" });
});

test("run -d prints the id and nothing else", async () => {
  const { code, stdout, stderr } = await engine.dd(
    ...["run", "-d", "--network", "none", "--name", "detached", "host", "sleep", "1000"],
  );
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertMatch(stdout, /^[0-9a-f]{64}\n$/);
  assertEquals(
    await engine.inspect("detached", "{{.Id}} {{.State.Running}}"),
    `${stdout.trim()} true`,
  );
  assertEquals((await engine.dd("rm", "-f", "detached")).code, 0);
});

test("run -d prints the id also of a container that could not be started", async () => {
  const { code, stdout, stderr } = await engine.dd(
    ...["run", "-d", "--network", "none", "--name", "broken", "host", "nosuch"],
  );
  assertEquals(code, 127);
  assertMatch(stdout, /^[0-9a-f]{64}\n$/);
  assertStringIncludes(stderr, "executable file not found in $PATH");
  await engine.ok("rm", "broken");
});

test("run() refuses a name that is taken, with docker's words", async () => {
  const id = await engine.background("--name", "taken", "host", "sleep", "1000");
  const { code, stdout, stderr } = await engine.host("--name", "taken", "host", "true");
  assertEquals({ code, stdout }, { code: 125, stdout: "" });
  assertEquals(
    stderr,
    `diplodock: Error response from daemon: Conflict. The container name "/taken" is already in ` +
      `use by container "${id}". You have to remove (or rename) that container to be able to ` +
      `reuse that name.${TRAILER}`,
  );
});

test("run --replace takes the name from a container, even a running one", async () => {
  const old = await engine.background("--name", "replaced", "host", "sleep", "1000");
  const id = await engine.background("--name", "replaced", "--replace", "host", "sleep", "1000");
  assert(old !== id);
  assertEquals(await engine.inspect("replaced", "{{.Id}}"), id);
  assertEquals((await engine.dd("container", "inspect", old)).code, 1);
});

test("run --rm removes the container and its anonymous volumes, and keeps named ones", async () => {
  const before = await engine.ok("volume", "ls", "-q");
  const { code } = await engine.host(
    ...["--name", "gone", "-v", "/anonymous", "-v", "kept:/named", "host", "touch", "/named/x"],
  );
  assertEquals(code, 0);
  assertEquals(await engine.ok("ps", "-aq", "--filter", "name=gone"), "");
  assertEquals(await engine.ok("volume", "ls", "-q"), `${before}${before && "\n"}kept`);
  await engine.ok("volume", "rm", "kept");
});

test("run -d --rm removes the container and its volumes after its end", async () => {
  const before = await engine.ok("volume", "ls", "-q");
  const id = await engine.background("--rm", "-v", "/anonymous", "host", "sleep", "0.1");
  await engine.ok("wait", id).catch(() => {});
  await waitFor(() => !engine.ids().includes(id));
  // The volumes go after the container.
  await waitFor(async () => await engine.ok("volume", "ls", "-q") === before);
});

test("run --cidfile writes the id without a line break, and refuses a file that is there", async () => {
  const path = engine.path("cid");
  assertEquals((await engine.host("--cidfile", path, "host", "true")).code, 0);
  assertMatch(Deno.readTextFileSync(path), /^[0-9a-f]{64}$/);
  const { code, stderr } = await engine.host("--cidfile", path, "host", "true");
  assertEquals(code, 125);
  assertStringIncludes(stderr, "container ID file found, make sure the other container isn't");
});

const SETTINGS: [name: string, args: string[], command: string, output: string | RegExp][] = [
  ["the working directory", ["-w", "/usr"], "pwd", "/usr\n"],
  ["a working directory that is made", ["-w", "/new/place"], "pwd", "/new/place\n"],
  ["variables", ["-e", "A=b c"], 'echo "$A"', "b c\n"],
  [
    "a variable that is not the client's to give",
    ["-e", "NOT_SET_HERE"],
    "echo ${NOT_SET_HERE-no}",
    "no\n",
  ],
  ["a hostname", ["-h", "box"], "cat /proc/sys/kernel/hostname /etc/hostname", "box\nbox\n"],
  [
    "a hostname with a domain",
    ["-h", "box", "--domainname", "example.org"],
    "cat /proc/sys/kernel/domainname",
    "example.org\n",
  ],
  ["the first 12 digits as hostname", [], "cat /etc/hostname", /^[0-9a-f]{12}\n$/],
  ["a user by name", ["-u", "daemon"], "id -u; id -g; echo $HOME", "1\n1\n/usr/sbin\n"],
  ["a user and group by number", ["-u", "1234:4321"], "id -u; id -g; id -G", "1234\n4321\n4321\n"],
  ["an unknown uid with group 0", ["-u", "1234"], "id -u; id -g; echo $HOME", "1234\n0\n/\n"],
  ["further groups", ["--group-add", "audio", "--group-add", "777"], "id -G", "0 29 777\n"],
  ["a limit", ["--ulimit", "nofile=123:456"], "ulimit -Sn; ulimit -Hn", "123\n456\n"],
  ["a sysctl", ["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward", "1\n"],
  [
    "shared memory of a size",
    ["--shm-size", "2m"],
    "df -k /dev/shm | tail -1 | awk '{print $2}'",
    "2048\n",
  ],
  ["an entrypoint", ["--entrypoint", "/bin/echo"], "x", "-c x\n"],
  ["labels", ["-l", "a=b"], "echo ok", "ok\n"],
  ["a time zone", ["--tz", "UTC"], "date +%Z", "UTC\n"],
  ["PID 1 for the command", [], "echo $$", "1\n"],
  [
    "PID 1 for a tiny init",
    ["--init"],
    "cat /proc/1/comm; echo $$",
    /^diplodock-init\n[1-9]\d*\n$/,
  ],
];

for (const [name, args, command, output] of SETTINGS) {
  test(`run() gives the container ${name}`, async () => {
    const entry = args.includes("--entrypoint") ? ["-c", command] : ["sh", "-c", command];
    const { code, stdout, stderr } = await engine.host(...args, "host", ...entry);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    if (typeof output === "string") assertEquals(stdout, output);
    else assertMatch(stdout, output);
  });
}

test("run --init passes signals on and ends with the command's signal", async () => {
  const id = await engine.background("--init", "host", "sleep", "1000");
  await engine.ok("stop", "-t", "5", id);
  assertEquals(await engine.inspect(id, "{{.State.ExitCode}}"), "143");
});

test("run --timeout ends a container whose time is up", async () => {
  const { code } = await engine.host("--timeout", "1", "--init", "host", "sleep", "100");
  assertEquals(code, 143);
});

test("run --env-file reads variables, and -e wins over them", async () => {
  const file = engine.file("env", "# comment\nA=1\nB=two words\n  C=3\n");
  const command = 'echo "$A|$B|$C"';
  const { stdout } = await engine.host(
    "--env-file",
    file,
    "-e",
    "A=x",
    "host",
    "sh",
    "-c",
    command,
  );
  assertEquals(stdout, "x|two words|3\n");
});

test("run() starts ten containers at once", async () => {
  const runs = Array.from({ length: 10 }, (_, i) => engine.host("host", "echo", String(i)));
  const results = await Promise.all(runs);
  results.forEach((result, i) => assertEquals(result, { code: 0, stdout: `${i}\n`, stderr: "" }));
});

test("run() of one name by ten clients starts one container, nine get the conflict", async () => {
  const args = ["--name", "contested", "host", "sleep", "1000"];
  const runs = Array.from(
    { length: 10 },
    () => engine.dd("run", "-d", "--network", "none", ...args),
  );
  const results = await Promise.all(runs);
  assertEquals(results.filter(({ code }) => code === 0).length, 1);
  const refused = results.filter(({ code }) => code !== 0);
  for (const { code, stderr } of refused) {
    assertEquals(code, 125);
    assertStringIncludes(stderr, 'The container name "/contested" is already in use');
  }
  assertEquals(
    await engine.ok("ps", "-aq", "--filter", "name=contested"),
    results.find(({ code }) => code === 0)!.stdout.slice(0, 12),
  );
});

test("run() with nobody left listening ends as after SIGPIPE", async () => {
  const child = engine.spawn([
    "run",
    "--rm",
    "--network",
    "none",
    "host",
    "sh",
    "-c",
    "yes; echo $? >&2",
  ]);
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const [status] = await Promise.all([child.status, child.stderr.cancel()]);
  assertEquals(status.code, 141);
});

test("the monitor of a container has at most 64 kB in memory, with or without a terminal", async () => {
  for (const flags of [[], ["-t"], ["--restart", "always"]]) {
    const id = await engine.background(...flags, "host", "sleep", "1000");
    const [{ pid }] = engine.processes()
      .filter(({ words }) => words === `diplodock-monitor ${id.slice(0, 12)}`);
    const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
    assert(Number(/^Rss: +(\d+) kB/m.exec(rollup)![1]) <= 64, rollup);
    await engine.ok("rm", "-f", id);
  }
});
