/** `exec`: streams, a terminal, users and variables, what becomes of the process. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { PseudoTerminal } from "../lib/pseudo_terminal.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
const box = engine.rootfs("box", (root) => {
  for (const folder of ["etc", "tmp"]) Deno.mkdirSync(`${root}/${folder}`);
  for (const applet of ["sha256sum", "stty", "tr", "ps"]) {
    Deno.symlinkSync("busybox", `${root}/bin/${applet}`);
  }
  Deno.writeTextFileSync(
    `${root}/etc/passwd`,
    "root:x:0:0::/root:/bin/sh\nme:x:7:8::/tmp:/bin/sh\n",
  );
  Deno.writeTextFileSync(`${root}/etc/group`, "root:x:0:\nmine:x:8:\nmore:x:9:me\n");
});
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

let started: Promise<string> | undefined;

function test(name: string, fn: () => Promise<void>): void {
  const whole = async () => {
    const args = ["--rootfs", `${box}:O`, "-e", "OWN=1", "/bin/sleep", "100000"];
    await (started ??= engine.background("--name", "c1", ...args));
    await fn();
  };
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn: whole });
}

const MEGABYTES = 50;

/** Random bytes, and their SHA-256 in hexadecimal digits. */
async function material(): Promise<{ bytes: Uint8Array<ArrayBuffer>; hash: string }> {
  const bytes = new Uint8Array(MEGABYTES << 20);
  for (let at = 0; at < bytes.length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  }
  return { bytes, hash: await hashOf(bytes) };
}

async function hashOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

test(`exec -i passes ${MEGABYTES} MB in: the hash is the same inside`, async () => {
  const { bytes, hash } = await material();
  const { code, stdout } = await engine.with({ stdin: bytes }, "exec", "-i", "c1", "sha256sum");
  assertEquals({ code, stdout }, { code: 0, stdout: `${hash}  -\n` });
});

test(`exec passes ${MEGABYTES} MB out: the hash is the same here, and inside`, async () => {
  const script = `head -c ${MEGABYTES << 20} /dev/urandom > /tmp/big; sha256sum < /tmp/big`;
  const inside = await engine.ok("exec", "c1", "sh", "-c", script);
  const { code, stdout } = await engine.spawn(["exec", "c1", "cat", "/tmp/big"]).output();
  assertEquals([code, stdout.length], [0, MEGABYTES << 20]);
  assertEquals(`${await hashOf(stdout)}  -`, inside);
});

test(`exec -i passes ${MEGABYTES} MB through in both directions at once`, async () => {
  const { bytes, hash } = await material();
  const child = engine.spawn(["exec", "-i", "c1", "cat"], { stdin: "piped" });
  const writer = child.stdin.getWriter();
  const fed = writer.write(bytes).then(() => writer.close());
  const { code, stdout } = await child.output();
  await fed;
  assertEquals([code, stdout.length, await hashOf(stdout)], [0, bytes.length, hash]);
});

/** What a command behind `exec FLAGS c` prints, and its exit code. */
const STREAMS = "echo a > /dev/stdout; echo b > /dev/stderr; cat /dev/stdin; echo y > /dev/fd/1";
const RUNS: [line: string, stdout: string, code?: number][] = [
  ["c1 sh -c exit\\ 7", "", 7],
  ["c1 sh -c kill\\ -TERM\\ $$", "", 143],
  ["c1 sh -c kill\\ -9\\ $$", "", 137],
  ["-w /tmp c1 pwd", "/tmp\n"],
  ["-u me c1 id", "uid=7(me) gid=8(mine) groups=8(mine),9(more)\n"],
  ["-u 7:9 c1 id", "uid=7(me) gid=9(more) groups=9(more)\n"],
  ["-u me c1 sh -c echo\\ $HOME", "/tmp\n"],
  ["-e A=b -e OWN=2 c1 sh -c echo\\ $A\\ $OWN", "b 2\n"],
  ["c1 sh -c echo\\ $OWN", "1\n"],
  ["--env-file FILE c1 sh -c echo\\ $F", "from file\n"],
  ["-t c1 sh -c echo\\ $TERM", "xterm\r\n"],
  ["-t c1 sh -c tty\\ ;\\ echo\\ err\\ >&2", "/dev/pts/0\r\nerr\r\n"],
  ["c1 cat", ""],
  ["-d c1 sh -c exit\\ 7", ""],
];
for (const [line, want, code = 0] of RUNS) {
  test(`exec ${line}`, async () => {
    const file = engine.file("variables", "F=from file\n");
    const words = line.split(/(?<!\\) /).map((word) => word.replaceAll("\\ ", " "));
    const result = await engine.dd("exec", ...words.map((word) => word === "FILE" ? file : word));
    assertEquals([result.stdout, result.code], [want, code], result.stderr);
  });
}

test("exec -u: who is not root may open the streams, and the terminal", async () => {
  const args = ["exec", "-i", "-u", "me", "c1", "sh", "-c", STREAMS];
  const { stdout, stderr } = await engine.with({ stdin: "x\n" }, ...args);
  assertEquals({ stdout, stderr }, { stdout: "a\nx\ny\n", stderr: "b\n" });
  const terminal = "echo a > /dev/stdout; echo t > $(tty); stat -c %U $(tty)";
  const tty = await engine.ok("exec", "-t", "-u", "me", "c1", "sh", "-c", terminal);
  assertEquals(tty, "a\r\nt\r\nme\r");
});

test("exec -u has the groups of --group-add too", async () => {
  const args = ["--group-add", "more", "--group-add", "77", "--rootfs", `${box}:O`];
  await engine.background("--name", "added", ...args, "/bin/sleep", "1000");
  assertEquals(await engine.ok("exec", "-u", "7:8", "added", "id", "-G"), "8 9 77");
  await engine.ok("rm", "-f", "added");
});

test("exec keeps stdout and stderr apart", async () => {
  const { stdout, stderr } = await engine.dd("exec", "c1", "sh", "-c", "echo out; echo err >&2");
  assertEquals({ stdout, stderr }, { stdout: "out\n", stderr: "err\n" });
});

test("exec -it: size, resize, exit code; the terminal is as before", async () => {
  using terminal = new PseudoTerminal();
  const before = terminal.settings();
  terminal.resize(33, 101);
  const client = terminal.spawn(engine, "exec", "-it", "c1", "sh");
  await terminal.until(/# /);
  terminal.type("stty size\r");
  await terminal.until(/33 101\r\n/);
  terminal.type("while ! stty size | grep '^44 102'; do sleep 0.02; done\r");
  terminal.resize(44, 102);
  await terminal.until(/44 102\r\n/);
  terminal.type("exit 5\r");
  assertEquals((await client.status).code, 5);
  assertEquals(terminal.settings(), before);
});

const DETACHING: [flags: string[], keys: string, seconds: number][] = [
  [[], "\x10\x11", 7654321],
  [["--detach-keys", "ctrl-x,y"], "\x18y", 7654322],
];
for (const [flags, keys, seconds] of DETACHING) {
  test(`exec -it ${flags.join(" ")}: the detach keys leave the process alone`, async () => {
    using terminal = new PseudoTerminal();
    const script = `echo started; sleep ${seconds}`;
    const client = terminal.spawn(engine, "exec", "-it", ...flags, "c1", "sh", "-c", script);
    await terminal.until(/started/);
    terminal.type(keys);
    assertEquals((await client.status).code, 0);
    const processes = await engine.ok("top", "c1", "-eo", "pid,args");
    assertStringIncludes(processes, `sleep ${seconds}`);
  });
}

test("exec: signals to the client reach the process, and its death ends it", async () => {
  const script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.02; done";
  const child = engine.spawn(["exec", "c1", "sh", "-c", script]);
  const reader = child.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "ready\n");
  child.kill("SIGTERM");
  assertEquals(new TextDecoder().decode((await reader.read()).value), "got\n");
  await reader.cancel();
  await child.stderr.cancel();
  assertEquals((await child.status).code, 9);
  const killed = engine.spawn(["exec", "c1", "sh", "-c", "echo up; sleep 5551234"]);
  const output = killed.stdout.getReader();
  await output.read();
  killed.kill("SIGKILL");
  await output.cancel();
  await killed.stderr.cancel();
  await killed.status;
  await waitFor(async () => !/sleep 5551234/.test(await engine.ok("top", "c1", "-eo", "pid,args")));
});

test("a command on a terminal writes its text and nothing else", async () => {
  for (
    const [args, want] of [[["version", "-f", "x"], "x\r\n"], [
      ["exec", "c1", "echo", "-n", "y"],
      "y",
    ]] as const
  ) {
    using terminal = new PseudoTerminal();
    const client = terminal.spawn(engine, ...args);
    await terminal.until(/[xy]/);
    await client.status;
    await terminal.drain();
    assertEquals(terminal.shown, want);
  }
});
