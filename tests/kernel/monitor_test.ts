import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { O_CLOEXEC, O_NOCTTY, O_RDWR, SIGKILL, SIGTERM } from "../../ffi/constants.ts";
import { AT_FDCWD, TIOCGPTPEER, TIOCSPTLCK } from "../../ffi/constants.ts";
import { ETXTBSY, SyscallError } from "../../ffi/errno.ts";
import { Fd, writeAll } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { addressIn, block, type Step, stringArray } from "../../ffi/program.ts";
import { attachMonitored, CONSOLE_SOCKET } from "../../src/runtime/monitor.ts";
import {
  EXITED,
  parseStat,
  readExit,
  readHeader,
  STDOUT,
} from "../../src/runtime/monitor_protocol.ts";
import { sendDescriptor, takeTerminal, terminalSlots } from "../../src/runtime/terminal.ts";
import { collect, exists, shell, startShell, until } from "../lib/monitored.ts";

/** The text of one log file, by stream; throws at a record that is not whole. */
function logText(path: string): { text: string; records: number } {
  const bytes = Deno.readFileSync(path), view = new DataView(bytes.buffer);
  let text = "", records = 0;
  for (let at = 0; at < bytes.length; records++) {
    const header = readHeader(view, at)!;
    assert(header !== undefined, `no record at ${at} of ${path}`);
    text += new TextDecoder().decode(bytes.subarray(at + 20, at + 20 + header.length));
    at += 24 + header.length;
    assertEquals(view.getUint32(at - 4, true), header.length);
  }
  return { text, records };
}

const EXITS: [name: string, command: string, code: number, signal: number | undefined][] = [
  ["exit 0", "exit 0", 0, undefined],
  ["exit 255", "exit 255", 255, undefined],
  ["a death by SIGKILL", "kill -9 $$", 137, 9],
  ["a death by SIGTERM", "kill -15 $$", 143, 15],
];
for (const [name, command, code, signal] of EXITS) {
  Deno.test(`the monitor records ${name}`, async () => {
    const before = Date.now();
    await using container = startShell(command);
    collect(container);
    container.client.acknowledge();
    const exit = readExit(container.directory)!;
    assertEquals([exit.code, exit.signal, exit.timedOut], [code, signal, false]);
    assertEquals(container.client.exit, exit);
    const timeMs = Number(exit.timeNs / 1_000_000n);
    assert(before <= timeMs && timeMs <= Date.now(), `${before} ${timeMs}`);
  });
}

Deno.test("the monitor keeps stdout and stderr apart, for the client and in the log", async () => {
  await using container = startShell("echo out; echo err >&2; echo out2");
  assertEquals(collect(container), { stdout: "out\nout2\n", stderr: "err\n" });
  assertEquals(
    logText(`${container.directory}/log`).text.split("\n").sort().join(" "),
    " err out out2",
  );
});

Deno.test("startMonitored() names the step that failed and leaves nothing", () => {
  const steps: Step[] = [{
    call: "execve",
    args: ["/does/not/exist", stringArray("argv", ["x"]), stringArray("envp", [])],
    goal: 'start "x"',
  }];
  const error = assertThrows(
    () => startShell("", { init: { steps, flags: 0, keep: [] } }),
    SyscallError,
    'Cannot start "x": execve: ENOENT',
  );
  assertEquals(error.call, "execve");
});

Deno.test("startMonitored() names a step of the monitor itself that failed", () => {
  const flags = 0x4000; // CLONE_VFORK | … with an impossible one
  assertThrows(
    () => startShell("", { init: { steps: shell("exit"), flags: flags | 0x800, keep: [] } }),
    SyscallError,
    "Cannot start the container's first process: clone3: EINVAL",
  );
});

Deno.test("init writes its own number and start time", async () => {
  await using container = startShell("read x", { stdio: { kind: "pipes", stdin: "hold" } });
  const identity = parseStat(Deno.readTextFileSync(`${container.runtime}/init`))!;
  const now = parseStat(Deno.readTextFileSync(`/proc/${container.pid}/stat`))!;
  assertEquals(identity.pid, container.pid);
  assertEquals(identity.startTime, now.startTime);
  assertEquals(now.parent, container.monitorPid);
});

Deno.test("the command gets no descriptor but its streams", async () => {
  await using container = startShell("ls /proc/self/fd | wc -l");
  assertEquals(collect(container).stdout.trim(), "4"); // 0, 1, 2 and ls's own
});

Deno.test("the monitor executes the clean-up when the client goes away", async () => {
  await using container = startShell("read x", { stdio: { kind: "pipes", stdin: "hold" } });
  container.client[Symbol.dispose]();
  assert(!exists(`${container.directory}/cleaned`));
  sys("kill", container.pid, SIGKILL);
  await container.cleaned();
  assertEquals(readExit(container.directory)?.code, 137);
});

Deno.test("the monitor leaves the clean-up to a client that acknowledges", async () => {
  await using container = startShell("exit 4");
  collect(container);
  container.client.acknowledge();
  await until(() => sys("wait4", container.monitorPid, 0, 1, 0) === container.monitorPid);
  assert(!exists(`${container.directory}/cleaned`));
});

Deno.test("50 MB go through stdin and stdout unchanged", async () => {
  await using container = startShell("cat", {
    stdio: { kind: "pipes", stdin: "client" },
    log: undefined,
  });
  const script = `dd if=/dev/urandom of=${container.directory}/in bs=1M count=50 2>/dev/null`;
  await new Deno.Command("sh", { args: ["-c", script] }).output();
  const feed = new Deno.Command("sh", {
    args: ["-c", `cat ${container.directory}/in > ${container.runtime}/stdin`],
  }).spawn();
  using out = Deno.openSync(`${container.directory}/out`, { write: true, create: true });
  for (let packet = container.client.receive(); packet; packet = container.client.receive()) {
    // The feeder has opened the pipe once something arrives: now the end is its alone.
    container.client.stdin![Symbol.dispose]();
    if (packet.kind === STDOUT) out.writeSync(packet.bytes);
    if (packet.kind === EXITED) break;
  }
  await feed.status;
  const same = await new Deno.Command("cmp", {
    args: [`${container.directory}/in`, `${container.directory}/out`],
  }).output();
  assertEquals(same.code, 0);
});

Deno.test("200 MB of log are complete and in order", async () => {
  await using container = startShell("seq 1 25500000", {
    log: { maxBytes: Infinity, maxFiles: 1 },
  });
  container.client[Symbol.dispose]();
  await container.cleaned();
  const file = Deno.readFileSync(`${container.directory}/log`);
  const view = new DataView(file.buffer), text = new Uint8Array(file.length);
  let length = 0;
  for (let at = 0; at < file.length;) {
    const header = readHeader(view, at)!;
    text.set(file.subarray(at + 20, at + 20 + header.length), length);
    length += header.length;
    at += header.length + 24;
  }
  assert(length > 200e6, `only ${length} bytes`);
  let next = 1, number = 0;
  for (let i = 0; i < length; i++) {
    if (text[i] !== 10) number = number * 10 + text[i] - 48;
    else {
      if (number !== next) throw new Error(`${number} where ${next} should be`);
      next++;
      number = 0;
    }
  }
  assertEquals(next, 25500001);
});

Deno.test("the log is rotated by size, and the oldest part goes", async () => {
  const command = "for i in 1 2 3 4 5 6 7 8; do echo line$i; read x; done";
  await using container = startShell(command, {
    stdio: { kind: "pipes", stdin: "hold" },
    log: { maxBytes: 60, maxFiles: 3 },
  });
  // One after the other: lines that are there together are one record.
  for (let i = 1; i <= 8; i++) {
    assertEquals(new TextDecoder().decode(container.client.receive()!.bytes), `line${i}\n`);
    writeAll(container.client.stdin!, new Uint8Array([10]));
  }
  collect(container);
  const names = [...Deno.readDirSync(container.directory)].map(({ name }) => name).sort();
  assertEquals(names, ["exit", "log", "log.1", "log.2"]);
  const text = ["log.2", "log.1", "log"].map((name) =>
    logText(`${container.directory}/${name}`).text
  ).join("");
  assertMatch(text, /^(line\d\n)+$/);
  assert(text.endsWith("line7\nline8\n") && !text.includes("line1"));
});

Deno.test("with one file the log is emptied when it is full", async () => {
  await using container = startShell("for i in 1 2 3 4 5; do echo line$i; sleep 0.02; done", {
    log: { maxBytes: 60, maxFiles: 1 },
  });
  collect(container);
  assert(Deno.statSync(`${container.directory}/log`).size <= 62);
});

/** struct sigaction with SIG_IGN. */
const ignoring = Uint8Array.from({ length: 32 }, (_, at) => at === 0 ? 1 : 0);

Deno.test("the run time ends by the signal, then by SIGKILL", async () => {
  const timeout = { seconds: 1, signal: SIGTERM, graceSeconds: 1 };
  await using obedient = startShell("sleep 100", { timeout });
  const steps = shell("sleep 100; sleep 100");
  const ignore: Step = {
    call: "rt_sigaction",
    args: [SIGTERM, addressIn(block("ignore", ignoring)), 0, 8],
    goal: "ignore a signal",
  };
  await using stubborn = startShell("", {
    timeout,
    init: { steps: steps.toSpliced(-1, 0, ignore), flags: 0, keep: [] },
  });
  collect(obedient);
  collect(stubborn);
  assertEquals(obedient.client.exit?.signal, SIGTERM);
  assertEquals(obedient.client.exit?.timedOut, true);
  assertEquals(stubborn.client.exit?.signal, SIGKILL);
});

Deno.test("a further client sees what comes after it, and may write to stdin", async () => {
  await using container = startShell('echo early; read x; echo "got $x"; exit 6', {
    stdio: { kind: "pipes", stdin: "hold" },
  });
  assertEquals(new TextDecoder().decode(container.client.receive()!.bytes), "early\n");
  using second = attachMonitored(container.runtime)!;
  writeAll(second.stdin!, new TextEncoder().encode("word\n"));
  const seen = collect({ ...container, client: second });
  assertEquals(seen.stdout, "got word\n");
  assertEquals(second.exit?.code, 6);
  assertEquals(collect(container).stdout, "got word\n");
});

Deno.test("clients that went away make room for others; a sixth further one is refused", async () => {
  await using container = startShell("read x", { stdio: { kind: "pipes", stdin: "hold" } });
  for (let i = 0; i < 20; i++) attachMonitored(container.runtime)![Symbol.dispose]();
  using clients = new DisposableStack();
  for (let i = 0; i < 5; i++) clients.use(attachMonitored(container.runtime)!);
  assertEquals(attachMonitored(container.runtime), undefined);
});

Deno.test("a client that does not read holds the container up, but not the exit record", async () => {
  await using container = startShell("head -c 4000000 /dev/zero; exit 3");
  await until(() => exists(`/proc/${container.pid}`));
  sys("kill", container.pid, SIGKILL);
  await until(() => exists(`${container.directory}/exit`));
  assertEquals(readExit(container.directory)?.signal, SIGKILL);
});

Deno.test("a slow client gets everything in the end", async () => {
  await using container = startShell("head -c 4000000 /dev/zero; exit 3");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assertEquals(collect(container).stdout.length, 4000000);
  assertEquals(container.client.exit?.code, 3);
});

Deno.test("a child outside that holds the pipes does not hold the end up", async () => {
  await using container = startShell("echo $$; (sleep 100; echo late) & echo $! >&2; exit 5");
  const { stderr } = collect(container);
  assertEquals(sys("kill", Number(stderr), SIGKILL), 0, "it was waited for");
  assertEquals(container.client.exit?.code, 5);
});

Deno.test("a full disk drops log records and nothing else", async () => {
  const mount = Deno.makeTempDirSync();
  const run = (command: string, ...args: string[]) =>
    new Deno.Command(command, { args }).outputSync();
  const mounted = run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount);
  try {
    if (!mounted.success) return;
    await using container = startShell("head -c 500000 /dev/zero; exit 3", { directory: mount });
    assertEquals(collect(container).stdout.length, 500000);
    assertEquals(container.client.exit?.code, 3);
    logText(`${mount}/log`);
    container.client.acknowledge();
  } finally {
    run("umount", "-l", mount);
    Deno.removeSync(mount);
  }
});

/** Makes a terminal of the machine's devpts and runs `command` on it. */
function onTerminal(command: string): Step[] {
  const { master, slave } = terminalSlots();
  const goal = "open a terminal";
  return [
    { call: "setsid", args: [], goal },
    {
      call: "openat",
      args: [AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC],
      goal,
      result: master,
    },
    {
      call: "ioctl",
      args: [master, TIOCSPTLCK, addressIn(block("zero", new Uint8Array(8)))],
      goal,
    },
    {
      call: "ioctl",
      args: [master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC],
      goal,
      result: slave,
    },
    ...sendDescriptor(CONSOLE_SOCKET, master),
    ...takeTerminal(slave),
    ...shell(command),
  ];
}

Deno.test("a terminal's output is logged, its master goes to the clients", async () => {
  await using container = startShell("", {
    init: { steps: onTerminal("tty; read x; echo got $x; exit 2"), flags: 0, keep: [] },
    stdio: { kind: "terminal" },
  });
  container.client.receive();
  const master = container.client.master!;
  assert(master !== undefined);
  using second = attachMonitored(container.runtime)!;
  second.receive();
  assert(second.master !== undefined);
  writeAll(second.master, new TextEncoder().encode("word\n"));
  const { stdout } = collect(container);
  assertMatch(stdout, /\/dev\/pts\/\d+\r\n/);
  assertMatch(stdout, /^word\r\n/m); // the terminal's echo
  assertMatch(stdout, /got word\r\n$/);
  assertEquals(container.client.exit?.code, 2);
  assertEquals(logText(`${container.directory}/log`).text, stdout);
});

Deno.test("the last words on a terminal are not lost", async () => {
  for (let i = 0; i < 20; i++) {
    await using container = startShell("", {
      init: { steps: onTerminal("seq 1 2000"), flags: 0, keep: [] },
      stdio: { kind: "terminal" },
    });
    assert(collect(container).stdout.endsWith("1999\r\n2000\r\n"));
  }
});

Deno.test("a monitor that has worked uses at most 64 kB", async () => {
  await using container = startShell("read go; seq 1 200000; read x", {
    stdio: { kind: "pipes", stdin: "hold" },
  });
  // Before there is output: a monitor whose first client does not read greets nobody.
  attachMonitored(container.runtime)![Symbol.dispose]();
  writeAll(container.client.stdin!, new Uint8Array([10]));
  for (let size = 0; size < 1288895;) size += container.client.receive()!.bytes.length;
  const rollup = Deno.readTextFileSync(`/proc/${container.monitorPid}/smaps_rollup`);
  const rssKb = Number(/^Rss: +(\d+) kB/m.exec(rollup)![1]);
  assert(rssKb <= 64, `${rssKb} kB`);
});

Deno.test("init's steps cost no memory once they were executed, nor can the rest be changed", async () => {
  const padding = Array.from({ length: 1000 }, (): Step => (
    { call: "getpid", args: [], goal: "fill ten pages", onPositive: "next" }
  ));
  const steps = [...padding, ...shell("read x")];
  await using container = startShell("", {
    init: { steps, flags: 0, keep: [] },
    stdio: { kind: "pipes", stdin: "hold" },
  });
  const { size, blocks } = Deno.statSync(`/proc/${container.monitorPid}/exe`);
  assert(size > 96_000, `${size} bytes`);
  assert(blocks! * 512 < size - 80_000, `${blocks} blocks of ${size} bytes`);
  const opened = sys("openat", AT_FDCWD, `/proc/${container.monitorPid}/exe`, O_RDWR, 0);
  assertEquals(opened, -ETXTBSY);
});

Deno.test("with given streams the monitor only waits", async () => {
  const path = Deno.makeTempFileSync();
  using nothing = new Fd(sys("openat", AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0));
  using out = new Fd(sys("openat", AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
  await using container = startShell("echo straight; exit 9", {
    stdio: { kind: "given", stdin: nothing, stdout: out, stderr: out },
    log: undefined,
  });
  assertEquals(collect(container), { stdout: "", stderr: "" });
  assertEquals(container.client.exit?.code, 9);
  assertEquals(Deno.readTextFileSync(path), "straight\n");
  Deno.removeSync(path);
});
