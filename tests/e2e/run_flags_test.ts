/** The flags of `run` that set up a container, by what the container sees of them. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const bound = engine.path("bound");
Deno.mkdirSync(`${bound}/below`, { recursive: true });
Deno.writeTextFileSync(`${bound}/file`, "of the host\n");
const small = engine.rootfs("small");

/** What `mount` shows of one mount: file system and options, without what varies. */
const shows = (target: string) => `grep ' ${target} ' /proc/self/mounts | cut -d ' ' -f 3,4`;

type Row = [name: string, flags: string[], script: string, output: string | RegExp];

const MOUNTS: Row[] = [
  ["a directory of the host", ["-v", `${bound}:/m`], "cat /m/file", "of the host\n"],
  ["a file of the host", ["-v", `${bound}/file:/etc/one`], "cat /etc/one", "of the host\n"],
  ["a missing source, made", ["-v", `${engine.top}/made:/m`], "ls -A /m; echo $?", "0\n"],
  [
    "a read-only directory",
    ["-v", `${bound}:/m:ro`],
    "echo x > /m/file || cat /m/file",
    "of the host\n",
  ],
  [
    "a named volume filled from the image, with owner and mode",
    ["-v", "filled:/var/spool"],
    "ls /var/spool | head -1; stat -c %a%u /var/spool",
    /^\w+\n7550\n$/,
  ],
  ["a volume that is not filled", ["-v", "bare:/etc/init.d:nocopy"], "ls -A /etc/init.d", ""],
  [
    "--mount type=bind,readonly",
    ["--mount", `type=bind,source=${bound},target=/m,readonly`],
    `touch /m/x; ${shows("/m")}`,
    /ro/,
  ],
  [
    "--mount type=tmpfs with size and mode",
    ["--mount", "type=tmpfs,dst=/m,tmpfs-size=64k,tmpfs-mode=0700"],
    `stat -c %a /m; ${shows("/m")}`,
    "700\ntmpfs rw,nosuid,nodev,noexec,relatime,size=64k,mode=700\n",
  ],
  ["an anonymous volume", ["-v", "/m"], "touch /m/x && ls /m", "x\n"],
  [
    "--tmpfs with docker's defaults",
    ["--tmpfs", "/m"],
    shows("/m"),
    "tmpfs rw,nosuid,nodev,noexec,relatime\n",
  ],
  [
    "--tmpfs with options",
    ["--tmpfs", "/m:rw,exec,size=64k,mode=1777"],
    shows("/m"),
    "tmpfs rw,nosuid,nodev,relatime,size=64k\n",
  ],
  [
    "a root that is read-only, but for its mounts",
    ["--read-only", "--tmpfs", "/m"],
    "touch /x 2>/dev/null || echo refused; touch /m/x && ls /m",
    "refused\nx\n",
  ],
];

const caps = (set: string) => `grep ${set} /proc/self/status | cut -f 2`;

const RIGHTS: Row[] = [
  ["docker's capabilities", [], caps("CapEff"), "00000000a80425fb\n"],
  [
    "none but those that are added",
    ["--cap-drop", "all", "--cap-add", "CAP_CHOWN", "--cap-add", "net_raw"],
    caps("CapEff"),
    "0000000000002001\n",
  ],
  ["one less", ["--cap-drop", "MKNOD"], caps("CapBnd"), "00000000a00425fb\n"],
  ["a seccomp filter", [], caps("Seccomp:"), "2\n"],
  ["no seccomp filter", ["--security-opt", "seccomp=unconfined"], caps("Seccomp:"), "0\n"],
  ["no new privileges", ["--security-opt", "no-new-privileges"], caps("NoNewPrivs"), "1\n"],
  [
    "protected paths",
    [],
    "echo x > /proc/sys/vm/swappiness; cat /proc/keys /sys/firmware/* | wc -c",
    "0\n",
  ],
  [
    "paths without protection",
    ["--security-opt", "systempaths=unconfined"],
    "grep -c ' /proc/' /proc/self/mounts",
    "0\n",
  ],
  ["a device", ["--device", "/dev/fuse"], "stat -c %t:%T /dev/fuse", "a:e5\n"],
  [
    "a device by another name and for reading only",
    ["--device", "/dev/fuse:/dev/x:r"],
    ": < /dev/x && echo read; (: > /dev/x) || echo refused",
    "read\nrefused\n",
  ],
  ["a umask", ["--umask", "077"], "umask", "0077\n"],
  [
    "limits",
    ["--ulimit", "nofile=100:200", "--ulimit", "core=0"],
    "ulimit -Sn; ulimit -Hn; ulimit -c",
    "100\n200\n0\n",
  ],
];

const NAMESPACES: Row[] = [
  ["processes of its own", [], "echo $$; ls -d /proc/[0-9]* | head -1", "1\n/proc/1\n"],
  ["an empty IPC namespace", [], "ls -A /dev/shm /dev/mqueue", "/dev/mqueue:\n\n/dev/shm:\n"],
  ["no shared memory", ["--ipc", "none"], "grep -c ' /dev/shm ' /proc/self/mounts", "0\n"],
  [
    "the host's IPC namespace",
    ["--ipc", "host"],
    "readlink /proc/self/ns/ipc",
    `${Deno.readLinkSync("/proc/self/ns/ipc")}\n`,
  ],
  [
    "the host's UTS namespace",
    ["--uts", "host"],
    "readlink /proc/self/ns/uts; hostname",
    `${Deno.readLinkSync("/proc/self/ns/uts")}\n${Deno.hostname()}\n`,
  ],
  [
    "the host's processes",
    ["--pid", "host"],
    "readlink /proc/self/ns/pid",
    `${Deno.readLinkSync("/proc/self/ns/pid")}\n`,
  ],
  ["a sysctl of IPC", ["--sysctl", "kernel.msgmax=1000"], "cat /proc/sys/kernel/msgmax", "1000\n"],
];

Deno.env.set("LIFE_OF_THE_CLIENT", "known");

const ENVIRONMENT: Row[] = [
  ["a variable of the client", ["-e", "LIFE_OF_THE_CLIENT"], "echo $LIFE_OF_THE_CLIENT", "known\n"],
  ["all variables of the client", ["--env-host"], "echo $LIFE_OF_THE_CLIENT", "known\n"],
  [
    "docker's variables and no other",
    ["-h", "box"],
    "env | grep -v ^PWD= | sort",
    "HOME=/root\nHOSTNAME=box\n" +
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
  ],
  ["TERM with a terminal", ["-t"], "echo $TERM", "xterm\r\n"],
  ["a zone", ["--tz", "Etc/GMT-3"], "date +%z", "+0300\n"],
  ["the host's zone", ["--tz", "local"], "date +%z", /^[+-]\d{4}\n$/],
];

for (const [name, flags, script, output] of [...MOUNTS, ...RIGHTS, ...NAMESPACES, ...ENVIRONMENT]) {
  test(`run ${flags.map((word) => word.replace(engine.top, "")).join(" ")}: ${name}`, async () => {
    const { stdout, stderr } = await engine.host(...flags, "host", "sh", "-c", script);
    if (typeof output === "string") assertEquals(stdout, output, stderr);
    else assertMatch(stdout, output, stderr);
  });
}

test("run -v takes a path relative to the working directory", async () => {
  const up = Deno.cwd().split("/").slice(1).map(() => "..").join("/");
  const words = ["-v", `./${up}${bound}:/m`, "host", "cat", "/m/file"];
  assertEquals(await engine.host(...words), { code: 0, stdout: "of the host\n", stderr: "" });
});

async function mount(...args: string[]): Promise<void> {
  assertEquals((await new Deno.Command("mount", { args }).output()).code, 0);
}

test("run -v :rshared shows mounts of the container to the host, :rslave the other way", async () => {
  const place = engine.path("peers");
  Deno.mkdirSync(place);
  await mount("-t", "tmpfs", "tmpfs", place);
  await mount("--make-shared", place);
  Deno.mkdirSync(`${place}/inner`);
  Deno.mkdirSync(`${place}/outer`);
  const id = await engine.background("-v", `${place}:/m:rslave`, "host", "sleep", "1000");
  const { code, stderr } = await engine.host(
    ...["-v", `${place}:/m:rshared`, "--cap-add", "sys_admin", "--security-opt"],
    ...["seccomp=unconfined", "--security-opt", "apparmor=unconfined", "host"],
    ...["mount", "-t", "tmpfs", "tmpfs", "/m/inner"],
  );
  assertEquals(code, 0, stderr);
  assertEquals(engine.mounts().filter((line) => line.includes(`${place}/inner `)).length, 1);
  await mount("-t", "tmpfs", "tmpfs", `${place}/outer`);
  const seen = await engine.ok("exec", id, "grep", "-c", " /m/", "/proc/self/mounts");
  assertEquals(seen, "2");
  for (const path of [`${place}/inner`, `${place}/outer`, place]) {
    await new Deno.Command("umount", { args: [path] }).output();
  }
  await engine.ok("rm", "-f", id);

  await mount("-t", "tmpfs", "tmpfs", place);
  await mount("--make-private", place);
  const refused = await engine.host("-v", `${place}:/m:rshared`, "host", "true");
  assertEquals(refused.code, 125);
  assertMatch(refused.stderr, /path \S+ is mounted on \S+ but it is not a shared mount/);
  await new Deno.Command("umount", { args: [place] }).output();
});

test("run --volumes-from shows another container's volumes, also read-only", async () => {
  await engine.ok("create", "--name", "donor", "-v", "shared:/one", "-v", "/two", "host", "true");
  const script = "touch /one/x /two/y; ls /one /two";
  const { stdout } = await engine.host("--volumes-from", "donor", "host", "sh", "-c", script);
  assertEquals(stdout, "/one:\nx\n\n/two:\ny\n");
  const refused = "touch /one/z 2>/dev/null || ls /one";
  const readonly = await engine.host("--volumes-from", "donor:ro", "host", "sh", "-c", refused);
  assertEquals(readonly.stdout, "x\n");
  await engine.ok("rm", "-v", "donor");
});

test("run --pid, --ipc and --network container: join another container", async () => {
  const id = await engine.background(
    ...["--name", "owner", "--ipc", "shareable", "host", "sh", "-c"],
    "echo shared > /dev/shm/word; exec sleep 1000",
  );
  // It has become `sleep`, and so has done the rest.
  const pid = await engine.inspect(id, "{{.State.Pid}}");
  const words = () => Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  await waitFor(() => words() === "sleep\x001000\x00");
  const script = "readlink /proc/1/exe; cat /dev/shm/word; for n in pid ipc net; do " +
    "test $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) && echo $n; done; " +
    "hostname";
  const result = await engine.dd(
    ...["run", "--rm", "--pid", "container:owner", "--ipc", `container:${id}`],
    ...["--network", "container:owner", "--cap-add", "sys_ptrace", "host", "sh", "-c", script],
  );
  const word = result.stdout.split("\n");
  assertMatch(word[0], /sleep$|coreutils$|busybox$/);
  assertEquals(word.slice(1), ["shared", "pid", "ipc", "net", id.slice(0, 12), ""]);
  await engine.ok("rm", "-f", "owner");
});

test("run --privileged gives all that the host has, and starts where that is not all", async () => {
  const status = Deno.readTextFileSync("/proc/self/status");
  const bounding = /^CapBnd:\t(\w+)$/m.exec(status)![1];
  const script = `${caps("CapBnd")}; ${caps("Seccomp:")}; test -e /dev/kmsg && echo devices`;
  const { code, stdout } = await engine.host("--privileged", "host", "sh", "-c", script);
  assertEquals({ code, stdout }, { code: 0, stdout: `${bounding}\n0\ndevices\n` });
});

test("run --rootfs runs in a directory and writes to it; with :O it does not", async () => {
  const script = "echo x > /written";
  await engine.host("--rootfs", `${small}:O`, "sh", "-c", script);
  assert(!Array.from(Deno.readDirSync(small)).some(({ name }) => name === "written"));
  await engine.host("--rootfs", small, "sh", "-c", script);
  assertEquals(Deno.readTextFileSync(`${small}/written`), "x\n");
});

test("run --preserve-fds passes descriptors of the caller, and none of our own", async () => {
  const run = ["run", "--rm", "--network", "none", "--preserve-fds", "2", "host", "sh", "-c"]
    .map((word) => `'${word}'`).join(" ");
  const shell = (script: string) =>
    new Deno.Command("sh", { args: ["-c", script], env: engine.env }).output();
  const program = Deno.realPathSync(Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock");
  const passed = await shell(
    `exec 3<${bound}/file 4</dev/null; '${program}' ${run} 'cat <&3; cat <&4'`,
  );
  assertEquals(new TextDecoder().decode(passed.stdout), "of the host\n");
  const missing = await shell(`exec 3<${bound}/file; '${program}' ${run} true`);
  assertEquals(missing.code, 125);
  assertStringIncludes(
    new TextDecoder().decode(missing.stderr),
    "Cannot pass descriptor 4 to the container: it is not open",
  );
});

test("run --label-file, --annotation, --stop-signal and --stop-timeout are kept", async () => {
  const file = engine.file("labels", "# of the file\na=b\nc=d=e\n");
  const id = await engine.ok(
    ...["create", "--label-file", file, "-l", "a=flag", "--annotation", "note=x"],
    ...["--stop-signal", "INT", "--stop-timeout", "3", "host", "true"],
  );
  assertEquals(
    await engine.inspect(
      id,
      "{{json .Config.Labels}} {{json .HostConfig.Annotations}} {{.Config.StopSignal}} " +
        "{{.Config.StopTimeout}}",
    ),
    '{"a":"flag","c":"d=e"} {"note":"x"} INT 3',
  );
  await engine.ok("rm", id);
});

test("stop sends --stop-signal, and SIGKILL after --stop-timeout", async () => {
  const script = "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done";
  const polite = await engine.background("--stop-signal", "USR1", "host", "sh", "-c", script);
  await waitFor(async () => (await engine.ok("logs", polite)) === "ready");
  await engine.ok("stop", polite);
  assertEquals(await engine.inspect(polite, "{{.State.ExitCode}}"), "9");
  const deaf = await engine.background("--stop-timeout", "0", "host", "sleep", "1000");
  await engine.ok("stop", deaf);
  assertEquals(await engine.inspect(deaf, "{{.State.ExitCode}}"), "137");
  await engine.ok("rm", polite, deaf);
});

test("run --rmi removes container and image, and leaves an image that another one uses", async () => {
  const tar = await new Deno.Command("tar", { args: ["-C", small, "-c", "."] }).output();
  for (const name of ["gone:1", "used:1"]) {
    await engine.with({ stdin: tar.stdout }, "import", "-c", `LABEL n=${name}`, "-", name);
  }
  const user = await engine.ok("create", "used:1", "true");
  for (const name of ["gone:1", "used:1"]) {
    assertEquals((await engine.host("--rmi", name, "true")).code, 0);
  }
  assertEquals(await engine.ok("images", "-q", "gone"), "");
  assertMatch(await engine.ok("images", "-q", "used"), /^[0-9a-f]{12}$/);
  assertEquals(await engine.ok("ps", "-aq", "--no-trunc"), user);
  await engine.ok("rm", user);
});

test("run --pull never does not pull; --platform refuses an image of another one", async () => {
  const { code, stderr } = await engine.host("--pull", "never", "nosuch:1", "true");
  assertEquals(code, 125);
  assertStringIncludes(stderr, "No such image: nosuch:1");
  const other = await engine.host("--pull", "never", "--platform", "linux/s390x", "host", "true");
  assertEquals(other.code, 125);
});

test("run -a stdout shows that stream alone", async () => {
  const script = "echo out; echo err >&2";
  const { stdout, stderr } = await engine.host("-a", "stdout", "host", "sh", "-c", script);
  assertEquals([stdout, stderr], ["out\n", ""]);
});

test("run --restart on-failure:N counts, backs off and gives up", async () => {
  const id = await engine.background("--restart", "on-failure:3", "host", "sh", "-c", "exit 4");
  const state = "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}";
  await waitFor(async () => (await engine.inspect(id, state)) === "3 exited 4");
  await engine.ok("rm", id);
});

const RESTARTS: [policy: string, script: string, code: string][] = [
  ["no", "exit 4", "4"],
  ["on-failure", "exit 0", "0"],
];
for (const [policy, script, code] of RESTARTS) {
  test(`run --restart ${policy} leaves a container down that did "${script}"`, async () => {
    const id = await engine.background("--restart", policy, "host", "sh", "-c", script);
    assertEquals(await engine.ok("wait", id), code);
    await engine.ok("ps"); // what was left to do is done by now
    assertEquals(await engine.inspect(id, "{{.State.Status}} {{.RestartCount}}"), "exited 0");
    await engine.ok("rm", id);
  });
}

test("a container with --restart always stays down after stop, and comes back after kill", async () => {
  const id = await engine.background("--restart", "always", "host", "sleep", "1000");
  const pid = Number(await engine.inspect(id, "{{.State.Pid}}"));
  Deno.kill(pid, "SIGKILL");
  await waitFor(async () =>
    await engine.inspect(id, "{{.State.Status}} {{.RestartCount}}") === "running 1"
  );
  await engine.ok("stop", "-t", "0", id);
  assertEquals(await engine.inspect(id, "{{.State.Status}}"), "exited");
  await engine.ok("rm", id);
});

const WITHOUT_EFFECT: [flags: string[], said: string][] = [
  [["--kernel-memory", "100m"], "WARNING: The kernel has no kernel memory limit any more."],
  [["--disable-content-trust=false"], "WARNING: Content trust is not supported"],
  [["--cpu-count", "2"], "WARNING: --cpu-count is for Windows only."],
  [["--cpu-percent", "2"], "WARNING: --cpu-percent is for Windows only."],
  [["--io-maxiops", "2"], "WARNING: --io-maxiops is for Windows only."],
];
for (const [flags, said] of WITHOUT_EFFECT) {
  test(`run ${flags.join(" ")} says that it has no effect, and runs`, async () => {
    const { code, stdout, stderr } = await engine.host(...flags, "host", "echo", "ran");
    assertEquals([code, stdout], [0, "ran\n"]);
    assertStringIncludes(stderr, said);
  });
}
