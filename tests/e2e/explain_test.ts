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

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha256:${hash.toHex()}`;
}

test("an image from its name to its files", isRoot(), "needs root", async () => {
  const tar = await new Deno.Command("tar", { args: ["-C", box, "-c", "."] }).output();
  await engine.with({ stdin: tar.stdout }, "import", "-c", "ENV A=b", "-", "base:1");
  await engine.ok("run", "--name", "change", "--network", "none", "base:1", "touch", "/new");
  await engine.ok("commit", "-c", 'CMD ["sh"]', "change", "made:1");
  await engine.ok("rm", "change");
  const image = JSON.parse(await engine.ok("explain", "--json", "image", "made:1"));
  for (const { path, digest, size } of [image.manifest, image.config, image.layers[1].blob]) {
    const bytes = Deno.readFileSync(path);
    assertEquals([await sha256(bytes), bytes.length], [digest, size]);
  }
  assertEquals(image.id, image.config.digest);
  const [lower, upper] = image.layers;
  assertEquals([lower.chainId, upper.diffId], [lower.diffId, upper.blob.digest]);
  const chain = new TextEncoder().encode(`${lower.chainId} ${upper.diffId}`);
  assertEquals(upper.chainId, await sha256(chain));
  assertEquals([lower.sharedWith, upper.sharedWith], [["base:1"], []]);
  assertEquals(image.overlay.lower, [upper.directory, lower.directory]);
  assert(Deno.statSync(`${upper.directory}/new`).isFile);
  const text = await engine.ok("explain", "image", "made:1");
  for (
    const part of ["2 layers", "made:1: manifest ", "base:1", "A=b", '["sh"]', "$ROOT/layers/"]
  ) {
    assertStringIncludes(text, part);
  }
  assert(text.split("\n").every((line) => line.length <= 100 || !line.includes(" ", 100)));
  const { stderr } = await engine.dd("explain", "image", "nosuch");
  assertEquals(stderr, "Error response from daemon: No such image: nosuch:latest\n");
  await engine.ok("rmi", "made:1", "base:1");
});
