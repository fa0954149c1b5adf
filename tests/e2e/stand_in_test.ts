/**
 * A store on a file system that overlayfs does not take as its upper one and that has no idmapped
 * mounts: another overlay, as in a container. There fuse-overlayfs or copies stand in for the one,
 * owners on the disk for the other, and real containers run with each.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine, PROGRAM, type Result, waitFor } from "../lib/engine.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const needs = skipUnless(isRoot() && hasProgram("unshare"), "needs root and unshare");
const hasFuse = hasProgram("fuse-overlayfs");
const decoder = new TextDecoder();

let engine: Engine, archive: string;

Deno.test.beforeAll(async () => {
  if (needs.ignore) return;
  engine = new Engine();
  const root = engine.rootfs("image", (directory) => {
    for (const name of ["data", "old"]) Deno.mkdirSync(`${directory}/${name}`);
    for (const name of ["chown", "chmod"]) Deno.symlinkSync("busybox", `${directory}/bin/${name}`);
    for (const name of ["data/file", "old/one", "old/two", "gone"]) {
      Deno.writeTextFileSync(`${directory}/${name}`, "from the image\n");
    }
    Deno.chownSync(`${directory}/data/file`, 1000, 33);
    Deno.chmodSync(`${directory}/data/file`, 0o4755);
  });
  archive = engine.path("image.tar");
  await new Deno.Command("tar", { args: ["-C", root, "-cf", archive, "."] }).output();
});

Deno.test.afterAll(async () => {
  if (!needs.ignore) await engine[Symbol.asyncDispose]();
});

/** A store of its own on an overlay; with `hide`, its commands find no fuse-overlayfs. */
class Refused implements AsyncDisposable {
  readonly top: string;

  constructor(name: string, readonly hide: boolean) {
    this.top = engine.path(name);
  }

  async mount(): Promise<this> {
    for (const name of ["l", "u", "w", "m"]) {
      Deno.mkdirSync(`${this.top}/${name}`, { recursive: true });
    }
    const options = `lowerdir=${this.top}/l,upperdir=${this.top}/u,workdir=${this.top}/w`;
    const mount = ["-t", "overlay", "overlay", "-o", options, `${this.top}/m`];
    const { success, stderr } = await new Deno.Command("mount", { args: mount }).output();
    if (!success) throw new Error(decoder.decode(stderr));
    await this.ok("import", archive, "bb");
    return this;
  }

  async dd(...words: string[]): Promise<Result> {
    const hidden = 'for p in /usr/bin /usr/local/bin /bin; do [ -e "$p/fuse-overlayfs" ] && ' +
      'mount --bind /dev/null "$p/fuse-overlayfs"; done; exec "$@"';
    const argv = this.hide
      ? ["unshare", "-m", "--propagation", "slave", "sh", "-c", hidden, "sh", PROGRAM, ...words]
      : [PROGRAM, ...words];
    const { code, stdout, stderr } = await new Deno.Command(argv[0], {
      args: argv.slice(1),
      env: {
        ...engine.env,
        DIPLODOCK_ROOT: `${this.top}/m/root`,
        DIPLODOCK_RUN: `${this.top}/run`,
      },
      stdin: "null",
    }).output();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  async ok(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.dd(...words);
    if (code !== 0) throw new Error(`${words.join(" ")}: exit code ${code}\n${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  /** The names and owners in the archive that a command writes. */
  async listed(...words: string[]): Promise<string> {
    const path = `${this.top}/listed.tar`;
    await this.ok(...words, path);
    const { stdout } = await new Deno.Command("tar", { args: ["--numeric-owner", "-tvf", path] })
      .output();
    return decoder.decode(stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ids = (await this.dd("ps", "-aq")).stdout.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await this.dd("rm", "-f", ...ids);
    await new Deno.Command("umount", { args: ["-l", `${this.top}/m`] }).output();
  }
}

const STORAGES: [name: string, hide: boolean, note: RegExp, skip: { ignore: boolean }][] = [
  [
    "fuse-overlayfs",
    false,
    /refuses overlayfs \(fsconfig: EINVAL\): fuse-overlayfs stands in/,
    needs.ignore ? needs : skipUnless(hasFuse, "needs fuse-overlayfs"),
  ],
  ["a copy", true, /fuse-overlayfs is not installed: each container gets a copy/, needs],
];

const CHANGE = "echo x > /new; chown 5:6 /new; echo y > /old/three";

for (const [name, hide, note, skip] of STORAGES) {
  Deno.test({
    name: `where overlayfs is refused, ${name} stands in for it, and is mentioned once`,
    ...skip,
    fn: async () => {
      await using store = await new Refused(`plain-${hide}`, hide).mount();
      const run = ["run", "--network", "none"];
      const first = await store.dd(...run, "--name", "made", "bb", "sh", "-c", `${CHANGE}; id -u`);
      assertEquals([first.code, first.stdout], [0, "0\n"], first.stderr);
      assertMatch(first.stderr, note);
      assertEquals(
        (await store.ok("diff", "made")).split("\n").sort(),
        ["A /new", "A /old/three", "C /old"],
      );
      assertStringIncludes(await store.listed("export", "made", "-o"), "5/6");
      await store.ok("commit", "made", "image");
      const look = "ls / /old; stat -c %u:%g /new /data/file";
      const second = await store.dd(...run, "--rm", "image", "sh", "-c", look);
      assertEquals([second.code, second.stderr], [0, ""]);
      assertStringIncludes(second.stdout, "one\nthree\ntwo\n5:6\n1000:33\n");
      // What it wrote is there at the next start, and for cp while it is stopped.
      await store.ok("start", "-a", "made");
      await store.ok("cp", "made:/new", `${store.top}/copied`);
      assertEquals(Deno.readTextFileSync(`${store.top}/copied`), "x\n");
      await store.ok("cp", `${store.top}/copied`, "made:/back");
      assertStringIncludes(await store.ok("diff", "made"), "A /back");
      await store.ok("rm", "made");
      const remove = "rm /gone; rm -r /old; mkdir /old; sleep 1000";
      await store.ok(...run, "-d", "--name", "sleeper", "bb", "sh", "-c", remove);
      const removed = ["C /old", "D /gone", "D /old/one", "D /old/two"];
      await waitFor(async () => {
        const lines = (await store.ok("diff", "sleeper")).split("\n").sort();
        return lines.join() === removed.join();
      });
      assertEquals(await store.ok("exec", "sleeper", "cat", "/data/file"), "from the image");
      assert(!(await store.listed("export", "sleeper", "-o")).includes("gone"));
      // The image of it has marks that the store's file system does not take as devices.
      await store.ok("commit", "sleeper", "less");
      const less = await store.ok(...run, "--name", "less", "less", "sh", "-c", "ls -A / /old");
      assert(!/gone|one|two|wh/.test(less), less);
      assertEquals(await store.ok("diff", "less"), "");
      const shown = await store.dd("image", "mount", "less");
      assertStringIncludes(shown.stderr, "takes no marks of overlayfs");
      await store.ok("rm", "less");
      await store.ok("rm", "-f", "sleeper");
      await waitFor(() => !mounts().includes(`${store.top}/m/root/`));
    },
  });

  Deno.test({
    name: `where nothing maps owners either, ${name} shows those of a user namespace`,
    ...skip,
    fn: async () => {
      await using store = await new Refused(`owners-${hide}`, hide).mount();
      const run = ["run", "--network", "none", "--userns"];
      const script = "stat -c %u:%g / /bin/busybox /data/file /etc/hosts; " +
        "stat -c %a /data/file; echo x > /new; chown 5:6 /new /v; echo >> /etc/hosts && echo wrote";
      const words = ["--name", "own", "-v", "vol:/v", "bb", "sh", "-c", script];
      const first = await store.dd(...run, "auto", ...words);
      assertEquals(
        [first.code, first.stdout],
        [0, "0:0\n0:0\n1000:33\n0:0\n4755\nwrote\n"],
        first.stderr,
      );
      assertMatch(first.stderr, /nothing maps the owners of files here \(mount_setattr: EINVAL\)/);
      assertMatch(await store.ok("diff", "own"), /^A \/new$/m);
      assert(!(await store.ok("diff", "own")).includes("/data"));
      assertMatch(await store.listed("export", "own", "-o"), / 5\/6 .* new$/m);
      assertMatch(await store.listed("export", "own", "-o"), / 1000\/33 .* data\/file$/m);
      await store.ok("commit", "own", "image");
      const look = ["image", "stat", "-c", "%u:%g", "/new", "/data/file"];
      assertEquals(await store.ok("run", "--rm", "--network", "none", ...look), "5:6\n1000:33");
      // Another range: the container's files and the volume's follow it.
      await store.ok(...run, "auto", "-d", "--name", "first", "bb", "sleep", "1000");
      const start = await store.ok("start", "-a", "own");
      assertStringIncludes(start, "1000:33\n0:0\n4755\nwrote");
      const held = ["-v", "vol:/v", "bb", "sleep", "1000"];
      await store.ok(...run, "auto", "-d", "--name", "holder", ...held);
      const refused = await store.dd(...run, "auto", "--rm", "-v", "vol:/v", "bb", "true");
      assertEquals(refused.code, 125);
      assertStringIncludes(refused.stderr, "uses it with other ids");
      await store.ok("rm", "-f", "first", "holder");
      const plain = [
        "--rm",
        "--network",
        "none",
        "-v",
        "vol:/v",
        "bb",
        "stat",
        "-c",
        "%u:%g",
        "/v",
      ];
      assertEquals(await store.ok("run", ...plain), "5:6");
      await store.ok("rm", "own");
    },
  });
}

Deno.test({
  name: "where overlayfs is refused, the machine's own root lies below fuse-overlayfs",
  ...STORAGES[0][3],
  fn: async () => {
    await using store = await new Refused("host", false).mount();
    const name = `diplodock-${crypto.randomUUID()}`;
    // Neither what is mounted on the machine nor the engine's own directories are below it.
    const script = `echo x > /etc/${name}; cat /etc/${name}; ls ${store.top}/m; ` +
      `ls -A ${engine.top}; rm /etc/passwd; echo end; sleep 1000`;
    const words = ["-d", "--name", "own", "--network", "none", "host", "sh", "-c", script];
    await store.ok("run", ...words);
    let said = "";
    await waitFor(async () => /^end$/m.test(said = await store.ok("logs", "own")));
    assertEquals(said.split("\n")[0], "x");
    assert(!said.includes("containers"), said);
    const changes = ["A /etc/" + name, "C /etc", "D /etc/passwd"];
    assertEquals((await store.ok("diff", "own")).split("\n").sort(), changes);
    await store.ok("cp", `own:/etc/${name}`, `${store.top}/copied`);
    assertEquals(Deno.readTextFileSync(`${store.top}/copied`), "x\n");
    assert(Deno.statSync("/etc/passwd").isFile);
    await store.ok("rm", "-f", "own");
    await waitFor(() => !mounts().includes(`${store.top}/m/root/`));
  },
});

Deno.test({
  name: "what cannot be copied is refused in words where overlayfs and mapped owners are",
  ...needs,
  fn: async () => {
    await using store = await new Refused("words", true).mount();
    const rows: [words: string[], text: string][] = [
      [
        ["host", "true"],
        'fuse-overlayfs is not installed, and "/" is too large to be copied; install ' +
        "fuse-overlayfs, set DIPLODOCK_ROOT",
      ],
      [["--userns", "auto", "host", "true"], "nothing maps the owners of its files here"],
    ];
    for (const [words, text] of rows) {
      const { code, stderr } = await store.dd("run", "--rm", "--network", "none", ...words);
      assertEquals(code, 125, stderr);
      assertStringIncludes(stderr, text);
    }
    assertEquals(await store.ok("ps", "-aq"), "");
  },
});

function mounts(): string {
  return Deno.readTextFileSync("/proc/self/mountinfo");
}
