/** A clock that is put forward or back while containers run: nothing is lost, nothing waits for it. */
import { assert, assertEquals } from "@std/assert";
import { nextDelay } from "../../src/engine/restart.ts";
import { waitForExit } from "../../src/engine/wait.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
for (const [name, value] of Object.entries(engine.env)) Deno.env.set(name, value);
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());
const root = engine.rootfs("root");
const bare = ["--rootfs", root];
const HOUR_MS = 3_600_000;

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

/** Runs `body` with this process's clock an hour before or after everybody else's. */
async function shifted<T>(ms: number, body: () => Promise<T>): Promise<T> {
  const real = Date.now;
  Date.now = () => real() + ms;
  try {
    return await body();
  } finally {
    Date.now = real;
  }
}

for (const [name, ms] of [["back", HOUR_MS], ["forward", -HOUR_MS]] as const) {
  test(`who waits for a container that removes itself hears its exit code when the clock is put ${name}`, async () => {
    const script = `until test -e /${name}; do sleep 0.02; done; exit 7`;
    const id = await engine.background("--rm", ...bare, "sh", "-c", script);
    const code = shifted(ms, () => {
      const waiting = waitForExit(id); // it holds on to the process from here on
      Deno.writeTextFileSync(`${root}/${name}`, "");
      return waiting;
    });
    assertEquals(await code, 7);
  });
}

test("logs --since finds what was written before the clock was put back, in parts that were rotated", async () => {
  const limits = ["--log-opt", "max-size=1k", "--log-opt", "max-file=4"];
  // What comes at once is one piece, which no rotation divides.
  const burst = "i=0; while [ $i -lt 130 ]; do echo line $i of many; i=$((i + 1)); done";
  const gate = "until test -e /burst$b; do sleep 0.02; done";
  const script = `for b in 1 2 3 4; do ${gate}; ${burst}; echo end $b; done`;
  const id = await engine.background(...limits, ...bare, "sh", "-c", script);
  for (const b of [1, 2, 3, 4]) {
    Deno.writeTextFileSync(`${root}/burst${b}`, "");
    await waitFor(async () => (await engine.ok("logs", id)).endsWith(`end ${b}`));
  }
  await engine.ok("wait", id);
  const all = await engine.ok("logs", id);
  const directory = `${engine.root}/containers/${id}`;
  const parts = [...Deno.readDirSync(directory)].map(({ name }) => name)
    .filter((name) => /^log\.\d$/.test(name));
  assert(parts.length > 0, "nothing was rotated");
  for (const part of parts) Deno.utimeSync(`${directory}/${part}`, 0, 0);
  assertEquals(await engine.ok("logs", "--since", "1h", id), all);
  assertEquals(
    await engine.ok("logs", "--since", "1h", "-n", "50", id),
    all.split("\n").slice(-50).join("\n"),
  );
  await engine.ok("rm", id);
});

test("a container that started in the future or in the far past is restarted, stopped and shown", async () => {
  for (const year of ["9999", "1970", "0001"]) {
    const id = await engine.background("--restart", "always", ...bare, "sleep", "1000");
    const path = `${engine.root}/containers/${id}/started`;
    Deno.writeTextFileSync(path, `${year}-01-01T00:00:00.000000000Z`);
    const note = `${engine.run}/containers/${id}/start.json`;
    const start = JSON.parse(Deno.readTextFileSync(note));
    Deno.writeTextFileSync(
      note,
      JSON.stringify({ ...start, startedAt: `${year}-01-01T00:00:00.000000000Z` }),
    );
    assertEquals((await engine.ok("ps", "--format", "{{.Status}}")).slice(0, 3), "Up ");
    const pid = await engine.inspect(id, "{{.State.Pid}}");
    Deno.kill(Number(pid), "SIGKILL");
    await waitFor(async () => {
      const [state, now] = (await engine.inspect(id, "{{.State.Status}} {{.State.Pid}}")).split(
        " ",
      );
      return state === "running" && now !== pid;
    });
    await engine.ok("rm", "-f", id);
  }
});

Deno.test("nextDelay() of a run that seems to have ended before it began, or at no time", () => {
  assertEquals(nextDelay(100, -HOUR_MS), 200);
  assertEquals(nextDelay(60_000, NaN), 60_000);
  assertEquals(nextDelay(undefined, -1), 100);
});
