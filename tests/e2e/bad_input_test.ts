/** What is wrong with the input: the message says what and what to do, the exit code is docker's. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const DAEMON = "Error response from daemon: ";

type Row = [args: string, code: number, stderr: string];

/** Of `run --rm --network none FLAGS host true`: stderr has the text behind "diplodock: ". */
const RUN_FLAGS: Row[] = [
  ["--nosuch", 125, "unknown flag: --nosuch"],
  ["-m 12x", 125, 'invalid argument "12x" for "-m, --memory" flag'],
  ["-m 1k", 125, `diplodock: ${DAEMON}Minimum memory limit allowed is 6MB`],
  ["--shm-size abc", 125, "invalid size: 'abc'"],
  ["-w relative", 125, "the working directory 'relative' is invalid, it needs to be an absolute"],
  ["-u nosuch", 125, "unable to find user nosuch: no matching entries in passwd file"],
  ["--group-add nosuch", 125, "Unable to find group nosuch: no matching entries in group file"],
  ["-v /nosuch:relative", 125, "mount path must be absolute"],
  ["-v /a:/b:c:d", 125, "invalid volume specification: '/a:/b:c:d'"],
  ["-v /tmp:/x:zz", 125, "invalid mode: zz"],
  ["-v /tmp:/", 125, "destination can't be '/'"],
  ["-v /tmp:/d -v /var:/d", 125, "Duplicate mount point: /d"],
  [
    "--mount type=bind,src=/nosuch,dst=/x",
    125,
    'invalid mount config for type "bind": bind source path does not exist: /nosuch',
  ],
  ["--mount type=foo,dst=/x", 125, "mount type unknown"],
  ["--mount foo", 125, "must be a key=value pair"],
  ["--mount foo=1", 125, "unexpected key 'foo' in 'foo=1'"],
  ["--tmpfs /x:foo=1", 125, 'invalid tmpfs option ["foo" "1"]'],
  ["--env-file /nosuch", 125, "open /nosuch: no such file or directory"],
  ["--label-file /nosuch", 125, "open /nosuch: no such file or directory"],
  ["--security-opt seccomp=/nosuch", 125, "opening seccomp profile (/nosuch) failed"],
  ["--security-opt foo", 125, 'Invalid --security-opt: "foo"'],
  ["--device /nosuch", 127, 'custom device "/nosuch": no such file or directory'],
  ["--device /dev/null:/x:zz", 125, "bad mode specified: zz"],
  ["--cap-add FOO", 125, 'invalid CapAdd: unknown capability: "CAP_FOO"'],
  ["--ulimit foo=1", 125, "invalid ulimit type: foo"],
  ["--ulimit nofile=20:10", 125, "ulimit soft limit must be less than or equal to hard limit"],
  ["--sysctl foo=1", 125, "sysctl 'foo=1' is not allowed"],
  ["--restart foo", 125, "conflicting options: cannot specify both --restart and --rm"],
  ["-a foo", 125, "valid streams are STDIN, STDOUT and STDERR"],
  ["-d -a stdout", 1, "conflicting options: cannot specify both --attach and --detach"],
  ["--name a/b", 125, "Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"],
  ["--log-driver foo", 125, "no log driver named 'foo' is registered"],
  ["--log-opt foo=1", 125, "unknown log opt 'foo' for json-file log driver"],
  ["--log-driver none --log-opt max-size=1", 125, "invalid logging opts for driver none"],
  ["--stop-signal FOO", 125, "Invalid signal: FOO"],
  ["--pid foo", 125, "--pid: invalid PID mode"],
  ["--pid container:nosuch", 125, `${DAEMON}No such container: nosuch`],
  ["--ipc foo", 125, "nvalid IPC mode: foo"],
  ["--uts foo", 125, "--uts: invalid UTS mode"],
  ["--uts host -h x", 125, "conflicting options: hostname and the UTS mode"],
  ["--cgroupns foo", 125, "--cgroupns: invalid CGROUP mode"],
  ["--userns foo", 125, "--userns: invalid USER mode"],
  ["--volumes-from nosuch", 125, `${DAEMON}No such container: nosuch`],
  ["--tz No/Where", 125, "No/Where: no such file or directory"],
  ["--health-interval 5", 125, "missing unit in duration"],
  ["--no-healthcheck --health-cmd x", 125, "--no-healthcheck conflicts with --health-* options"],
  ["--health-on-failure foo", 125, 'invalid on-failure action "foo"'],
  ["--umask 9", 125, 'invalid umask "9"'],
  ["--timeout x", 125, 'invalid argument "x" for "--timeout" flag'],
  ["--pull foo", 125, "invalid pull option: 'foo'"],
  ["-e =x", 125, "invalid environment variable: =x"],
  ["-l =x", 125, "invalid label"],
  ["--runtime foo", 125, "unknown or invalid runtime name: foo"],
  ["--storage-opt size=1G", 125, "--storage-opt is supported only for overlay over xfs"],
  ["--preserve-fds 1", 125, "Cannot pass descriptor 3 to the container: it is not open"],
  ["--detach-keys ctrl-1", 1, "ctrl-1"],
];

for (const [flags, code, text] of RUN_FLAGS) {
  test(`run ${flags} is refused`, async () => {
    const result = await engine.host(...flags.split(" "), "host", "true");
    assertEquals([result.code, result.stdout], [code, ""], result.stderr);
    assertStringIncludes(result.stderr, text);
    assertEquals(engine.ids(), [], "nothing half-made stays");
  });
}

const COMMANDS: Row[] = [
  ["run", 1, "'diplodock run' requires at least 1 argument"],
  ["run --rootfs /nosuch --rm true", 127, "/nosuch"],
  ["run --pull never nosuch:1 true", 125, `diplodock: ${DAEMON}No such image: nosuch:1`],
  ["create --pull never nosuch:1 true", 1, `${DAEMON}No such image: nosuch:1`],
  ["create --nosuch host", 125, "unknown flag: --nosuch"],
  ["create -w relative host true", 1, "the working directory 'relative' is invalid"],
  ["exec nosuch true", 1, `${DAEMON}No such container: nosuch`],
  ["exec nosuch", 1, "'diplodock exec' requires at least 2 arguments"],
  ["start nosuch", 1, "Error: failed to start containers: nosuch"],
  ["stop nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["restart nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["kill nosuch", 1, `${DAEMON}Cannot kill container: nosuch: No such container: nosuch`],
  ["kill -s FOO nosuch", 1, `${DAEMON}Invalid signal: FOO`],
  ["rm nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["rm -f nosuch", 0, `${DAEMON}No such container: nosuch`],
  ["logs nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["logs", 1, "'diplodock logs' requires 1 argument"],
  ["attach nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["inspect nosuch", 1, "Error: No such object: nosuch"],
  ["wait nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["pause nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["unpause nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["top nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["rename nosuch other", 1, `${DAEMON}No such container: nosuch`],
  ["diff nosuch", 1, `${DAEMON}No such container: nosuch`],
  ["port nosuch", 1, "No such container: nosuch"],
  ["update nosuch", 1, "you must provide one or more flags when using this command"],
  ["update --restart foo nosuch", 1, "nosuch"],
  ["volume inspect nosuch", 1, "no such volume"],
  ["volume rm nosuch", 1, "no such volume"],
  ["volume create a", 1, "volume name is too short"],
  ["ps -f foo=1", 1, "invalid filter 'foo'"],
  ["ps -f foo", 125, "bad format of filter (expected name=value)"],
  ["ps -f status=zzz", 1, "invalid filter 'status=zzz'"],
  ["ps --format {{.Nope}}", 1, "can't evaluate field Nope in type *formatter.ContainerContext"],
  ["ps --format {{.ID", 1, "unclosed action"],
  ["inspect -f {{.ID nosuch", 64, "unclosed action"],
  ["ps extra", 1, "'diplodock ps' accepts no arguments"],
  ["nosuch", 1, "unknown command: diplodock nosuch"],
  ["container nosuch", 1, "nosuch"],
];

for (const [words, code, text] of COMMANDS) {
  test(`${words} is refused`, async () => {
    const result = await engine.dd(...words.split(" "));
    assertEquals(result.code, code, result.stderr);
    assertStringIncludes(result.stderr, text);
    assertEquals(engine.ids(), [], "nothing half-made stays");
  });
}

/** Files of a container's, and what is written over them. */
const BROKEN: [file: string, text: string | undefined][] = [
  ["container.json", "{"],
  ["container.json", ""],
  ["container.json", undefined],
  ["config.json", "not json"],
  ["config.json", undefined],
  ["mounts.json", "["],
  ["root.json", undefined],
  ["exit", "x"],
  ["log", "no record of ours"],
  ["started", "no time"],
];

for (const [file, text] of BROKEN) {
  const how = text === undefined ? "missing" : text === "" ? "empty" : "broken";
  test(`a container whose ${file} is ${how} keeps no command from working`, async () => {
    const [broken, whole] = ["broken", "whole"];
    await engine.dd("rm", "-f", ...engine.ids());
    for (const name of [broken, whole]) {
      await engine.ok("run", "--name", name, "--network", "none", "host", "echo", "logged");
    }
    const id = await engine.inspect(broken, "{{.Id}}");
    engine.remember();
    const path = `${engine.root}/containers/${id}/${file}`;
    if (text === undefined) Deno.removeSync(path);
    else Deno.writeTextFileSync(path, text);
    for (const words of [["logs"], ["inspect"], ["start", "-a"], ["exec"]]) {
      const target = words[0] === "exec" ? [broken, "true"] : [broken];
      const { stderr } = await engine.dd(...words, ...target);
      assert(!stderr.includes("internal error"), `${words}: ${stderr}`);
    }
    const { stdout } = await engine.dd("ps", "-a", "--format", "{{.Names}}");
    assertStringIncludes(stdout, whole);
    assertEquals((await engine.dd("run", "--rm", "--network", "none", "host", "true")).code, 0);
    assertEquals((await engine.dd("start", "-a", whole)).stdout, "logged\n");
    assertEquals((await engine.dd("rm", "-f", id)).code, 0);
    await engine.ok("rm", whole);
    assertEquals(await engine.left(), []);
  });
}

test("a running container whose record is broken says so, and rm -f removes it", async () => {
  const id = await engine.background("--name", "lost", "host", "sleep", "1000");
  engine.remember();
  Deno.writeTextFileSync(`${engine.root}/containers/${id}/container.json`, "{");
  const { code, stderr } = await engine.dd("stop", "lost");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "is not valid JSON");
  assertStringIncludes(stderr, `diplodock rm -f ${id.slice(0, 12)}`);
  assertEquals((await engine.dd("rm", "-f", "lost")).code, 0);
  // Its monitor may have had nobody to clean up but a process of its own.
  assertEquals(await engine.left(), []);
});
