/** Containers of root in user namespaces: ids that nobody else has, owners that nobody changes. */
import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const needs = skipUnless(
  isRoot() && !Deno.readTextFileSync("/proc/self/uid_map").includes(" 1\n"),
  "needs root of the machine",
);

let engine: Engine;

Deno.test.beforeAll(async () => {
  if (needs.ignore) return;
  engine = new Engine();
  const root = engine.rootfs("image", (directory) => {
    for (const name of ["data", "etc"]) Deno.mkdirSync(`${directory}/${name}`);
    Deno.symlinkSync("busybox", `${directory}/bin/chown`);
    Deno.writeTextFileSync(`${directory}/data/file`, "from the image\n");
    Deno.chownSync(`${directory}/data/file`, 1000, 33);
  });
  const tar = engine.path("image.tar");
  await new Deno.Command("tar", { args: ["-C", root, "-cf", tar, "."] }).output();
  await engine.ok("import", tar, "bb");
});

Deno.test.afterAll(async () => {
  if (!needs.ignore) await engine[Symbol.asyncDispose]();
});

/** A file's owner on the machine. */
function ownerOf(path: string): string {
  const { uid, gid } = Deno.statSync(path);
  return `${uid}:${gid}`;
}

/** The words of the first line of a container's uid_map. */
async function mapOf(name: string): Promise<string[]> {
  const text = await engine.ok("exec", name, "cat", "/proc/self/uid_map");
  return text.trim().split(/\s+/);
}

Deno.test({
  name: "--userns auto gives each container a range of its own, and takes it back",
  ...needs,
  fn: async () => {
    const sleep = ["bb", "sleep", "1000"];
    // Three at once: the range is taken atomically.
    const names = ["one", "two", "three"];
    await Promise.all(
      names.map((name) => engine.background("--name", name, "--userns", "auto", ...sleep)),
    );
    const firsts = await Promise.all(names.map(async (name) => {
      const [inside, outside, count] = await mapOf(name);
      assertEquals([inside, count], ["0", "65536"]);
      return outside;
    }));
    assertEquals(new Set(firsts).size, 3);
    await engine.background("--name", "small", "--userns", "auto:size=4096", ...sleep);
    assertEquals((await mapOf("small"))[2], "4096");
    await engine.background("--name", "guest", "--userns", "container:one", ...sleep);
    assertEquals(await mapOf("guest"), await mapOf("one"));
    assertEquals((await engine.dd("exec", "guest", "touch", "/mine")).code, 0);
    await engine.ok("rm", "-f", ...names, "small", "guest");
    assertEquals([...Deno.readDirSync(`${engine.run}/userns`)], []);
  },
});

Deno.test({
  name: "files of a container in a user namespace keep its ids on the disk",
  ...needs,
  fn: async () => {
    const script = "stat -c %u:%g /data/file /bin/busybox; touch /mine; chown 5:6 /mine; " +
      "touch /idmap/f; chown 1000:7 /idmap/f; touch /plain/f; echo $?; stat -c %u /plain";
    const mapped = engine.path("idmap"), plain = engine.path("plain");
    const { stdout, stderr, code } = await engine.dd(
      ...["run", "--name", "own", "--network", "none", "--userns", "auto", "-v", "data:/data"],
      ...["-v", `${mapped}:/idmap:idmap`, "-v", `${plain}:/plain`, "bb", "sh", "-c", script],
    );
    // What is bound without "idmap" belongs to nobody inside.
    assertEquals([code, stdout], [0, "1000:33\n0:0\n1\n65534\n"]);
    assertStringIncludes(stderr, "Permission denied");
    const [id] = engine.ids();
    assertEquals(ownerOf(`${engine.root}/containers/${id}/upper/mine`), "5:6");
    assertEquals(ownerOf(`${engine.root}/volumes/data/data/file`), "1000:33");
    assertEquals(ownerOf(`${mapped}/f`), "1000:7");
    assertMatch(await engine.ok("diff", "own"), /^A \/mine$/m);
    await engine.ok("commit", "own", "made");
    const { stdout: owner } = await engine.host("made", "stat", "-c", "%u:%g", "/mine");
    assertEquals(owner, "5:6\n");
    await engine.ok("rm", "own");
    await engine.ok("volume", "rm", "data");
    await engine.ok("rmi", "made");
  },
});

Deno.test({
  name: "--uidmap and --gidmap map as they say, one for both where only one is given",
  ...needs,
  fn: async () => {
    const show = ["bb", "sh", "-c", "cat /proc/self/uid_map /proc/self/gid_map"];
    const both = await engine.host("--uidmap", "0:100000:500", "--gidmap", "0:7000:9", ...show);
    assertEquals(both.stdout.trim().split(/\s+/), ["0", "100000", "500", "0", "7000", "9"]);
    const one = await engine.host("--uidmap", "0:100000:500", ...show);
    assertEquals(one.stdout.trim().split(/\s+/), ["0", "100000", "500", "0", "100000", "500"]);
    const host = await engine.host("--userns", "host", ...show);
    assertNotEquals(host.stdout.indexOf("4294967295"), -1);
  },
});

Deno.test({
  name: "a user namespace goes with the host's network, pids and IPC",
  ...needs,
  fn: async () => {
    const rows: string[][] = [
      ["--network", "host"],
      ["--network", "none", "--pid", "host"],
      ["--network", "none", "--ipc", "host"],
    ];
    for (const row of rows) {
      const { code, stdout, stderr } = await engine.dd(
        ...["run", "--rm", "--userns", "auto", ...row, "bb", "id", "-u"],
      );
      assertEquals([code, stdout, stderr], [0, "0\n", ""], row.join(" "));
    }
  },
});

Deno.test({
  name: "what does not go with a user namespace is refused before anything is made",
  ...needs,
  fn: async () => {
    const rows: [words: string[], text: string][] = [
      [
        ["--privileged", "--userns", "auto"],
        "privileged mode is incompatible with user namespaces",
      ],
      [["--userns", "keep-id"], "as root: it maps the id of an ordinary user"],
      [["--userns", "auto:size=0"], "takes 1 to 65536"],
      [["--userns", "private"], 'needs "--uidmap" or "--gidmap"'],
      [["--userns", "auto", "--uidmap", "0:1:1"], "cannot be used together"],
    ];
    for (const [words, text] of rows) {
      const { code, stderr } = await engine.host(...words, "bb", "id");
      assertEquals(code, 125, words.join(" "));
      assertStringIncludes(stderr, text);
    }
    const unmapped = await engine.host("--userns", "auto:size=500", "-u", "1000", "bb", "id");
    assertEquals(unmapped.code, 126);
    assertStringIncludes(
      unmapped.stderr,
      "Cannot run as user 1000: the container's user namespace",
    );
    assertEquals(engine.ids(), []);
  },
});
