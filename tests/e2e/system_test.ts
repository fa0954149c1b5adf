/** `system boot`, `system unit`, `system prune`. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { runProgram } from "../lib/oci_box.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
const box = engine.rootfs("box");
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `system ${name}`, ...skipUnless(isRoot(), "needs root"), fn });
}

/** docker's rule at the start of its daemon: `always` comes up even after a stop. */
const POLICIES: [policy: string, stopped: boolean, comesUp: boolean][] = [
  ["always", true, true],
  ["unless-stopped", true, false],
  ["no", true, false],
  ["on-failure", true, false],
];
for (const [policy, stopped, comesUp] of POLICIES) {
  test(`boot ${comesUp ? "starts" : "leaves"} one with ${policy} that was stopped`, async () => {
    const id = await engine.background(
      "--restart",
      policy,
      "--rootfs",
      `${box}:O`,
      "/bin/sleep",
      "1000",
    );
    if (stopped) await engine.ok("stop", "-t", "0", id);
    assertEquals(await engine.ok("system", "boot"), comesUp ? id : "");
    assertEquals(await engine.inspect(id, "{{.State.Running}}"), String(comesUp));
    await engine.ok("rm", "-f", id);
  });
}

test("boot starts the others where a record is damaged, whose volumes stay", async () => {
  const long = ["--restart", "always", "--rootfs", `${box}:O`, "/bin/sleep", "1000"];
  const damaged = await engine.background("-v", "kept:/v", ...long);
  const sound = [await engine.background(...long), await engine.background(...long)];
  await engine.ok("stop", "-t", "0", damaged, ...sound);
  const path = `${engine.root}/containers/${damaged}/container.json`;
  const record = Deno.readFileSync(path);
  Deno.truncateSync(path, record.length / 2);
  const { code, stdout, stderr } = await engine.dd("system", "boot");
  assertEquals([code, stdout.trim().split("\n").sort()], [1, sound.sort()]);
  assertStringIncludes(stderr, path);
  const removed = await engine.dd("volume", "rm", "kept");
  assertEquals(removed.code, 1);
  assertStringIncludes(removed.stderr, `volume is in use - [${damaged}]`);
  Deno.writeFileSync(path, record);
  await engine.ok("rm", "-f", damaged, ...sound);
  await engine.ok("volume", "rm", "kept");
});

test("unit names this program and these directories", async () => {
  const text = await engine.ok("system", "unit");
  assertMatch(text, /^ExecStart="?\/.*diplodock"? system boot$/m);
  assertStringIncludes(text, `Environment=DIPLODOCK_ROOT=${engine.root}\n`);
});

test("unit --openrc is a service script whose start boots containers", async () => {
  const id = await engine.background(
    ...["--restart", "always", "--rootfs", `${box}:O`, "/bin/sleep", "1000"],
  );
  await engine.ok("stop", "-t", "0", id);
  const text = await engine.ok("system", "unit", "--openrc");
  assertMatch(text, /^#!\/sbin\/openrc-run\n/);
  // OpenRC gives a script these functions, and calls the one it wants.
  const openrc = 'ebegin() { echo "$1"; }; eend() { return $1; }; . $0; depend() { :; }; start';
  const script = engine.file("service", `${text}\n`);
  const started = await runProgram(["sh", "-euc", openrc, script], { clearEnv: true });
  assertEquals([started.code, started.stdout.includes(id)], [0, true], started.stderr);
  assertEquals(await engine.inspect(id, "{{.State.Running}}"), "true");
  await engine.ok("rm", "-f", id);
});

test("unit --cron is a line that boots containers", async () => {
  const text = await engine.ok("system", "unit", "--cron");
  const [, command] = /^@reboot root (env .* system boot)$/.exec(text) ?? [];
  assertEquals((await runProgram(["sh", "-c", command], { clearEnv: true })).code, 0);
  assertEquals((await engine.dd("system", "unit", "--cron", "--openrc")).code, 1);
});

test("prune asks, and removes what nobody uses", async () => {
  const kept = await engine.background(
    "--name",
    "kept",
    "--rootfs",
    `${box}:O`,
    "/bin/sleep",
    "1000",
  );
  const gone = await engine.ok("create", "--network", "none", "--rootfs", `${box}:O`, "/bin/true");
  await engine.ok("network", "create", "unused");
  const no = await engine.with({ stdin: "n\n" }, "system", "prune");
  assertStringIncludes(no.stdout, "WARNING! This will remove:\n  - all stopped containers\n");
  assertEquals(engine.ids().sort(), [kept, gone].sort());
  const yes = await engine.with({ stdin: "y\n" }, "system", "prune", "--volumes");
  assertStringIncludes(yes.stdout, `Deleted Containers:\n${gone}\n\nDeleted Networks:\nunused\n`);
  assertMatch(yes.stdout, /Total reclaimed space: \S+B\n$/);
  assertEquals(engine.ids(), [kept]);
  await engine.ok("rm", "-f", "kept");
});

test("prune does not take until together with --volumes", async () => {
  const { code, stderr } = await engine.dd("system", "prune", "--volumes", "--filter", "until=1h");
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'The "until" filter is not supported with "--volumes"');
});
