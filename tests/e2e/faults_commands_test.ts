/**
 * Commands that get too few descriptors or processes: each works or says what it lacks, and the
 * next one, with enough of both, finds nothing half-made.
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { hasController, whyNoCgroups, withCgroup } from "../lib/cgroup_box.ts";
import { Engine, PROGRAM, type Result, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const binary = Deno.realPathSync(PROGRAM);
const rootfs = engine.rootfs("root");
const archive = engine.path("image.tar");
const copied = engine.file("copied", "copied\n");

/** What is asked of a running container `box` and the image `base`, and what it prints if it works. */
const COMMANDS: [words: string, prints: RegExp][] = [
  [`run --rm --network none --rootfs ${rootfs} echo ran`, /^ran\n$/],
  ["exec box echo in", /^in\n$/],
  ["commit box made:1", /^sha256:[0-9a-f]{64}\n$/],
  [`cp ${copied} box:/copied`, /^(Successfully copied .*\n)?$/],
  [`load -q -i ${archive}`, /^Loaded image: base:1\n$/],
  ["save -o /dev/null base:1", /^$/],
];

let prepared: Promise<void> | undefined;

async function prepare(): Promise<void> {
  const tar = new Deno.Command("tar", { args: ["-C", rootfs, "-cf", `${archive}.fs`, "."] });
  assertEquals((await tar.output()).code, 0);
  await engine.ok("import", `${archive}.fs`, "base:1");
  await engine.ok("save", "-o", archive, "base:1");
  await engine.background("--name", "box", "base:1", "sleep", "1000");
}

/** The words by which the machine's refusals are told, ours and Deno's own at its start. */
const LACKS = /EMFILE|[Tt]oo many open|EAGAIN|[Rr]esource temporarily unavailable|os error (11|24)/;

/** Whether a command did all it should; else it has told what it lacks. */
function worked({ code, stdout, stderr }: Result, words: string, prints: RegExp): boolean {
  if (code === 0) {
    assert(prints.test(stdout), `${words}: ${stdout}${stderr}`);
    return true;
  }
  assert(!stderr.includes("internal error"), `${words}: ${stderr}`);
  const isDenos = !stderr.includes("diplodock:") && !stderr.startsWith("Error");
  assert(isDenos || LACKS.test(stderr), `${words}: ${stderr}`);
  return false;
}

/** The store and the container are as good as before. */
async function assertWhole(): Promise<void> {
  assertEquals(await engine.ok("exec", "box", "echo", "fine"), "fine");
  for (const image of (await engine.ok("images", "-q")).split("\n")) {
    await engine.ok("run", "--rm", "--network", "none", image, "true");
  }
  // Where neither the client nor the monitor's helper got its threads, a later command cleans up.
  await engine.ok("network", "prune", "-f");
  const [box, all] = [["-f", "name=box"], []].map((more) => () => engine.ok("ps", "-aq", ...more));
  await waitFor(async () => await box() === await all());
}

const LIMITS = [16, 20, 24, 28, 32, 36, 40, 48, 64];

for (const [words, prints] of COMMANDS) {
  const command = words.split(" ", 1)[0];
  Deno.test({
    name: `with few descriptors ${command} works or says what it lacks`,
    ...skipUnless(isRoot(), "needs root"),
    fn: async () => {
      await (prepared ??= prepare());
      const results: boolean[] = [];
      for (const limit of LIMITS) {
        const result = await limited(`ulimit -n ${limit}; exec "$0" ${words}`);
        results.push(worked(result, words, prints));
      }
      assert(results.at(-1), `${LIMITS.at(-1)} descriptors are not enough`);
      assert(!results[0], `${LIMITS[0]} descriptors are no limit`);
      await assertWhole();
    },
  });
}

async function limited(script: string): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", script, binary],
    env: engine.env,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const noPids = whyNoCgroups() ?? (hasController("pids") ? undefined : "no pids controller");

for (const [words, prints] of COMMANDS) {
  const command = words.split(" ", 1)[0];
  Deno.test({
    name: `with few processes ${command} works or says what it lacks`,
    ...skipUnless(noPids === undefined, noPids ?? ""),
    fn: async () => {
      await (prepared ??= prepare());
      const results: boolean[] = [];
      for (const limit of [2, 5, 7, 8, 9, 10, 12, 40]) {
        await withCgroup({ pids: { limit } }, (box) => {
          const set = Object.entries(engine.env).map(([name, value]) => `${name}=${value}`);
          const line = `env ${set.join(" ")} '${binary}' ${words}`;
          const code = box.run(`${line} < /dev/null > out 2> err`);
          const result = { code, stdout: box.read("out"), stderr: box.read("err") };
          results.push(worked(result, words, prints));
        });
      }
      assert(results.at(-1), "40 processes are not enough");
      assertNotEquals(results[0], true, "2 processes are no limit");
      await assertWhole();
    },
  });
}

Deno.test({
  name: "after all of that nothing is left when the container is removed",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    await (prepared ??= prepare());
    engine.remember();
    await engine.ok("rm", "-f", "box");
    assertEquals(await engine.left(), []);
  },
});
