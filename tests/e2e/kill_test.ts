/**
 * Up to a thousand commands killed at random moments, and sixty monitors: the next command works,
 * `rm -f` removes everything, and nothing is left on the machine.
 */
import { assertEquals } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { pick, type Random, seeded } from "../lib/random.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const MOST_KILLS = 1000;
/** As many kills as one may hope for in this time: a slow machine gets fewer. */
const HOPED_MS = 120_000;
/** Each has a container of its own, by its name. */
const WORKERS = 4;
const SEED = 20_260_307;

type Kind = "absent" | "stopped" | "running";

const RUN = ["--network", "none", "-v", "/anonymous"];
const LONG = ["host", "sleep", "1000"];
const SHORT = ["host", "sh", "-c", "echo x"];

/** What may be done to a container of this name, by what it is. */
const COMMANDS: Record<Kind, ((name: string) => string[])[]> = {
  absent: [
    (name) => ["run", "--rm", "--name", name, ...RUN, ...SHORT],
    (name) => ["run", "--name", name, ...RUN, ...SHORT],
    (name) => ["run", "-d", "--name", name, ...RUN, ...LONG],
    (name) => ["run", "-d", "--rm", "--name", name, ...RUN, ...LONG],
    (name) => ["create", "--name", name, ...RUN, ...LONG],
  ],
  stopped: [
    (name) => ["start", name],
    (name) => ["start", name],
    (name) => ["restart", name],
    (name) => ["run", "-d", "--replace", "--name", name, ...RUN, ...LONG],
    (name) => ["rm", "-v", name],
  ],
  running: [
    (name) => ["exec", name, "true"],
    (name) => ["exec", name, "sleep", "1000"],
    (name) => ["stop", "-t", "0", name],
    (name) => ["kill", name],
    (name) => ["restart", "-t", "0", name],
    (name) => ["rm", "-f", "-v", name],
    (name) => ["run", "-d", "--replace", "--name", name, ...RUN, ...LONG],
  ],
};

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** What the container of this name is just now, without asking the program under test. */
function kindOf(name: string): Kind {
  let id: string;
  try {
    id = Deno.readLinkSync(`${engine.root}/names/${name}`);
  } catch {
    return "absent";
  }
  const [pid, ...stat] = read(`${engine.run}/containers/${id}/init`).split(" ");
  const now = read(`/proc/${pid || "none"}/stat`).split(" ");
  return now[21] !== undefined && now[21] === stat[20] && now[2] !== "Z" ? "running" : "stopped";
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // it was faster
  }
}

/** Runs a command and kills it after so many milliseconds; whether it was still there. */
async function killed(words: string[], afterMs: number): Promise<boolean> {
  const child = engine.spawn(words, { stdout: "null", stderr: "null" });
  const timer = setTimeout(() => kill(child.pid), afterMs);
  const { signal } = await child.status;
  clearTimeout(timer);
  return signal === "SIGKILL";
}

interface Done {
  kills: number;
  readonly goal: number;
  /** How long a run takes. */
  span: number;
}

/** How long a whole run takes here and now, in milliseconds. */
async function spanMs(): Promise<number> {
  const begin = performance.now();
  const runs = Array.from(
    { length: WORKERS },
    () => engine.dd("run", "--rm", ...RUN, ...SHORT),
  );
  for (const { code, stderr } of await Promise.all(runs)) assertEquals(code, 0, stderr);
  return performance.now() - begin;
}

/** One after the other: commands that are killed, until all workers have enough kills together. */
async function work(name: string, random: Random, done: Done) {
  for (let n = 1; done.kills < done.goal; n++) {
    const words = pick(random, COMMANDS[kindOf(name)])(name);
    if (await killed(words, random() * done.span)) done.kills++;
    engine.remember();
    if (n % 25 !== 0) continue;
    // The next command works, whatever was left half done.
    const begin = performance.now();
    const { code, stdout, stderr } = await engine.dd("run", "--rm", ...RUN, ...SHORT);
    assertEquals({ code, stdout }, { code: 0, stdout: "x\n" }, `after ${words}: ${stderr}`);
    done.span = 0.8 * done.span + 0.2 * (performance.now() - begin);
  }
}

async function removeEverything(): Promise<void> {
  engine.remember();
  const { code, stderr } = await engine.dd("rm", "-f", "-v", ...engine.ids());
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(await engine.ok("ps", "-aq"), "");
  assertEquals(await engine.left(), []);
}

test("after hundreds of kills of clients everything works and can be removed", async () => {
  const random = seeded(SEED);
  const span = await spanMs();
  const done = { kills: 0, goal: Math.min(MOST_KILLS, HOPED_MS * WORKERS / span), span };
  await Promise.all(Array.from({ length: WORKERS }, (_, i) => work(`w${i}`, random, done)));
  for (let i = 0; i < WORKERS; i++) {
    const words = ["run", "-d", "--replace", "--name", `w${i}`, ...RUN, ...LONG];
    assertEquals(await engine.ok("exec", await engine.ok(...words), "echo", "in"), "in");
  }
  await removeEverything();
  await engine.ok("volume", "prune", "-f");
  assertEquals(await engine.ok("volume", "ls", "-q"), "");
});

const MONITORS = 60;

/** The number of the monitor that a client is starting or has started; 0: there is none yet. */
function monitorOf(client: number): number {
  const children = read(`/proc/${client}/task/${client}/children`).split(" ").filter(Boolean);
  return Number(children.find((pid) => read(`/proc/${pid}/comm`) === "diplodock-mon\n") ?? 0);
}

/** Starts a container and kills its monitor so long after that was there; the client's end. */
async function withoutMonitor(words: string[], afterMs: number): Promise<Deno.CommandStatus> {
  const child = engine.spawn(words, { stdout: "null", stderr: "null" });
  let ended = false;
  const status = child.status.finally(() => ended = true);
  await waitFor(() => {
    const monitor = monitorOf(child.pid);
    if (monitor > 0) setTimeout(() => kill(monitor), afterMs);
    return monitor > 0 || ended;
  });
  return await status;
}

test(`after ${MONITORS} kills of monitors clients end, and everything can be removed`, async () => {
  const random = seeded(SEED);
  const commands: ((name: string) => string[])[] = [
    (name) => ["run", "-d", "--name", name, ...RUN, ...LONG],
    (name) => ["run", "--name", name, ...RUN, ...LONG],
    (name) => ["run", "--rm", "--name", name, ...RUN, ...LONG],
    (name) => ["run", "-t", "--name", name, ...RUN, ...LONG],
  ];
  for (let n = 0; n < MONITORS; n += WORKERS) {
    const names = Array.from({ length: WORKERS }, (_, i) => `m${n + i}`);
    // A client whose monitor is gone does not wait for ever for an end that nobody tells.
    await Promise.all(
      names.map((name) => withoutMonitor(pick(random, commands)(name), random() * 20)),
    );
    engine.remember();
  }
  assertEquals((await engine.dd("run", "--rm", ...RUN, ...SHORT)).stdout, "x\n");
  await removeEverything();
});

test("a container without its monitor can be stopped, started and is lost only as to its code", async () => {
  const id = await engine.background("--name", "orphan", ...LONG);
  const [{ pid }] = engine.processes()
    .filter(({ words }) => words === `diplodock-monitor ${id.slice(0, 12)}`);
  kill(pid);
  await waitFor(() => read(`/proc/${pid}/cmdline`) === ""); // a zombie has none
  assertEquals(await engine.inspect("orphan", "{{.State.Status}}"), "running");
  assertEquals(await engine.ok("exec", "orphan", "echo", "in"), "in");
  await engine.ok("stop", "-t", "0", "orphan");
  assertEquals(
    await engine.inspect("orphan", "{{.State.Status}} {{.State.ExitCode}}"),
    "exited 255",
  );
  await engine.ok("start", "orphan");
  await engine.ok("stop", "-t", "0", "orphan");
  assertEquals(
    await engine.inspect("orphan", "{{.State.Status}} {{.State.ExitCode}}"),
    "exited 137",
  );
  await removeEverything();
});
