/**
 * Commands about a running container that are killed at random moments: the container, the images
 * and what the next command makes are as if each had run, or had not.
 */
import { assert, assertEquals } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { below, seeded } from "../lib/random.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const ROUNDS = 25;
/** A command that is not killed takes about as long. */
const LONGEST_MS = 150;
const CONTENT = "whole\n".repeat(100_000);

const rootfs = engine.rootfs("root");
let prepared: Promise<void> | undefined;

async function prepare(): Promise<void> {
  const archive = engine.path("root.tar");
  const tar = new Deno.Command("tar", { args: ["-C", rootfs, "-cf", archive, "."] });
  assertEquals((await tar.output()).code, 0);
  await engine.ok("import", archive, "base:1");
  await engine.background("--name", "box", "base:1", "sleep", "1000");
  await engine.ok("network", "create", "back");
  await engine.ok("run", "-d", "--name", "wired", "base:1", "sleep", "1000");
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name,
    ...skipUnless(isRoot(), "needs root"),
    fn: async () => {
      await (prepared ??= prepare());
      await fn();
    },
  });
}

/** Runs commands one after the other and kills each at a moment of its own. */
async function killEach(seed: number, words: (round: number) => string[]): Promise<void> {
  const random = seeded(seed);
  for (let round = 0; round < ROUNDS; round++) {
    const child = engine.spawn(words(round), { stdout: "null", stderr: "null" });
    const timer = setTimeout(() => {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended
      }
    }, below(random, LONGEST_MS));
    await child.status;
    clearTimeout(timer);
  }
}

test("killed exec commands leave the container with its own process", async () => {
  await killEach(1, () => ["exec", "box", "echo", "in"]);
  assertEquals(await engine.ok("exec", "box", "echo", "fine"), "fine");
  await waitFor(async () => (await engine.ok("top", "box")).split("\n").length === 2);
});

test("killed commit commands leave whole images only", async () => {
  await killEach(2, (round) => ["commit", "box", `made:${round}`]);
  for (const image of new Set((await engine.ok("images", "-q")).split("\n"))) {
    assertEquals(await engine.ok("run", "--rm", "--network", "none", image, "echo", "ran"), "ran");
  }
  assertEquals(await engine.inspect("box", "{{.State.Status}}"), "running"); // and not frozen
  assertEquals(await engine.ok("exec", "box", "echo", "fine"), "fine");
});

test("killed cp commands leave a file as it was, or the new one", async () => {
  const file = engine.file("new", CONTENT);
  await engine.ok("exec", "box", "sh", "-c", "mkdir /in; echo old > /in/kept");
  await killEach(3, (round) => ["cp", file, `box:/in/${round % 2 === 0 ? "kept" : "fresh"}`]);
  const names = (await engine.ok("exec", "box", "ls", "-A", "/in")).split("\n");
  for (const name of names) {
    assert(["kept", "fresh"].includes(name), `half made: ${names}`);
    const text = (await engine.dd("exec", "box", "cat", `/in/${name}`)).stdout;
    assert(text === CONTENT || (name === "kept" && text === "old\n"), `${name}: ${text.length}`);
  }
});

test("killed network commands leave what the next ones can take on", async () => {
  await killEach(
    4,
    (round) => ["network", round % 2 === 0 ? "connect" : "disconnect", "back", "wired"],
  );
  await engine.dd("network", "disconnect", "-f", "back", "wired");
  await engine.ok("network", "connect", "back", "wired");
  const address = await engine.inspect("wired", "{{.NetworkSettings.Networks.back.IPAddress}}");
  const routes = await engine.ok("exec", "wired", "cat", "/proc/net/fib_trie");
  assert(routes.includes(`|-- ${address}\n`), `${address}: ${routes}`);
  const devices = await engine.ok("exec", "wired", "cat", "/proc/net/dev");
  assertEquals(devices.match(/^ *(lo|eth\d+):/gm)?.length, 3, devices);
  await engine.ok("network", "disconnect", "back", "wired");
  await engine.ok("rm", "-f", "wired", "box");
  await engine.ok("network", "rm", "back");
});
