/**
 * What the machine does to an engine: no room, no descriptors, no processes, a power cut, a clock
 * that jumps. It says what is wrong, leaves nothing half-made, and `rm -f` works on what is broken.
 */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Engine, type Result, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const binary = Deno.realPathSync(Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock");
const rootfs = engine.rootfs("root");

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

/** An error of the machine, told in a line or two and with an exit code of the engine's. */
function assertTold({ code, stderr }: Result, text: RegExp): void {
  assertNotEquals(code, 0);
  assert(!stderr.includes("internal error") && !stderr.includes("    at "), stderr);
  assert(text.test(stderr), stderr);
}

/** Runs a shell line in which "$0" is the engine. */
async function shell(script: string, env: Record<string, string> = {}): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", script, binary],
    env: { ...engine.env, ...env },
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

const run = `run --rm --network none --rootfs ${rootfs} /bin/echo ran`;

test("a store without room is an error that says so, and nothing is left of the container", async () => {
  const small = engine.path("small");
  Deno.mkdirSync(small);
  const mount = await shell(`mount -t tmpfs -o size=64k tmpfs ${small} && mkdir ${small}/root`);
  assertEquals(mount.code, 0, mount.stderr);
  try {
    const env = { DIPLODOCK_ROOT: `${small}/root` };
    assertEquals((await shell(`"$0" ${run}`, env)).code, 0);
    await shell(`cat /dev/zero > ${small}/fill`);
    assertTold(await shell(`"$0" ${run}`, env), /ENOSPC|[Nn]o space left/);
    Deno.removeSync(`${small}/fill`);
    const { code, stdout } = await shell(`"$0" ${run}`, env);
    assertEquals({ code, stdout }, { code: 0, stdout: "ran\n" });
    assertEquals((await shell(`"$0" ps -aq`, env)).stdout, "");
    const left = Array.from(Deno.readDirSync(`${small}/root/containers`), ({ name }) => name);
    assertEquals(left.filter((name) => !name.startsWith(".makers")), []);
  } finally {
    await shell(`umount -l ${small}`);
  }
});

test("with every small number of descriptors a run works or says what it lacks", async () => {
  let worked = 0, told = 0;
  for (let limit = 14; limit <= 64; limit += limit < 44 ? 3 : 10) {
    const result = await shell(`ulimit -n ${limit}; exec "$0" ${run}`);
    if (result.code === 0 && result.stdout === "ran\n") worked++;
    else if (result.stderr.includes("diplodock") && /EMFILE|[Tt]oo many open/.test(result.stderr)) {
      assert(
        !result.stderr.includes("    at ") || result.stderr.includes("Uncaught"),
        result.stderr,
      );
      told++;
    } else assertNotEquals(result.code, 0); // Deno itself did not start
  }
  assert(worked > 0, "no limit was enough");
  await engine.ok("network", "prune", "-f"); // finishes what was interrupted
  engine.remember();
  assertEquals(await engine.left(), []);
});

test("a container that has used up its processes still takes signals, exec's error, rm -f", async () => {
  const fork = "for i in 1 2 3 4 5 6 7; do sleep 1000 & done; exec sleep 1000";
  const id = await engine.background("--pids-limit", "8", "--rootfs", rootfs, "sh", "-c", fork);
  const full = async () => (await engine.ok("top", id)).split("\n").length > 8;
  await waitFor(full);
  const result = await engine.dd("exec", id, "/bin/echo", "in");
  assert(result.code !== 0 || result.stdout === "in\n");
  assert(!result.stderr.includes("internal error"), result.stderr);
  assertEquals(await engine.inspect(id, "{{.State.Running}}"), "true");
  await engine.ok("rm", "-f", id);
  engine.remember([id]);
  assertEquals(await engine.left(), []);
});

/** What a power cut leaves of a file whose bytes had not come to the disk. */
const DAMAGES: [name: string, damage: (path: string) => void][] = [
  ["empty", (path) => Deno.truncateSync(path, 0)],
  ["cut short", (path) => Deno.truncateSync(path, Math.floor(Deno.statSync(path).size / 2))],
  ["full of zeros", (path) => Deno.writeFileSync(path, new Uint8Array(Deno.statSync(path).size))],
  ["gone", (path) => Deno.removeSync(path)],
];
const FILES = [
  "container.json",
  "config.json",
  "exit",
  "started",
  "mounts.json",
  "root.json",
  "log",
];

for (const [name, damage] of DAMAGES) {
  test(`files that are ${name} after a power cut stop no other container, and rm -f removes theirs`, async () => {
    const sound = await engine.ok(
      ...["create", "--network", "none", "--name", "sound", "--rootfs", rootfs, "true"],
    );
    const damaged: string[] = [];
    try {
      for (const file of FILES) {
        const id = await engine.background("--rootfs", rootfs, "sh", "-c", "echo out");
        await engine.ok("wait", id);
        const path = `${engine.root}/containers/${id}/${file}`;
        const there = await Deno.stat(path).then(() => true, () => false);
        if (there) damage(path);
        damaged.push(id);
      }
      const lists = await engine.dd("ps", "-a", "--no-trunc", "--format", "{{.ID}}");
      assertStringIncludes(lists.stdout, sound);
      for (const id of damaged) {
        for (
          const command of [["start", id], ["inspect", id], ["logs", id], ["exec", id, "true"]]
        ) {
          const { stderr } = await engine.dd(...command);
          assert(!stderr.includes("internal error"), `${command.join(" ")}: ${stderr}`);
        }
      }
    } finally {
      for (const id of damaged) {
        const { code, stderr } = await engine.dd("rm", "-f", id);
        assert(code === 0 || stderr.includes("No such container"), stderr);
      }
      await engine.ok("rm", "-f", "sound");
    }
    engine.remember(damaged);
    assertEquals(await engine.left(), []);
  });
}

test("a run directory of an earlier boot is not believed", async () => {
  const id = await engine.background("--rootfs", rootfs, "sleep", "1000");
  const [pid, monitor] = (await engine.inspect(id, "{{.State.Pid}} {{.State.Pid}}")).split(" ");
  assertEquals(pid, monitor);
  // As after a reset without a tmpfs on /run: the number is somebody else's by now.
  const directory = `${engine.run}/containers/${id}`;
  const stat = Deno.readTextFileSync(`${directory}/init`);
  await engine.ok("kill", id);
  await engine.ok("wait", id);
  await waitFor(() => engine.processes().length === 0); // nobody cleans up any more
  Deno.mkdirSync(directory, { recursive: true });
  Deno.writeTextFileSync(`${directory}/init`, stat.replace(/^\d+/, String(Deno.pid)));
  Deno.writeTextFileSync(
    `${directory}/start.json`,
    JSON.stringify({ startedAt: "2001-01-01T00:00:00Z", cgroup: `/diplodock/${id}` }),
  );
  assertEquals(await engine.inspect(id, "{{.State.Running}}"), "false");
  await engine.dd("rm", "-f", id);
  assertEquals(Deno.readTextFileSync(`/proc/${Deno.pid}/comm`).length > 0, true);
  engine.remember([id]);
  assertEquals(engine.leftovers().filter((line) => line.includes(id)), []);
});

test("records from the future and the far past are shown and removed as any other", async () => {
  for (const year of ["9999", "1970", "0001"]) {
    const id = await engine.ok("create", "--network", "none", "--rootfs", rootfs, "true");
    const path = `${engine.root}/containers/${id}/container.json`;
    const record = JSON.parse(Deno.readTextFileSync(path));
    record.Created = `${year}-01-01T00:00:00.000000000Z`;
    Deno.writeTextFileSync(path, JSON.stringify(record));
    const line = await engine.ok(
      "ps",
      "-a",
      "--filter",
      `id=${id}`,
      "--format",
      "{{.ID}} {{.RunningFor}}",
    );
    assert(line.startsWith(id.slice(0, 12)), line);
    assertEquals((await engine.dd("start", "-a", id)).code, 0);
    await engine.ok("rm", id);
  }
});
