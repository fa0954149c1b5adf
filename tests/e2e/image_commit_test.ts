/** Images made by hand: run, change, commit, run the result; export; kill -9 on the way. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Cgroup, openCgroup } from "../../src/runtime/cgroup_place.ts";
import { thawCgroup } from "../../src/runtime/cgroup_processes.ts";
import { isFrozen } from "../../src/runtime/freezer.ts";
import { ImageBox, type Result } from "../lib/image_box.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { describeTree, tarOf } from "../lib/tree.ts";

const BUSYBOX = "/bin/busybox";

function hasBusybox(): boolean {
  return [BUSYBOX, "/usr/bin/busybox"].some((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

const OPTIONS = skipUnless(isRoot() && hasBusybox(), "needs root and busybox-static");

function test(name: string, fn: (box: ImageBox) => Promise<void>): void {
  Deno.test({
    name,
    ...OPTIONS,
    async fn() {
      using box = new ImageBox();
      try {
        await fn(box);
      } finally {
        const ids = (await box.run("ps", "-aq")).out.split("\n").filter(Boolean);
        if (ids.length > 0) await box.run("rm", "-f", ...ids);
      }
    },
  });
}

/** An image with busybox and some files. */
async function base(box: ImageBox, tag = "base:1"): Promise<string> {
  const root = `${box.top}/rootfs`;
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  Deno.copyFileSync(hasProgram("busybox") ? BUSYBOX : "/usr/bin/busybox", `${root}/bin/busybox`);
  for (
    const applet of ["sh", "cat", "rm", "mkdir", "chown", "chmod", "ln", "echo", "sleep", "dd"]
  ) {
    Deno.symlinkSync("busybox", `${root}/bin/${applet}`);
  }
  Deno.mkdirSync(`${root}/data`);
  Deno.writeTextFileSync(`${root}/data/old`, "old");
  Deno.mkdirSync(`${root}/gone`);
  Deno.writeTextFileSync(`${root}/gone/x`, "x");
  const { success } = await new Deno.Command("tar", {
    args: ["-C", root, "-cf", `${box.top}/rootfs.tar`, "."],
  }).output();
  assert(success);
  return await box.ok(
    "import",
    "-c",
    'CMD ["/bin/sh"]',
    "-c",
    "ENV KEPT=1",
    `${box.top}/rootfs.tar`,
    tag,
  );
}

const SCRIPT = [
  "echo new >/data/new",
  "rm /data/old",
  "rm -r /gone; mkdir /gone; echo y >/gone/y",
  "chmod 4750 /data; chown 3000000:7 /data/new",
  "ln /data/new /data/same; ln -s /data/new /link",
].join("; ");

async function change(box: ImageBox, image: string, script: string, name: string): Promise<Result> {
  return await box.run("run", "--network", "none", "--name", name, image, "/bin/sh", "-c", script);
}

test("commit keeps what diff shows, and the result runs", async (box) => {
  const parent = await base(box);
  const ran = await change(box, "base:1", SCRIPT, "cc");
  assertEquals(ran.code, 0, ran.err);
  const id = await box.ok(
    ...[
      "commit",
      "-a",
      "me",
      "-m",
      "by hand",
      "-c",
      "ENV NEW=2",
      "-c",
      'CMD ["/bin/cat","/data/new"]',
    ],
    "cc",
    "made:1",
  );
  assertMatch(id, /^sha256:[0-9a-f]{64}$/);
  assertEquals(await box.ok("run", "--rm", "--network", "none", "made:1"), "new");
  const [image] = JSON.parse(await box.ok("image", "inspect", "made:1"));
  assertEquals([image.Id, image.Parent, image.Author, image.Comment], [
    id,
    parent,
    "me",
    "by hand",
  ]);
  assert(image.Config.Env.includes("KEPT=1") && image.Config.Env.includes("NEW=2"));
  assertEquals(image.Config.Cmd, ["/bin/cat", "/data/new"]);
  const [, layer] = await box.layers("made:1");
  const lines = describeTree(layer);
  const names = lines.map((line) => line.split(" ").slice(0, 2).join(" "));
  assertEquals(names, [
    'dir "data"',
    'file "data/new"',
    'char "data/old"',
    'file "data/same"',
    'dir "gone"',
    'file "gone/y"',
    'symlink "link"',
  ]);
  assertStringIncludes(lines[0], "4750");
  assertStringIncludes(lines[1], "3000000:7");
  assertStringIncludes(lines[1], "links=2");
  const shown = await box.ok(
    ...["run", "--rm", "--network", "none", "made:1", "/bin/sh", "-c", "echo /data/* /gone/*"],
  );
  assertEquals(shown, "/data/new /data/same /gone/y");
});

test("who thaws a container that is being committed does not make the commit fail", async (box) => {
  await base(box);
  const script = "dd if=/dev/urandom of=/big bs=1M count=48; exec sleep 600";
  await box.ok(...["run", "-d", "--network", "none", "--name", "cc"], "base:1", "sh", "-c", script);
  while (!(await box.run("top", "cc")).out.includes("sleep 600")) continue;
  const cgroup = cgroupOf(Number(await box.ok("inspect", "-f", "{{.State.Pid}}", "cc")));
  const committing = box.start("commit", "cc", "made:1");
  const deadline = Date.now() + 30_000;
  while (!isFrozen(cgroup) && Date.now() < deadline) await new Promise((go) => setTimeout(go, 1));
  thawCgroup(cgroup);
  const { code, stderr } = await committing.output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  assertEquals((await box.layers("made:1")).length, 2);
});

/** The cgroup of a process, by the hierarchy that can freeze it. */
function cgroupOf(pid: number): Cgroup {
  const lines = Deno.readTextFileSync(`/proc/${pid}/cgroup`).split("\n");
  const line = lines.find((one) => one.includes(":freezer:")) ?? lines[0];
  return openCgroup(line.slice(line.lastIndexOf(":") + 1));
}

test("a committed layer is what the container's own layer is, and loads the same again", async (box) => {
  await base(box);
  await change(box, "base:1", SCRIPT, "cc");
  await box.ok("commit", "cc", "made:1");
  const before = await Promise.all(
    (await box.layers("made:1")).map((layer) => describeTree(layer)),
  );
  using other = new ImageBox();
  await box.ok("save", "-o", `${box.top}/made.tar`, "made:1");
  await other.ok("load", "-i", `${box.top}/made.tar`);
  const after = await Promise.all(
    (await other.layers("made:1")).map((layer) => describeTree(layer)),
  );
  assertEquals(after, before);
});

test("commit of the same change twice makes the same layer", async (box) => {
  await base(box);
  await change(box, "base:1", "echo x >/file", "cc");
  const layersOf = async (image: string) =>
    await box.ok("image", "inspect", "-f", "{{json .RootFS.Layers}}", image);
  const [one, two] = [await box.ok("commit", "cc"), await box.ok("commit", "cc")];
  assertEquals(await layersOf(one), await layersOf(two));
});

test("commit of more files than a short command is for keeps all of them", async (box) => {
  await base(box);
  const many = "for i in 1 2 3; do mkdir /$i; for j in $(seq 400); do echo $j >/$i/$j; done; done";
  await change(box, "base:1", many, "cc");
  const id = await box.ok("commit", "-c", "LABEL a=b c=d", "cc", "made:1");
  assertMatch(id, /^sha256:[0-9a-f]{64}$/);
  const list = ["cat $(find /1 /2 /3 -type f) | wc -l"];
  assertEquals(
    await box.ok("run", "--rm", "--network", "none", "made:1", "/bin/busybox", "sh", "-c", ...list),
    "1200",
  );
  const labels = await box.ok("image", "inspect", "-f", "{{json .Config.Labels}}", "made:1");
  assertEquals(labels, '{"a":"b","c":"d"}');
});

test("commit without a change makes no layer", async (box) => {
  await base(box);
  await box.ok("create", "--name", "cc", "base:1");
  await box.ok("commit", "-m", "nothing", "cc", "made:1");
  assertEquals((await box.layers("made:1")).length, 1);
  assertStringIncludes(await box.ok("history", "made:1"), "nothing");
});

test("commit refuses bad changes and names, and containers that are not there", async (box) => {
  await base(box);
  await box.ok("create", "--name", "cc", "base:1");
  const CASES: [args: string[], err: RegExp][] = [
    [["-c", "RUN x", "cc"], /run is not a valid change command/],
    [["cc", "BAD"], /must be lowercase/],
    [["nope"], /No such container: nope/],
  ];
  for (const [args, err] of CASES) {
    const result = await box.run("commit", ...args);
    assertEquals(result.code, 1);
    assertMatch(result.err, err);
  }
  assertEquals((await box.ok("images", "-aq")).split("\n").length, 1);
});

test("rmi knows children, containers and names", async (box) => {
  const parent = await base(box);
  await change(box, "base:1", "echo x >/file", "cc");
  await box.ok("commit", "cc", "made:1");
  const used = await box.run("rmi", "base:1");
  assertEquals(used.code, 1);
  const container = (await box.ok("ps", "-aq", "--no-trunc")).slice(0, 12);
  assertEquals(
    used.err,
    `Error response from daemon: conflict: unable to remove repository reference "base:1" ` +
      `(must force) - container ${container} is using its referenced image ${
        parent.slice(7, 19)
      }\n`,
  );
  const child = await box.run("rmi", parent);
  assertStringIncludes(child.err, "(cannot be forced) - image has dependent child images");
  await box.ok("rm", "cc");
  await box.ok("rmi", "base:1");
  assertEquals(await box.ok("images", "-q"), await box.ok("images", "-q", "made:1"));
  assertEquals((await box.ok("images", "-aq")).split("\n").length, 2);
  const lines = (await box.ok("rmi", "made:1")).split("\n");
  assertEquals(lines[0], "Untagged: made:1");
  assertEquals(lines.filter((line) => line.startsWith("Deleted: sha256:")).length, 4);
  assertEquals(box.names("layers"), ["l"]);
});

test("export gives the files as the container sees them, and import takes them back", async (box) => {
  await base(box);
  await change(box, "base:1", SCRIPT, "cc");
  await box.ok("export", "-o", `${box.top}/flat.tar`, "cc");
  await box.ok("import", `${box.top}/flat.tar`, "flat:1");
  const [layer] = await box.layers("flat:1");
  const names = describeTree(layer).map((line) => JSON.parse(line.split(" ")[1]));
  for (const name of ["data/new", "gone/y", "bin/busybox", "link"]) assert(names.includes(name));
  for (const name of ["data/old", "gone/x", "data/.wh.old"]) {
    assertEquals(names.includes(name), false, name);
  }
  const { code } = await box.run("export", "-o", "/nowhere/x.tar", "cc");
  assertEquals(code, 1);
});

test("commit killed at 40 random moments leaves a valid store and a running container", async (box) => {
  await base(box);
  await box.ok(
    "run",
    "-d",
    "--network",
    "none",
    "--name",
    "cc",
    "base:1",
    "/bin/sh",
    "-c",
    "sleep 1000",
  );
  const noise = tarOf(Array.from({ length: 400 }, (_, i) => `file n${i} ${"x".repeat(20000)}`));
  Deno.writeFileSync(`${box.top}/noise.tar`, noise);
  const filled = await box.feed(noise, "exec", "-i", "cc", "/bin/busybox", "tar", "-xf", "-");
  assertEquals(filled.code, 0, filled.err);
  const start = performance.now();
  await box.ok("commit", "cc");
  const whole = performance.now() - start;
  for (let round = 0; round < 40; round++) {
    const child = box.start("commit", "cc", `made:${round}`);
    await new Promise((done) => setTimeout(done, whole * (0.1 + round / 40)));
    try {
      child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await child.output();
    const { code, out, err } = await box.run("images", "-q");
    assertEquals(code, 0, err);
    for (const id of new Set(out.split("\n").filter(Boolean))) {
      assertEquals((await box.layers(id)).every((layer) => Deno.statSync(layer).isDirectory), true);
    }
    // A killed commit may leave the container frozen; that is for its user to see and undo.
    if ((await box.ok("ps", "--format", "{{.State}}")) === "paused") await box.ok("unpause", "cc");
  }
  await box.ok("commit", "cc", "last:1");
  assertEquals(box.names("tmp"), []);
  assertEquals(await box.ok("exec", "cc", "/bin/echo", "alive"), "alive");
});

test("an image removed by force stays below its container, which ps shows by the id", async (box) => {
  const id = await base(box);
  await box.ok("create", "--name", "held", "--network", "none", "base:1", "/bin/cat", "/data/old");
  const { out } = await box.run("rmi", "-f", "base:1");
  assertEquals(out, `Untagged: base:1\nDeleted: ${id}\n`);
  assertEquals(await box.ok("images", "-aq"), "");
  assertEquals(await box.ok("image", "prune", "-af"), "Total reclaimed space: 0B");
  assertEquals(await box.ok("start", "-a", "held"), "old");
  assertEquals(await box.ok("ps", "-a", "--format", "{{.Image}}"), id.slice(7, 19));
  await box.ok("commit", "held", "again:1");
  assertEquals(await box.ok("run", "--rm", "--network", "none", "again:1"), "old");
  await box.ok("tag", "again:1", "base:1");
  assertEquals(await box.ok("ps", "-a", "--format", "{{.Image}}"), id.slice(7, 19));
  await box.ok("rm", "held");
  await box.ok("rmi", "base:1", "again:1");
  assertEquals(box.names("layers"), ["l"]);
});
