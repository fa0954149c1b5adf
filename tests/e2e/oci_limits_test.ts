/**
 * The limits of a bundle: set, changed, paused, watched. Every test runs with ours and, where it is
 * there, with runc, from which its expectations come; on the cgroup version this machine has.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ociControl, ociTest as test } from "../lib/oci_box.ts";

/** How long a command may print nothing that is waited for. */
const LIMIT_MS = 60_000;

test("pause stops the processes, resume lets them go on", async (box) => {
  const id = await box.sleeping();
  await box.ok("pause", id);
  assertEquals((await box.state(id)).status, "paused");
  const refused = await box.oci("exec", id, "true");
  assertStringIncludes(refused.stderr, "cannot exec in a paused container");
  await box.ok("resume", id);
  assertEquals((await box.state(id)).status, "running");
  await box.ok("pause", id);
  await box.ok("delete", "--force", id);
});

test("update() changes limits by options, by a file and from standard input", async (box) => {
  const id = await box.sleeping();
  const limit = () => ociControl(box, id, "memory", ["memory.limit_in_bytes", "memory.max"]);
  await box.ok("update", "--memory", "64m", id);
  assertEquals(await limit(), "67108864");
  Deno.writeTextFileSync(`${box.top}/limits`, JSON.stringify({ memory: { limit: 50 << 20 } }));
  await box.ok("update", "-r", `${box.top}/limits`, id);
  assertEquals(await limit(), "52428800");
  const words = ["sh", "-c", `echo '{"memory":{"limit":41943040}}' | "$@"`, "sh"];
  const command = new Deno.Command("/bin/sh", {
    args: [...words.slice(1), ...box.argv, "update", "-r", "-", id],
  });
  assertEquals((await command.output()).code, 0);
  assertEquals(await limit(), "41943040");
});

test("events prints the figures of now, and at intervals until the end", async (box) => {
  const id = await box.sleeping();
  const now = JSON.parse(await box.ok("events", "--stats", id));
  assertEquals([now.type, now.id], ["stats", id]);
  assert(now.data.memory.usage.usage > 0 && now.data.cpu.usage.total > 0);
  assert(now.data.pids.current >= 1);
  const child = new Deno.Command(box.argv[0], {
    args: [...box.argv.slice(1), "events", "--interval", "50ms", id],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const first = new TextDecoder().decode((await reader.read()).value).split("\n")[0];
  assert(JSON.parse(first).data.pids.current >= 1);
  reader.releaseLock();
  await box.ok("kill", id, "KILL");
  await box.untilStatus(id, "stopped");
  await box.ok("delete", id);
  await Promise.all([child.stdout.cancel(), child.status]);
  assertStringIncludes((await box.oci("events", "--stats", id)).stderr, "does not exist");
});

test("events tells when memory runs out", async (box) => {
  const id = box.id();
  const script = "while ! test -e /go; do sleep 0.02; done; x=a; while :; do x=$x$x; done";
  const args = ["sh", "-c", 'sh -c "$0"; exec sleep 1000', script];
  const bundle = box.command(args, (spec) => {
    spec.linux!.resources!.memory = { limit: 20 << 20, swap: 20 << 20 };
  });
  await box.detached(["run", "-d", "--bundle", bundle, id]);
  const child = new Deno.Command(box.argv[0], {
    args: [...box.argv.slice(1), "events", "--interval", "20ms", id],
    stdout: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  let seen = "";
  for await (const bytes of child.stdout.pipeThrough(new TextDecoderStream())) {
    // The first figures say that the watch stands.
    if (seen === "") Deno.writeTextFileSync(`${box.rootfs}/go`, "");
    seen += bytes;
    if (seen.includes('"oom"')) break;
  }
  clearTimeout(timer);
  assertMatch(seen, new RegExp(`\\{"type":"oom","id":"${id}"(,"data":null)?\\}`));
  child.kill("SIGKILL");
  await child.status;
});
