/** `cp`: into containers, out of them, between them, as archives; and what must not leave them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Engine, type Result } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
const box = engine.rootfs("box");
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

let serial = 0;

/** A container that runs, and one that never did: both must behave alike. */
const STATES = ["running", "created"] as const;

async function container(state: typeof STATES[number], ...flags: string[]): Promise<string> {
  const name = `cp${++serial}`;
  const words = ["--name", name, "--network", "none", ...flags, "--rootfs", `${box}:O`];
  const run = state === "running" ? ["run", "-d"] : ["create"];
  await engine.ok(...run, ...words, "/bin/sleep", "1000");
  return name;
}

function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name: `cp: ${name}`, ...skipUnless(isRoot(), "needs root"), fn: run });
}

function tree(name: string): string {
  const directory = engine.path(name);
  Deno.mkdirSync(`${directory}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${directory}/a`, "first");
  Deno.writeTextFileSync(`${directory}/sub/b`, "second");
  Deno.chmodSync(`${directory}/a`, 0o4751);
  Deno.linkSync(`${directory}/a`, `${directory}/same`);
  Deno.symlinkSync("a", `${directory}/link`);
  Deno.chownSync(`${directory}/sub/b`, 1000, 1001);
  Deno.utimeSync(`${directory}/a`, 1_000_000_000, 1_000_000_000);
  return directory;
}

function owner({ uid, gid }: Deno.FileInfo): string {
  return `${uid}:${gid}`;
}

for (const state of STATES) {
  test(`a tree goes into a ${state} container and comes back the same`, async () => {
    const name = await container(state);
    const source = tree(`in-${state}`), back = engine.path(`back-${state}`);
    await engine.ok("cp", source, `${name}:/new`);
    await engine.ok("cp", "-a", `${name}:/new`, back);
    assertEquals(Deno.readTextFileSync(`${back}/sub/b`), "second");
    assertEquals(Deno.readLinkSync(`${back}/link`), "a");
    assertEquals(owner(Deno.statSync(`${back}/sub/b`)), "1000:1001");
    const file = Deno.statSync(`${back}/a`);
    assertEquals(file.mode! & 0o7777, 0o4751);
    assertEquals(file.mtime!.getTime(), 1_000_000_000_000);
    assertEquals(file.ino, Deno.statSync(`${back}/same`).ino);
  });
}

test("what comes out belongs to who copies, with -a to whom it belonged", async () => {
  const name = await container("created");
  const source = engine.file("owned", "text");
  Deno.chownSync(source, 1000, 1001);
  await engine.ok("cp", source, `${name}:/owned`);
  const cases: [string[], string][] = [
    [[], `${Deno.uid()}:${Deno.gid()}`],
    [["-a"], "1000:1001"],
  ];
  for (const [flags, want] of cases) {
    const out = engine.path(`owned${flags.length}`);
    await engine.ok("cp", ...flags, `${name}:/owned`, out);
    assertEquals(owner(Deno.statSync(out)), want);
  }
});

test("with -a what goes in belongs to the container's user", async () => {
  const name = await container("running", "-u", "5:6");
  await engine.ok("cp", "-a", engine.file("users", "text"), `${name}:/users`);
  assertEquals(await engine.ok("exec", name, "/bin/stat", "-c", "%u:%g", "/users"), "5:6");
});

test("the content of a directory, by /.", async () => {
  const name = await container("created");
  await engine.ok("cp", `${tree("content")}/.`, `${name}:/bin`);
  const out = engine.path("content-out");
  await engine.ok("cp", `${name}:/bin/sub/.`, out);
  assertEquals(Deno.readTextFileSync(`${out}/b`), "second");
});

test("archives on stdout and stdin", async () => {
  const name = await container("running");
  await engine.ok("cp", tree("archive"), `${name}:/archive`);
  const child = engine.spawn(["cp", `${name}:/archive`, "-"]);
  const { stdout } = await child.output();
  const { code } = await engine.with({ stdin: stdout }, "cp", "-", `${name}:/bin`);
  assertEquals(code, 0);
  assertEquals(await engine.ok("exec", name, "/bin/cat", "/bin/archive/sub/b"), "second");
});

test("from one container to another", async () => {
  const [from, to] = [await container("created"), await container("running")];
  await engine.ok("cp", engine.file("between", "carried"), `${from}:/between`);
  await engine.ok("cp", `${from}:/between`, `${to}:/`);
  assertEquals(await engine.ok("exec", to, "/bin/cat", "/between"), "carried");
});

test("20 MB with a hole, unchanged and still with the hole", async () => {
  const name = await container("running");
  const path = engine.path("large");
  {
    using file = Deno.openSync(path, { create: true, write: true });
    file.truncateSync(20_000_000);
    file.seekSync(10_000_000, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(4096).fill(7));
  }
  await engine.ok("cp", path, `${name}:/large`);
  await engine.ok("cp", `${name}:/large`, `${path}-back`);
  assertEquals(Deno.readFileSync(`${path}-back`), Deno.readFileSync(path));
  assert(Deno.statSync(`${path}-back`).blocks! * 512 < 1_000_000);
});

test("no link of the container leads out of it", async () => {
  const name = await container("running");
  const outside = engine.path("outside");
  Deno.mkdirSync(outside);
  const links = `ln -s ${outside} /away; ln -s ../../../../../..${outside}/file /dangling`;
  await engine.ok("exec", name, "/bin/sh", "-c", links);
  const source = engine.file("secret", "text");
  const refused: Result[] = [
    await engine.dd("cp", source, `${name}:/away/file`),
    await engine.dd("cp", source, `${name}:/dangling`),
    await engine.dd("cp", `${name}:/away/.`, engine.path("stolen")),
  ];
  assertEquals(refused.map(({ code }) => code), [1, 1, 1]);
  assertEquals([...Deno.readDirSync(outside)], []);
});

test("an archive with a path that leads outside is refused", async () => {
  const name = await container("created");
  const made = engine.file("escape", "text");
  const tar = new Deno.Command("tar", {
    args: ["-cP", "--transform", "s,.*,../../escape,", made],
  }).outputSync();
  const { code, stderr } = await engine.with({ stdin: tar.stdout }, "cp", "-", `${name}:/bin`);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "leads outside");
});

/** docker's texts, seen from docker 20.10 with the client of 28. */
const REFUSALS: [name: string, words: (name: string) => string[], text: string][] = [
  ["no container on either side", () => ["a", "b"], "must specify at least one container source"],
  ["no such container", () => ["nosuch:/f", "."], "No such container: nosuch"],
  [
    "no such file in the container",
    (c) => [`${c}:/nosuch`, "."],
    "Could not find the file /nosuch",
  ],
  ["no such file here", (c) => ["/nosuch", `${c}:/`], "lstat /nosuch: no such file or directory"],
  [
    "no such directory here",
    (c) => [`${c}:/bin/busybox`, "/nosuch/x"],
    'invalid output path: directory "/nosuch" does not exist',
  ],
  [
    "a file to a directory that is not",
    (c) => ["/bin/busybox", `${c}:/nodir/`],
    "no such directory",
  ],
  ["a directory over a file", (c) => ["/proc/self/", `${c}:/bin/busybox`], "cannot copy directory"],
];
for (const [name, words, text] of REFUSALS) {
  test(`refused: ${name}`, async () => {
    const { code, stderr } = await engine.dd("cp", ...words(await container("created")));
    assertEquals(code, 1);
    assertStringIncludes(stderr, text);
  });
}
