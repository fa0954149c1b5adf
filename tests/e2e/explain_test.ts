/** `explain`: the program that `run` executes, and the same by hand. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { bothWays } from "../lib/by_hand.ts";
import { Engine } from "../lib/engine.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
const box = engine.rootfs("box");
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, can: boolean, reason: string, fn: () => Promise<void>): void {
  Deno.test({ name: `explain: ${name}`, ...skipUnless(can, reason), fn });
}

const tools = ["unshare", "setpriv", "mount"].every(hasProgram);

/** What a container says of itself that does not change from start to start. */
const QUESTIONS = [
  "grep -E '^(Cap|NoNewPrivs)' /proc/self/status",
  "grep -c . /proc/self/mountinfo",
  "ls /dev",
  "pwd",
  "id -u",
  "touch /made 2>/dev/null && echo written",
  "cat /sys/class/net/lo/operstate",
].join("; ");

const FLAGS: string[][] = [
  [],
  ["-u", "5:6", "--read-only", "-w", "/deep/down", "-v", `${box}:/box:ro`],
  ["--cap-drop", "all", "--cap-add", "SYS_CHROOT", "--tmpfs", "/t", "--pid", "host"],
];

for (const flags of FLAGS) {
  test(
    `a script does what run does with "${flags.join(" ")}"`,
    isRoot() && tools,
    "needs root, unshare, setpriv, mount",
    () =>
      bothWays(engine, [
        ...["run", "--rm", "--network", "none", ...flags],
        ...["--rootfs", `${box}:O`, "/bin/sh", "-c", QUESTIONS],
      ]),
  );
}

test("the steps of run have numbers, flags by name and goals", isRoot(), "needs root", async () => {
  const words = ["run", "-m", "64m", "--network", "none", "--rootfs", `${box}:O`, "/bin/true"];
  const text = await engine.ok("explain", ...words);
  for (const part of ["CLONE_NEWPID", "pivot_root", "memory", "execve(", "# start"]) {
    assertStringIncludes(text, part);
  }
  const { namespaces, programs, cgroup } = JSON.parse(
    await engine.ok("explain", "--json", ...words),
  );
  assertEquals(namespaces.length, 8);
  assert(programs.at(-1).steps.length > 100);
  assert(cgroup.writes.some(({ value }: { value?: string }) => value === "67108864"));
  assertEquals(engine.ids(), []);
});

test("a running container and an exec are explained", isRoot(), "needs root", async () => {
  await engine.background("--name", "runs", "--rootfs", `${box}:O`, "/bin/sleep", "1000");
  const { kind, namespaces } = JSON.parse(await engine.ok("explain", "--json", "runs"));
  assertEquals(kind, "running");
  const own = namespaces.find(({ type }: { type: string }) => type === "pid").inode;
  const pid = await engine.inspect("runs", "{{.State.Pid}}");
  assertEquals(Deno.readLinkSync(`/proc/${pid}/ns/pid`), `pid:[${own}]`);
  assertStringIncludes(await engine.ok("explain", "exec", "runs", "id"), "setns(");
  await engine.ok("rm", "-f", "runs");
});
