/** Health checks without a resident process of JavaScript. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const FAST = ["--health-interval", "100ms", "--health-retries", "2"];

interface Health {
  Status: string;
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
}

/** Starts a container with a check. */
async function checked(cmd: string, ...flags: string[]): Promise<string> {
  return await engine.background(...FAST, "--health-cmd", cmd, ...flags, "host", "sleep", "1000");
}

/** The processes that make the checks of a container. */
function programsOf(id: string): Deno.DirEntry[] {
  const words = `diplodock-health\0${id.slice(0, 12)}\0`;
  return [...Deno.readDirSync("/proc")].filter(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/${name}/cmdline`) === words;
    } catch {
      return false;
    }
  });
}

async function health(id: string): Promise<Health> {
  return JSON.parse(await engine.inspect(id, "{{json .State.Health}}"));
}

test("a check that succeeds makes the container healthy, and keeps the last five", async () => {
  const id = await checked("echo fine; echo why >&2");
  await waitFor(async () => (await health(id)).Log.length === 5);
  const { Status, FailingStreak, Log } = await health(id);
  assertEquals([Status, FailingStreak], ["healthy", 0]);
  assertEquals(
    Log.map(({ ExitCode, Output }) => `${ExitCode} ${Output}`),
    Array(5).fill("0 fine\nwhy\n"),
  );
  assert(Log.every(({ Start, End }, i) => Start <= End && (i === 0 || Log[i - 1].End <= Start)));
  assertStringIncludes(await engine.ok("ps"), "(healthy)");
  await engine.ok("rm", "-f", id);
});

test("a check of who is not root may open its streams", async () => {
  const id = await checked("echo a > /dev/stdout && echo b > /dev/stderr", "-u", "12:34");
  await waitFor(async () => (await health(id)).Log.length > 0);
  const [{ ExitCode, Output }] = (await health(id)).Log;
  assertEquals([ExitCode, Output], [0, "a\nb\n"]);
  await engine.ok("rm", "-f", id);
});

test("a check that fails as often as --health-retries makes it unhealthy", async () => {
  const gate = engine.path("gate");
  Deno.mkdirSync(gate);
  // The first check takes until it was looked at.
  const check = "until test -e /gate/open; do sleep 0.02; done; exit 3";
  const id = await checked(check, "-v", `${gate}:/gate`, "--health-timeout", "1h");
  assertEquals((await health(id)).Status, "starting");
  Deno.writeTextFileSync(`${gate}/open`, "");
  await waitFor(async () => (await health(id)).Status === "unhealthy");
  const { FailingStreak, Log } = await health(id);
  assert(FailingStreak >= 2 && Log.every(({ ExitCode }) => ExitCode === 3));
  await engine.ok("rm", "-f", id);
});

test("it becomes healthy again by one success", async () => {
  const flag = engine.file("flag", "");
  const id = await checked("test ! -e /flag", "-v", `${flag}:/flag`);
  await waitFor(async () => (await health(id)).Status === "unhealthy");
  await engine.ok("rm", "-f", id);
  // It fails, succeeds, and goes on for ever: nothing more comes to the log of the last five.
  const cases = "case $(cat /checks) in '') echo 1 >/checks; exit 1;; 1) echo 2 >/checks;; " +
    "*) exec sleep 1000;; esac";
  const other = await checked(`touch /checks; ${cases}`, "--health-timeout", "1h");
  await waitFor(async () => (await health(other)).Status === "healthy");
  assertEquals((await health(other)).Log.map(({ ExitCode }) => ExitCode), [1, 0]);
  await engine.ok("rm", "-f", other);
});

test("failures in the start period do not count", async () => {
  const often = ["--health-start-interval", "100ms", "--health-start-period"];
  const id = await checked("exit 1", ...often, "1h");
  await waitFor(async () => (await health(id)).Log.length === 5);
  const { Status, FailingStreak } = await health(id);
  assertEquals([Status, FailingStreak], ["starting", 0]);
  const short = await checked("exit 1", ...often, "500ms");
  await waitFor(async () => (await health(short)).Status === "unhealthy");
  await engine.ok("rm", "-f", id, short);
});

test("a check whose time is up counts as failed with -1", async () => {
  const id = await checked("echo before; sleep 1000", "--health-timeout", "200ms");
  let log: Health["Log"] = [];
  // A busy machine may let a check come to nothing in its time.
  const hasSpoken = () => log.some(({ Output }) => Output === "before\n");
  await waitFor(async () => (log = (await health(id)).Log, hasSpoken()));
  assert(log.every(({ ExitCode }) => ExitCode === -1), JSON.stringify(log));
  await engine.ok("rm", "-f", id);
});

test("of a check's output 4096 bytes are kept", async () => {
  const id = await checked("head -c 100000 /dev/zero | tr '\\0' x");
  await waitFor(async () => (await health(id)).Log.length > 0);
  const [{ ExitCode, Output }] = (await health(id)).Log;
  assertEquals([ExitCode, Output.length], [0, 4096]);
  await engine.ok("rm", "-f", id);
});

test("a paused container is not checked", async () => {
  const id = await checked("true");
  await waitFor(async () => (await health(id)).Status === "healthy");
  await engine.ok("pause", id);
  const before = (await health(id)).Log.at(-1)!.Start;
  await new Promise((resolve) => setTimeout(resolve, 500));
  // One that had ended may have come to the log since.
  const last = (await health(id)).Log.slice(-2).map(({ Start }) => Start);
  assert(last.includes(before), `${before}: ${last}`);
  await engine.ok("unpause", id);
  await waitFor(async () => (await health(id)).Log.at(-1)!.Start !== before);
  await engine.ok("rm", "-f", id);
});

test("--health-on-failure=kill kills it; the restart policy decides what comes next", async () => {
  const id = await checked("exit 1", "--health-on-failure", "kill", "--restart", "on-failure:1");
  await waitFor(async () =>
    await engine.inspect(id, "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}") ===
      "1 exited 137"
  );
  await engine.ok("rm", "-f", id);
});

test("--health-on-failure=stop stops it", async () => {
  const id = await checked("exit 1", "--health-on-failure", "stop", "--stop-timeout", "0");
  await waitFor(async () => await engine.inspect(id, "{{.State.Status}}") === "exited");
  await engine.ok("rm", "-f", id);
});

test("--health-on-failure=restart starts it anew", async () => {
  const id = await checked("exit 1", "--health-on-failure", "restart", "--stop-timeout", "0");
  const first = await engine.inspect(id, "{{.State.StartedAt}}");
  await waitFor(async () => await engine.inspect(id, "{{.State.StartedAt}}") !== first);
  await engine.ok("rm", "-f", id);
});

/** The process that a health program tells of a container's health. */
function tellerOf(id: string): string | undefined {
  const words = `\0__health\0${id}\0unhealthy\0`;
  return Array.from(Deno.readDirSync("/proc"), ({ name }) => name).find((name) => {
    try {
      return Deno.readTextFileSync(`/proc/${name}/cmdline`).endsWith(words);
    } catch {
      return false;
    }
  });
}

test("who restarts an unhealthy container has not the lock of its health", async () => {
  // `sleep` as a first process takes no SIGTERM: it is looked at while it waits for that.
  const id = await checked("exit 1", "--health-on-failure", "restart", "--stop-timeout", "60");
  let teller: string | undefined;
  await waitFor(() => (teller = tellerOf(id)) !== undefined);
  const held = Array.from(Deno.readDirSync(`/proc/${teller}/fd`), ({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${teller}/fd/${name}`);
    } catch {
      return ""; // closed meanwhile
    }
  });
  assertEquals(held.filter((path) => path.includes(id)), []);
  await engine.ok("rm", "-f", id);
});

test("the health program is small and ends with its container", async () => {
  const id = await checked("true");
  await waitFor(async () => (await health(id)).Log.length > 2);
  // A check is a process of the same name until it has become its command.
  let rollup = "";
  await waitFor(() => {
    const [{ name }, ...others] = programsOf(id);
    if (others.length === 0) rollup = Deno.readTextFileSync(`/proc/${name}/smaps_rollup`);
    return rollup !== "";
  });
  assert(Number(/^Rss: +(\d+) kB/m.exec(rollup)![1]) <= 64, rollup);
  await engine.ok("rm", "-f", id);
  await waitFor(() => programsOf(id).length === 0);
});

/** Starts a container by a client that is killed after the launch and before it starts the checks. */
async function startKilled(id: string): Promise<void> {
  // What the client does in between is to write an event, which it cannot as long as nobody reads.
  const log = `${engine.root}/events.log`;
  Deno.renameSync(log, `${log}.kept`);
  await new Deno.Command("mkfifo", { args: [log] }).output();
  const client = engine.spawn(["start", id], { stdout: "null", stderr: "null" });
  const started = `${engine.root}/containers/${id}/started`; // the last thing before
  await waitFor(() => {
    try {
      return Deno.statSync(started).isFile;
    } catch {
      return false;
    }
  });
  client.kill("SIGKILL");
  await client.status;
  Deno.renameSync(`${log}.kept`, log);
}

const NOTICING: string[][] = [["ps"], ["inspect", "ID"], ["network", "prune", "-f"]];
for (const words of NOTICING) {
  test(`${words[0]} starts the checks that a killed client did not come to`, async () => {
    const id = await engine.ok(
      "create",
      ...FAST,
      ...["--health-cmd", "true", "--network", "none", "host", "sleep", "1000"],
    );
    await startKilled(id);
    assertEquals(programsOf(id), []);
    await engine.ok(...words.map((word) => word === "ID" ? id : word));
    await waitFor(() => programsOf(id).length === 1);
    await waitFor(async () => (await health(id)).Status === "healthy");
    await engine.ok("ps");
    // A check is a process of the same name until it has become its command; a second program stays.
    await waitFor(() => programsOf(id).length === 1);
    await engine.ok("rm", "-f", id);
  });
}
