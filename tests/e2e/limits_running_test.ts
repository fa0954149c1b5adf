/** Limits that are met, or changed, while the container goes on. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { directoryOf, openCgroup } from "../../src/runtime/cgroup_place.ts";
import { keyedNumber } from "../../src/runtime/cgroup_files.ts";
import { cgroupPids } from "../../src/runtime/cgroup_processes.ts";
import { whyNoCgroups } from "../lib/cgroup_box.ts";
import { cgroupsOf, Engine, waitFor } from "../lib/engine.ts";
import { skipUnless } from "../lib/skip.ts";

const why = whyNoCgroups();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(why === undefined, `cgroups: ${why}`), fn });
}

// /dev/kmsg: writing nothing to it harms nobody, and no container may open it by default.
const OPEN_FOR_WRITING = ["sh", "-c", ": > /kmsg"];
const MAKE_NODE = ["mknod", "/kmsg", "c", "1", "11"];

test("update adds devices while the container runs", async () => {
  const id = await engine.background("host", "sleep", "600");
  await engine.ok("exec", id, ...MAKE_NODE);
  const closed = await engine.dd("exec", id, ...OPEN_FOR_WRITING);
  assertStringIncludes(closed.stderr, "not permitted");
  await engine.ok("update", "--device-cgroup-rule", "c 1:11 w", id);
  await engine.ok("exec", id, ...OPEN_FOR_WRITING);
  assertEquals(await engine.inspect(id, "{{json .HostConfig.DeviceCgroupRules}}"), '["c 1:11 w"]');
  await engine.ok("rm", "-f", id);
});

test("a fork bomb stops at --pids-limit, and the machine goes on", async () => {
  const id = await engine.background(
    ...["--pids-limit", "20", "host", "sh", "-c"],
    "bomb() { bomb | bomb & }; bomb 2> /dev/null; exec sleep 600",
  );
  const directory = directoryOf(openCgroup(`/diplodock/${id}`), "pids");
  const events = `${directory}/pids.events`;
  const refusals = () => keyedNumber(Deno.readTextFileSync(events), "max") ?? 0;
  await waitFor(() => refusals() > 0, 30_000);
  // Not the list of them: that is of no single moment.
  assert(Number(Deno.readTextFileSync(`${directory}/pids.current`)) <= 20);
  await engine.ok("rm", "-f", id);
  assertEquals(cgroupsOf(id), []);
});

test("OOMKilled is true while the container goes on, and false after a restart", async () => {
  const id = await engine.background(
    ...["-m", "24m", "--memory-swap", "24m", "host", "sh", "-c"],
    "tail /dev/zero; exec sleep 600",
  );
  const killed = () => engine.inspect(id, "{{.State.OOMKilled}} {{.State.Running}}");
  await waitFor(async () => await killed() === "true true", 30_000);
  await engine.ok("restart", "-t", "0", id);
  // The new run meets the same end: what counts is that it starts from nothing.
  assert(["false true", "true true"].includes(await killed()));
  await engine.ok("rm", "-f", id);
});

test("who follows events hears of a kill while the container goes on, once", async () => {
  const filters = ["event=oom", "event=rename"].flatMap((filter) => ["-f", filter]);
  const child = engine.spawn(["events", ...filters, "--format", "{{.Action}} {{.Actor.ID}}"]);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const gate = engine.path("gate");
  Deno.mkdirSync(gate);
  const id = await engine.background(
    ...["-m", "24m", "--memory-swap", "24m", "-v", `${gate}:/gate`, "host", "sh", "-c"],
    "until test -e /gate/open; do sleep 0.02; done; tail /dev/zero; exec sleep 600",
  );
  // It follows from the first that it tells on.
  let text = "", isFollowing = false;
  const first = reader.read().then(({ value }) => (isFollowing = true, text += value));
  for (let n = 0; !isFollowing; n++) await engine.ok("rename", id, `renamed${n}`);
  await first;
  Deno.writeTextFileSync(`${gate}/open`, "");
  while (!text.includes("oom")) text += (await reader.read()).value ?? "";
  assertEquals(text.trim().split("\n").filter((line) => line.startsWith("oom")), [`oom ${id}`]);
  assertEquals(await engine.inspect(id, "{{.State.OOMKilled}} {{.State.Running}}"), "true true");
  child.kill();
  while (!(await reader.read()).done);
  await child.stderr.cancel();
  await child.status;
  await engine.ok("kill", id);
  await engine.ok("wait", id);
  const told = await engine.ok(
    ...["events", "--since", "10m", "--until", "0s", "-f", `container=${id}`],
    ...["--format", "{{.Action}}"],
  );
  assertEquals(told.split("\n").filter((action) => action === "oom"), ["oom"]);
  assertEquals(await engine.inspect(id, "{{.State.OOMKilled}}"), "true");
  await engine.ok("rm", id);
});

/** What an exec says of the limits that no cgroup has. */
const ASK = [
  "sh",
  "-c",
  "cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; " +
  "grep -o ' /dev/shm .*size=[0-9]*k' /proc/mounts | grep -o '[0-9]*k$'",
];

test("update changes every process, those of exec, and /dev/shm", async () => {
  const id = await engine.background(
    ...["--ulimit", "nofile=300:300", "host", "sh", "-c", "sleep 600 & exec sleep 600"],
  );
  const cgroup = openCgroup(`/diplodock/${id}`);
  await waitFor(() => cgroupPids(cgroup).length === 2);
  const changes = ["--oom-score-adj", "500", "--ulimit", "nofile=100:200", "--shm-size", "1m"];
  await engine.ok("update", ...changes, id);
  const pids = cgroupPids(cgroup);
  assertEquals(pids.length, 2);
  for (const pid of pids) {
    assertEquals(Deno.readTextFileSync(`/proc/${pid}/oom_score_adj`), "500\n");
    const limits = Deno.readTextFileSync(`/proc/${pid}/limits`);
    assert(/^Max open files +100 +200 /m.test(limits), limits);
  }
  const changed = "500\n100\n200\n1024k";
  assertEquals(await engine.ok("exec", id, ...ASK), changed);
  await engine.ok("restart", "-t", "0", id);
  assertEquals(await engine.ok("exec", id, ...ASK), changed);
  // All or nothing: what is in /dev/shm stays, and the rest as it is.
  await engine.ok("exec", id, "sh", "-c", "head -c 800000 /dev/zero > /dev/shm/full");
  const small = await engine.dd("update", "--oom-score-adj", "600", "--shm-size", "512k", id);
  assertEquals(small.code, 1);
  assertStringIncludes(small.stderr, "more is in /dev/shm");
  const device = await engine.dd(
    ...["update", "--oom-score-adj", "600", "--shm-size", "2m"],
    ...["--device-read-bps", "/dev/null:1mb", id],
  );
  assertStringIncludes(device.stderr, "Cannot set --device-read-bps");
  assertEquals(await engine.ok("exec", id, ...ASK), changed);
  assertEquals(
    await engine.inspect(
      id,
      "{{with .HostConfig}}{{.OomScoreAdj}} {{.ShmSize}} {{.Ulimits}}{{end}}",
    ),
    "500 1048576 [nofile=100:200]",
  );
  await engine.ok("rm", "-f", id);
});

test("update leaves a /dev/shm alone that is not the container's own", async () => {
  const host = await engine.background("--ipc", "host", "host", "sleep", "600");
  const refused = await engine.dd("update", "--shm-size", "1m", host);
  assertStringIncludes(refused.stderr, "the container has no /dev/shm of its own (--ipc host)");
  const folder = engine.path("shm");
  Deno.mkdirSync(folder);
  const bound = await engine.background("-v", `${folder}:/dev/shm`, "host", "sleep", "600");
  const other = await engine.dd("update", "--shm-size", "1m", bound);
  assertStringIncludes(other.stderr, "not what the container was started with");
  await engine.ok("rm", "-f", host, bound);
});
