/** Two clients do the same to one container at once: one wins, the other gets docker's error. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Engine, type Result } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const ROUNDS = 8;

/** What several clients got, winners first. */
async function together(...commands: string[][]): Promise<Result[]> {
  const results = await Promise.all(commands.map((words) => engine.dd(...words)));
  return results.sort((a, b) => a.code - b.code);
}

/** The first of them did it, the others were told why not. */
function assertOneWon(results: readonly Result[], refusal: RegExp): void {
  assertEquals(results[0].code, 0, results[0].stderr);
  for (const { code, stderr } of results.slice(1)) {
    assertEquals(code, 1);
    assertMatch(stderr, refusal);
  }
}

test("of two that rename containers to one name, one gets it", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    await engine.ok("create", "--name", "one", "host", "true");
    await engine.ok("create", "--name", "two", "host", "true");
    assertOneWon(
      await together(["rename", "one", "wanted"], ["rename", "two", "wanted"]),
      /Error when allocating new name: Conflict. The container name "\/wanted" is already in use/,
    );
    const names = (await engine.ok("ps", "-a", "--format", "{{.Names}}")).split("\n").sort();
    assert(names.join() === "one,wanted" || names.join() === "two,wanted", names.join());
    await engine.ok("rm", ...names);
  }
});

test("of two that rename one container, the second finds no such name", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const id = await engine.ok("create", "--name", "old", "host", "true");
    const results = await together(["rename", "old", "this"], ["rename", "old", "that"]);
    // Who resolved the name before the other one renamed it renames it once more.
    if (results[1].code !== 0) assertOneWon(results, /No such container: old/);
    const name = await engine.inspect(id, "{{.Name}}");
    assertMatch(name, /^\/(this|that)$/);
    const names = Array.from(Deno.readDirSync(`${engine.root}/names`), (entry) => entry.name);
    assertEquals(names.filter((other) => other !== ".lock"), [name.slice(1)]);
    await engine.ok("rm", id);
  }
});

test("of two that remove one container, one does", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const id = await engine.ok("create", "host", "true");
    assertOneWon(
      await together(["rm", id], ["rm", id]),
      /No such container: [0-9a-f]{64}|removal of container [0-9a-f]{64} is already in progress/,
    );
    assertEquals(engine.ids(), []);
  }
});

test("two that force the removal of a running container leave nothing of it", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const id = await engine.background("host", "sleep", "1000");
    engine.remember();
    const results = await together(["rm", "-f", id], ["rm", "-f", id]);
    assertEquals(results[0].code, 0, results[0].stderr);
    for (const { stderr } of results) {
      assertMatch(stderr, /^$|No such container|removal of container \w+ is already in progress/);
    }
    assertEquals(await engine.left(), []);
  }
});

test("two that stop one container both find it stopped", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const id = await engine.background("host", "sleep", "1000");
    for (const result of await together(["stop", "-t", "0", id], ["stop", "-t", "0", id])) {
      assertEquals(result, { code: 0, stdout: `${id}\n`, stderr: "" });
    }
    assertEquals(await engine.inspect(id, "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
    await engine.ok("rm", id);
  }
});

test("two that start one container start it once", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const id = await engine.ok("create", "--network", "none", "host", "sleep", "1000");
    for (const { code, stdout, stderr } of await together(["start", id], ["start", id])) {
      assertEquals({ code, stdout }, { code: 0, stdout: `${id}\n` }, stderr);
    }
    const sleeping = engine.processes().filter(({ words }) => words === "sleep 1000");
    assertEquals(sleeping.length, 1);
    await engine.ok("rm", "-f", id);
  }
});

test("stop, start, rm -f and restart of one container at once leave it whole or gone", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const id = await engine.background("host", "sleep", "1000");
    engine.remember();
    await together(
      ["stop", "-t", "0", id],
      ["start", id],
      ["restart", "-t", "0", id],
      ["kill", id],
      ["exec", id, "true"],
      ["rm", "-f", id],
    );
    if (engine.ids().length > 0) await engine.ok("rm", "-f", id);
    assertEquals(await engine.left(), []);
  }
});
