/** `cp`: into, out of and between containers, running and stopped; archives; hostile trees. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { PseudoTerminal } from "../lib/pseudo_terminal.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { tarOf } from "../lib/tree.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const TREE =
  "rm -rf /w; mkdir -p /w/d/e /w/dst; echo hi >/w/f; echo deep >/w/d/e/x; ln -s f /w/l; " +
  "ln -s d /w/ld; ln -s /nowhere /w/dangling; echo old >/w/old; ln -s dst /w/ldst; " +
  "ln -s newf /w/lnew";

let made = 0;
let image: Promise<unknown> | undefined;

/** A container of a small root file system with the tree above; it runs, or has ended. */
async function container(kind: "running" | "stopped", ...flags: string[]): Promise<string> {
  const name = `box${made++}`;
  image ??= (async () => {
    const root = engine.rootfs("image");
    await new Deno.Command("tar", { args: ["-C", root, "-cf", engine.path("image.tar"), "."] })
      .output();
    await engine.ok("import", "-c", "ENV PATH=/bin", engine.path("image.tar"), "small");
  })();
  await image;
  const then = kind === "running" ? "; echo ready; exec sleep 1000" : "";
  const args = ["--name", name, "--network", "none", ...flags, "small", "sh", "-c", TREE + then];
  if (kind === "stopped") await engine.ok("run", ...args);
  else {
    await engine.ok("run", "-d", ...args);
    await ready(name);
  }
  return name;
}

async function ready(name: string): Promise<void> {
  await waitFor(async () => (await engine.ok("logs", name)).includes("ready"));
}

/** A fresh directory on the host with a tree like the container's. */
function hostTree(): string {
  const top = engine.path(`host${made++}`);
  Deno.mkdirSync(`${top}/d/e`, { recursive: true });
  Deno.mkdirSync(`${top}/dst`);
  Deno.writeTextFileSync(`${top}/f`, "hi\n");
  Deno.writeTextFileSync(`${top}/d/e/x`, "deep\n");
  Deno.writeTextFileSync(`${top}/old`, "old\n");
  Deno.symlinkSync("f", `${top}/l`);
  Deno.symlinkSync("d", `${top}/ld`);
  return top;
}

const OUT: [words: string, paths: string][] = [
  ["f new", "new"],
  ["f old", "old"],
  ["f dst", "dst/f"],
  ["d dst", "dst/d/e/x"],
  ["d dst2", "dst2/e/x"],
  ["d/. dst", "dst/e/x"],
  ["ld/ dst2", "dst2/e/x"],
  ["-L l plain", "plain"],
  ["-L ld dst", "dst/ld/e/x"],
  ["../w/f new", "new"],
];

for (const kind of ["running", "stopped"] as const) {
  test(`cp() copies out of and into a ${kind} container by docker's rules`, async () => {
    const name = await container(kind);
    const from = (words: string, top: string, side: (path: string) => string, target: string) => {
      const parts = words.split(" ");
      const to = parts.pop()!, path = parts.pop()!;
      return ["cp", ...parts, path.startsWith("/") ? path : side(path), `${target}${top}/${to}`];
    };
    for (const [words, path] of OUT) {
      const top = hostTree();
      await engine.ok(...from(words, top, (inside) => `${name}:/w/${inside}`, ""));
      const want = path.endsWith("x") ? "deep\n" : "hi\n";
      assertEquals(Deno.readTextFileSync(`${top}/${path}`), want, `out: ${words}`);
      assert(Deno.lstatSync(`${top}/${path}`).isFile, `out: ${words}`);
    }
    for (const [words, path] of OUT) {
      if (words.startsWith("../")) continue;
      const top = hostTree();
      const target = `/in${made++}`;
      await engine.ok("cp", top, `${name}:${target}`);
      await engine.ok(...from(words, target, (inside) => `${top}/${inside}`, `${name}:`));
      const back = engine.path(`back${made++}`);
      await engine.ok("cp", `${name}:${target}/${path}`, back);
      const want = path.endsWith("x") ? "deep\n" : "hi\n";
      assertEquals(Deno.readTextFileSync(back), want, `in: ${words}`);
    }
  });
}

test("cp() writes through a link at the end of the target, inside the container", async () => {
  const name = await container("running");
  const top = hostTree();
  await engine.ok("cp", `${top}/f`, `${name}:/w/ldst`);
  await engine.ok("cp", `${top}/f`, `${name}:/w/lnew`);
  const seen = await engine.ok("exec", name, "cat", "/w/dst/f", "/w/newf");
  assertEquals(seen, "hi\nhi");
});

// `C` is the container, `H` a directory of the host.
const ERRORS: [words: string, message: string][] = [
  ["C:/nosuch H", "Error response from daemon: Could not find the file /nosuch in container C"],
  [
    "-L C:/w/dangling H",
    "Error response from daemon: Could not find the file /nowhere in container C",
  ],
  ["C:/w/f/ H", "Error response from daemon: lstat /w/f/: not a directory"],
  ["C:/w/d H/old", "cannot copy directory"],
  ["C:/w/f H/new/", "no such directory"],
  ["C:/w/f H/old/", "stat H/old/: not a directory"],
  ["C:/w/f H/no/such", 'invalid output path: directory "H/no" does not exist'],
  ["nosuch:/f H", "Error response from daemon: No such container: nosuch"],
  ["H/f H/old", "must specify at least one container source"],
  ["C: H", "Error response from daemon: bad parameter: path cannot be empty"],
  ["H/nosuch C:/w", "lstat H/nosuch: no such file or directory"],
  ["H/f/ C:/w", "not a directory"],
  ["H/f C:/w/new/", "no such directory"],
  ["H/f C:/w/no/such", "Error response from daemon: Could not find the file /w/no in container C"],
  ["H/d C:/w/f", "cannot copy directory"],
  ["H/f C:/w/f/x", "Error response from daemon: extraction point is not a directory"],
  [
    "H/f C:/dev/null",
    'destination "C:/dev/null" must be a directory or a regular file: got a device',
  ],
  ["- C:/w/f", 'destination "C:/w/f" must be a directory'],
  ["- C:/nosuch", 'destination "C:/nosuch" must be a directory'],
  ["C:/w C:/w/dst/inside", "cannot copy directory /w into itself"],
];

test("cp() refuses what cannot be with docker's texts, and exit code 1", async () => {
  const name = await container("running");
  const top = hostTree();
  const real = (text: string) => text.replaceAll(/\bC\b/g, name).replaceAll(/\bH\b/g, top);
  for (const [words, message] of ERRORS) {
    const { code, stdout, stderr } = await engine.dd("cp", ...real(words).split(" "));
    assertEquals({ code, stdout, stderr }, { code: 1, stdout: "", stderr: `${real(message)}\n` });
  }
  assertEquals(await engine.ok("exec", name, "cat", "/w/f"), "hi");
});

test("cp() keeps modes, times, hard links, holes and odd names", async () => {
  const name = await container("stopped");
  const top = hostTree();
  Deno.chmodSync(`${top}/f`, 0o4751);
  Deno.utimeSync(`${top}/f`, 1_000_000_000, 1_000_000_000);
  Deno.utimeSync(`${top}/d`, 1_000_000_001, 1_000_000_001);
  Deno.linkSync(`${top}/f`, `${top}/same`);
  Deno.writeTextFileSync(`${top}/new\nline \u00e4`, "odd\n");
  Deno.truncateSync(`${top}/old`, 64 << 20);
  await engine.ok("cp", `${top}/.`, `${name}:/kept`);
  await engine.ok("cp", `${name}:/kept/.`, `${top}/back`);
  const file = Deno.statSync(`${top}/back/f`), old = Deno.statSync(`${top}/back/old`);
  assertEquals(file.mode! & 0o7777, 0o4751);
  assertEquals(file.mtime?.getTime(), 1_000_000_000_000);
  assertEquals(Deno.statSync(`${top}/back/d`).mtime?.getTime(), 1_000_000_001_000);
  assertEquals(file.ino, Deno.statSync(`${top}/back/same`).ino);
  assertEquals(old.size, 64 << 20);
  assert(old.blocks! < 100, `${old.blocks} blocks`);
  assertEquals(Deno.readTextFileSync(`${top}/back/new\nline \u00e4`), "odd\n");
});

test("cp() keeps owners into a container, and out of it only with -a", async () => {
  const name = await container("running");
  const top = hostTree();
  Deno.chownSync(`${top}/f`, 1234, 5678);
  await engine.ok("cp", `${top}/f`, `${name}:/owned`);
  assertEquals(await engine.ok("exec", name, "stat", "-c", "%u:%g", "/owned"), "1234:5678");
  await engine.ok("cp", `${name}:/owned`, `${top}/mine`);
  await engine.ok("cp", "-a", `${name}:/owned`, `${top}/theirs`);
  assertEquals(Deno.statSync(`${top}/mine`).uid, 0);
  assertEquals(Deno.statSync(`${top}/theirs`).uid, 1234);
});

test("cp() with -a gives files to the user of the container", async () => {
  const name = await container("running", "--user", "77:88");
  const top = hostTree();
  await engine.ok("cp", "-a", `${top}/f`, `${name}:/theirs`);
  assertEquals(await engine.ok("exec", name, "stat", "-c", "%u:%g", "/theirs"), "77:88");
});

test("cp() maps owners of a container with a user namespace", async () => {
  const name = await container("running", "--userns", "auto");
  const top = hostTree();
  Deno.chownSync(`${top}/f`, 12, 34);
  await engine.ok("cp", `${top}/f`, `${name}:/owned`);
  assertEquals(await engine.ok("exec", name, "stat", "-c", "%u:%g", "/owned"), "12:34");
  await engine.ok("cp", "-a", `${name}:/owned`, `${top}/back`);
  assertEquals(Deno.statSync(`${top}/back`).uid, 12);
});

test("cp() streams an archive out and takes one, compressed or not", async () => {
  const name = await container("running");
  const out = await engine.spawn(["cp", `${name}:/w/d`, "-"]).output();
  assertEquals(out.code, 0);
  const list = await engine.with({ stdin: out.stdout }, "exec", "-i", name, "wc", "-c");
  assertEquals(Number(list.stdout), out.stdout.length);
  const zipped = new Response(
    new Blob([out.stdout]).stream().pipeThrough(new CompressionStream("gzip")),
  );
  const gzip = new Uint8Array(await zipped.arrayBuffer());
  for (const [place, stdin] of [["plain", out.stdout], ["gzip", gzip]] as const) {
    await engine.ok("exec", name, "mkdir", `/${place}`);
    const { code, stderr } = await engine.with({ stdin }, "cp", "-", `${name}:/${place}`);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(await engine.ok("exec", name, "cat", `/${place}/d/e/x`), "deep");
  }
  const broken = await engine.with({ stdin: "garbage" }, "cp", "-", `${name}:/w`);
  assertEquals(broken.code, 1);
  assertStringIncludes(broken.stderr, "Cannot read archive");
});

test("cp() of an archive never writes outside the container's root", async () => {
  const secret = engine.file("secret", "untouched\n");
  const outside = engine.path("outside");
  Deno.mkdirSync(outside);
  const hostile: string[][] = [
    [`file ../../../../../../../../..${outside}/a evil`],
    [`file ${outside}/a evil`],
    [`symlink way ${outside}`, "file way/a evil"],
    [`symlink up ../../../../../../../../..${outside}`, "file up/a evil"],
    [`symlink f ${secret}`, "file f evil"],
    [`hardlink h ${secret}`, "file h evil"],
    ["symlink h2 /", `hardlink x h2${secret}`, "file x evil"],
  ];
  for (const kind of ["running", "stopped"] as const) {
    const name = await container(kind);
    for (const lines of hostile) {
      await engine.with({ stdin: tarOf(lines) }, "cp", "-", `${name}:/w/dst`);
      assertEquals([...Deno.readDirSync(outside)], [], lines.join("; "));
      assertEquals(Deno.readTextFileSync(secret), "untouched\n", lines.join("; "));
    }
  }
});

test("cp() follows no link of a container to the host, neither to read nor to write", async () => {
  const secret = engine.file("hostsecret", "secret\n");
  const name = await container("running");
  const up = "../".repeat(12);
  await engine.ok("exec", name, "ln", "-s", `${up}${engine.top}`, "/w/esc");
  await engine.ok("exec", name, "ln", "-s", secret, "/w/leak");
  const top = hostTree();
  for (const source of ["/w/esc/hostsecret", "/w/leak/.", "/w/../../../../.." + secret]) {
    assertEquals((await engine.dd("cp", "-L", `${name}:${source}`, `${top}/got`)).code, 1, source);
  }
  assertEquals((await engine.dd("cp", "-L", `${name}:/w/leak`, `${top}/got`)).code, 1);
  await engine.dd("cp", `${top}/f`, `${name}:/w/esc/written`);
  await engine.dd("cp", `${top}/f`, `${name}:/w/leak`);
  assertEquals(Deno.readTextFileSync(secret), "secret\n");
  assertEquals([...Deno.readDirSync(engine.top)].some((e) => e.name === "written"), false);
});

for (const kinds of [["running", "stopped"], ["stopped", "stopped"]] as const) {
  test(`cp() copies from a ${kinds[0]} container to a ${kinds[1]} one`, async () => {
    const from = await container(kinds[0]), to = await container(kinds[1]);
    assertEquals(await engine.ok("cp", `${from}:/w/d`, `${to}:/copied`), "");
    const back = engine.path(`back${made++}`);
    await engine.ok("cp", `${to}:/copied/e/x`, back);
    assertEquals(Deno.readTextFileSync(back), "deep\n");
  });
}

test("cp() copies within one container, running or stopped", async () => {
  for (const kind of ["running", "stopped"] as const) {
    const name = await container(kind);
    await engine.ok("cp", `${name}:/w/d`, `${name}:/again`);
    const back = engine.path(`back${made++}`);
    await engine.ok("cp", `${name}:/again/e/x`, back);
    assertEquals(Deno.readTextFileSync(back), "deep\n");
  }
});

test("cp() sees volumes, also of a stopped container, and respects what is read-only", async () => {
  const top = hostTree();
  const volumes = ["-v", "vol:/vol", "-v", `${top}:/ro:ro`];
  for (const kind of ["running", "stopped"] as const) {
    const name = await container(kind, ...volumes);
    await engine.ok("cp", `${top}/f`, `${name}:/vol/${kind}`);
    const data = await engine.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "vol");
    assertEquals(Deno.readTextFileSync(`${data}/${kind}`), "hi\n");
    const { code, stderr } = await engine.dd("cp", `${top}/f`, `${name}:/ro/new`);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "mounted volume is marked read-only");
  }
  await engine.ok("create", "--name", "closed", "--read-only", "--network", "none", "small", "sh");
  const { stderr } = await engine.dd("cp", `${top}/f`, "closed:/new");
  assertEquals(stderr, "Error response from daemon: container rootfs is marked read-only\n");
});

test("cp() replaces the content of a file that something is mounted on", async () => {
  const name = await container("running");
  await engine.ok("cp", `${hostTree()}/f`, `${name}:/etc/hosts`);
  assertEquals(await engine.ok("exec", name, "cat", "/etc/hosts"), "hi");
});

test("cp() shows progress and a closing line on a terminal only", async () => {
  const name = await container("stopped");
  const top = hostTree();
  using terminal = new PseudoTerminal();
  const child = terminal.spawn(engine, "cp", `${top}/f`, `${name}:/w/`);
  const shown = await terminal.until(/Successfully copied [^\n]*\n/);
  assertMatch(shown, new RegExp(`Successfully copied 2\\.05kB to ${name}:/w/\r?\n`));
  assertMatch(shown, /Copying to container - \d/);
  assertEquals((await child.status).code, 0);
  using silent = new PseudoTerminal();
  assertEquals((await silent.spawn(engine, "cp", "-q", `${top}/f`, `${name}:/w/`).status).code, 0);
  await silent.drain();
  assertEquals(silent.shown, "");
});

test("cp() leaves no mount, and the container can be started again", async () => {
  const name = await container("stopped");
  await engine.ok("cp", `${hostTree()}/f`, `${name}:/w/again`);
  assertEquals(engine.mounts(), []);
  await engine.ok("start", "-a", name);
});

test("cp() onto a full disk keeps what was there, and leaves nothing half made", async () => {
  const name = await container("running", "--tmpfs", "/t:size=64k");
  const top = hostTree();
  Deno.writeTextFileSync(`${top}/big`, "new\n".repeat(50_000));
  await engine.ok("exec", name, "sh", "-c", "echo old > /t/kept");
  for (const target of ["kept", "fresh"]) {
    const { code, stderr } = await engine.dd("cp", `${top}/big`, `${name}:/t/${target}`);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "ENOSPC");
  }
  assertEquals(await engine.ok("exec", name, "sh", "-c", "ls -A /t; cat /t/kept"), "kept\nold");
});
