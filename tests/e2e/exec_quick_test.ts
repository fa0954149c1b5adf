/**
 * `exec` without Deno: the second one in a container finds a program (src/runtime/quick_exec.ts). It
 * has to do what the usual way does, which any option leads to.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { sys } from "../../ffi/libc.ts";
import { Engine, PROGRAM, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
const box = engine.rootfs("box", (root) => {
  for (const name of ["sed", "seq"]) Deno.symlinkSync("busybox", `${root}/bin/${name}`);
  Deno.mkdirSync(`${root}/job`);
  Deno.writeTextFileSync(`${root}/job/script`, '#!/bin/sh\necho $0 "$@"\n', { mode: 0o755 });
  Deno.writeTextFileSync(`${root}/bin/text`, "no program\n", { mode: 0o755 });
  Deno.writeTextFileSync(`${root}/bin/closed`, "", { mode: 0o644 });
});
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

/** Only the self-extracting file has the head that looks for programs. */
const hasHead = Deno.build.arch === "x86_64" && isRoot() && isSelfExtracting();
const needs = skipUnless(hasHead, "needs root and the self-extracting file for x86-64");

function isSelfExtracting(): boolean {
  using file = Deno.openSync(PROGRAM);
  const head = new Uint8Array(49152);
  file.readSync(head);
  return new TextDecoder("latin1").decode(head).includes("ddexec01");
}

/** A container in which the next plain exec finds its program. */
async function prepared(...flags: string[]): Promise<string> {
  const id = await engine.background(...flags, "--rootfs", `${box}:O`, "/bin/sleep", "100000");
  await engine.ok("exec", id, "true");
  assert(hasQuickExec(id));
  return id;
}

const quickExecOf = (id: string) => `${engine.run}/containers/${id}/exec`;

function hasQuickExec(id: string): boolean {
  try {
    return Deno.statSync(quickExecOf(id)).isFile;
  } catch {
    return false;
  }
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `a quick exec ${name}`, ...needs, fn });
}

test("is our file itself, and a program of a few pages", async () => {
  const id = await prepared();
  const child = engine.spawn(["exec", id, "sleep", "1000"]);
  const inside = () => Deno.readTextFileSync(`/proc/${child.pid}/task/${child.pid}/children`);
  await waitFor(() => inside() !== "");
  assertEquals(Deno.readLinkSync(`/proc/${child.pid}/exe`), Deno.realPathSync(PROGRAM));
  const [pid] = inside().split(" ");
  await waitFor(() => Deno.readTextFileSync(`/proc/${pid}/comm`) === "diplodock-exec\n");
  assertEquals(Deno.readTextFileSync(`/proc/${pid}/environ`), "");
  child.kill("SIGTERM");
  assertEquals((await child.output()).code, 143);
});

/** What has to be the same either way. */
const COMMANDS: string[][] = [
  ["echo", "a", "", "*", '\u00e9 "'],
  ["sh", "-c", "echo out; echo err >&2; exit 3"],
  ["sh", "-c", "kill -9 $$"],
  ["sh", "-c", "kill -TERM $$"],
  ["nothere"],
  ["/bin/nothere", "x"],
  ["closed"],
  ["/job"],
  ["text"],
  ["./script", "1", "2"],
  ["/job/script"],
  ["env"],
  ["id"],
  ["pwd"],
  ["sh", "-c", "umask; ulimit -a"],
  ["ls", "/proc/self/fd"],
  ["sed", "-n", "/^\\(Cap\\|Seccomp\\|NoNew\\|Sig[PBIC]\\|Groups\\)/p", "/proc/self/status"],
  ["cat", "/proc/self/cgroup", "/proc/self/oom_score_adj", "/proc/self/limits"],
  ["sh", "-c", "ls -l /proc/self/ns | sed 's/.*-> //'"],
  ["sh", "-c", "ls -ld /proc/$$/fd/0 | sed 's/.*-> //'"],
];
const CONTAINERS: [name: string, flags: string[]][] = [
  ["a usual container", ["-w", "/job", "-e", "MINE=1 2"]],
  [
    "an ordinary user's",
    [
      "-w",
      "/job",
      "-u",
      "5:6",
      "--group-add",
      "7",
      "-e",
      "PATH=/none::/bin",
      "--ulimit",
      "nofile=99",
    ],
  ],
  ["a privileged one", ["-w", "/job", "--privileged", "--oom-score-adj", "77"]],
  ["one without rights", [
    ...["-w", "/job", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--read-only"],
    ...["--cgroupns", "host", "--pid", "host"],
  ]],
];
for (const [name, flags] of CONTAINERS) {
  test(`does in ${name} what the usual way does`, async () => {
    const id = await prepared(...flags);
    for (const command of COMMANDS) {
      const usual = await engine.dd("exec", "-w", "/job", id, ...command);
      assertEquals(await engine.dd("exec", id, ...command), usual, command.join(" "));
    }
    await engine.ok("rm", "-f", id);
  });
}

test("takes input with -i, and nothing without", async () => {
  const id = await prepared();
  const given = { stdin: new TextEncoder().encode("given\n") };
  assertEquals((await engine.with(given, "exec", "-i", id, "cat")).stdout, "given\n");
  assertEquals((await engine.with(given, "exec", id, "cat")).stdout, "");
});

/** Runs a line of the shell in which $D is our program. */
async function shell(line: string): Promise<string> {
  const env = { ...engine.env, D: PROGRAM };
  const { stdout, stderr } = await new Deno.Command("sh", { args: ["-c", line], env }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

test("copies output that the command must not have itself, and all of it", async () => {
  const id = await prepared();
  const file = `${engine.top}/output`;
  const script = "seq 200000; (sleep 0.3; echo late) & echo error >&2";
  assertEquals(await shell(`$D exec ${id} sh -c '${script}' > ${file}; echo $?`), "0\nerror\n");
  const want = Array.from({ length: 200000 }, (_, i) => `${i + 1}\n`).join("") + "late\n";
  assert(Deno.readTextFileSync(file) === want);
});

test("tells when our output takes no more", async () => {
  const id = await prepared();
  for (const option of ["", "-w /"]) {
    const said = await shell(`$D exec ${option} ${id} seq 100000 > /dev/full; echo $?`);
    assertEquals(said, "1\nCannot write the output: write: ENOSPC\n");
  }
});

test("does without streams that are closed", async () => {
  const id = await prepared();
  const line = `$D exec ${id} touch /done <&-; echo $?; $D exec ${id} echo x >&-; echo $?`;
  assertMatch(await shell(line), /^0\n/);
  await engine.ok("exec", id, "ls", "/done");
});

test("passes signals on, and takes the command with it when it is killed", async () => {
  const id = await prepared();
  const script = 'trap "echo got; exit 5" USR1; echo ready; while :; do sleep 0.02; done';
  const child = engine.spawn(["exec", id, "sh", "-c", script]);
  const reader = child.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "ready\n");
  child.kill("SIGUSR1");
  assertEquals(new TextDecoder().decode((await reader.read()).value), "got\n");
  reader.releaseLock();
  await child.stdout.cancel();
  assertEquals((await child.status).code, 5);
  await child.stderr.cancel();
  const doomed = engine.spawn(["exec", id, "sleep", "4321"], { stdout: "null", stderr: "null" });
  const runs = async () => (await engine.ok("top", id)).includes("sleep 4321");
  await waitFor(runs);
  doomed.kill("SIGKILL");
  await doomed.status;
  await waitFor(async () => !await runs());
});

test("tells the events that the usual way tells, in the order of what happened", async () => {
  const id = await prepared("--name", "told", "--label", "a=b");
  const since = String(Date.now() / 1000);
  await engine.dd("exec", id, "sh", "-c", 'exit "4"');
  await engine.dd("exec", "-w", "/", id, "sh", "-c", 'exit "4"');
  const all = await engine.ok("events", "--since", since, "--until", "0s", "--format", "json");
  const events = all.split("\n").map((line) => JSON.parse(line));
  const known = events.map(({ Actor, time: _s, timeNano: _n, ...rest }) => {
    const { execID, ...attributes } = Actor.Attributes;
    assertMatch(execID, /^[0-9a-f]{64}$/);
    return { ...rest, ID: Actor.ID, attributes };
  });
  assertEquals(known.length, 6);
  assertEquals(known.slice(0, 3), known.slice(3));
  const ids = events.map(({ Actor }) => Actor.Attributes.execID);
  assertEquals(new Set(ids).size, 2);
  const times = events.map(({ timeNano }) => timeNano);
  assertEquals(times, times.toSorted());
});

test("is left away where there is no room for its program", async () => {
  const directory = `${engine.run}/containers`;
  Deno.mkdirSync(directory, { recursive: true });
  assertEquals(sys("mount", "tmpfs", directory, "tmpfs", 0, "size=64k"), 0);
  try {
    const id = await engine.background("--rootfs", `${box}:O`, "/bin/sleep", "100000");
    assertEquals((await engine.dd("exec", id, "sh", "-c", "exit 3")).code, 3);
    assert(!hasQuickExec(id));
    assertEquals(
      Deno.readDirSync(`${directory}/${id}`).filter(({ name }) => /^exec/.test(name)).toArray(),
      [],
    );
    await engine.ok("rm", "-f", id);
  } finally {
    sys("umount2", directory, 2);
  }
});

test("leaves it to the usual way to make events of many notes", async () => {
  const id = await prepared();
  const notes = `${engine.root}/execs.log`;
  Deno.writeFileSync(notes, new Uint8Array(300_000));
  assertEquals(await engine.ok("exec", id, "echo", "usual"), "usual");
  assertEquals(Deno.statSync(notes).size, 0);
  assertEquals(await engine.ok("exec", id, "echo", "quick"), "quick");
  assert(Deno.statSync(notes).size > 0);
});

test("is seen by who follows events", async () => {
  const id = await prepared();
  const child = engine.spawn(["events", "--filter", "event=exec_die", "--format", "{{.Action}}"]);
  const reader = child.stdout.getReader();
  const first = reader.read();
  let seen = false;
  first.then(() => seen = true);
  await waitFor(async () => {
    await engine.ok("exec", id, "true");
    return seen;
  });
  assertStringIncludes(new TextDecoder().decode((await first).value), "exec_die");
  child.kill("SIGTERM");
  reader.releaseLock();
  await Promise.all([child.stdout.cancel(), child.stderr.cancel(), child.status]);
});

test("knows a container that is frozen, renamed, started anew or gone", async () => {
  const id = await prepared("--name", "first");
  await engine.ok("pause", id);
  const paused = await engine.dd("exec", id, "true");
  assertEquals(paused.code, 1);
  assertStringIncludes(paused.stderr, "Container first is paused");
  await engine.ok("unpause", id);
  await engine.ok("rename", "first", "second");
  assert(!hasQuickExec(id));
  assertStringIncludes((await engine.dd("exec", "first", "true")).stderr, "No such container");
  await engine.ok("exec", "second", "true");
  const old = Deno.readFileSync(quickExecOf(id));
  await engine.ok("restart", "-t", "0", id);
  assert(!hasQuickExec(id));
  // As if it had been forgotten there: it is of a process that is gone.
  Deno.writeFileSync(quickExecOf(id), old, { mode: 0o700 });
  assertEquals(await engine.ok("exec", "second", "echo", "here"), "here");
  await engine.ok("stop", "-t", "0", id);
  assertStringIncludes((await engine.dd("exec", "second", "true")).stderr, "is not running");
});

/** DIPLODOCK_ALL_STEPS=1 lets every step fail and not only every third. */
const EVERY = Deno.env.get("DIPLODOCK_ALL_STEPS") === "1" ? 1 : 3;
const STEP_BYTES = 96;

test("runs the command once, whichever step of its program fails", async () => {
  const id = await prepared();
  const program = Deno.readFileSync(quickExecOf(id));
  const steps = stepsOf(program);
  assert(steps.length > 200, String(steps.length));
  let failures = 0;
  for (const at of steps.filter((at, i) => i % EVERY === 0 && canFail(program, at))) {
    const spoiled = program.slice();
    const view = new DataView(spoiled.buffer);
    view.setBigInt64(at, BigInt(CLOSE), true);
    view.setBigInt64(at + 8, -1n, true);
    view.setBigInt64(at + 56, 0n, true);
    Deno.writeFileSync(`${quickExecOf(id)}.new`, spoiled, { mode: 0o700 });
    Deno.renameSync(`${quickExecOf(id)}.new`, quickExecOf(id));
    const said = await shell(`timeout 120 $D exec ${id} sh -c 'echo ran; exit 0'; echo code $?`);
    const code = Number(/code (\d+)/.exec(said)?.[1]);
    const ran = said.split("ran\n").length - 1;
    const what = `step ${(at - steps[0]) / STEP_BYTES}: ${said}`;
    assert((ran === 1 || (ran === 0 && code !== 0)) && code !== 124, what);
    if (code !== 0) failures++;
  }
  assert(failures < steps.length / EVERY / 4, `${failures} failures`);
  await engine.ok("rm", "-f", id);
  await waitFor(() => engine.processes().every(({ words }) => !words.includes("diplodock-exec")));
});

/** System calls, and the descriptor of that pipe. */
const CLOSE = 3, WRITE = 1, EXIT_GROUP = 231, HELLO = 14;

/** Where in the file the steps begin: the entry code names the first one's address. */
function stepsOf(program: Uint8Array): number[] {
  const view = new DataView(program.buffer);
  const entry = 64 + 3 * 56, DATA_AT = 0x600000;
  const dataOffset = Number(view.getBigUint64(64 + 56 + 8, true));
  const first = Number(view.getBigUint64(entry + 2, true)) - DATA_AT + dataOffset;
  const found: number[] = [];
  const isCall = (call: number) => call >= -1 && call < 500;
  for (let at = first; isCall(Number(view.getBigInt64(at, true))); at += STEP_BYTES) found.push(at);
  return found;
}

/**
 * A subtraction and an end do not fail, nor does the launcher's write to a pipe that is read: it tells the
 * number of what already runs by then.
 */
function canFail(program: Uint8Array<ArrayBuffer>, at: number): boolean {
  const view = new DataView(program.buffer);
  const call = Number(view.getBigInt64(at, true));
  const isHello = call === WRITE && Number(view.getBigInt64(at + 8, true)) === HELLO;
  return call >= 0 && call !== EXIT_GROUP && !isHello;
}
