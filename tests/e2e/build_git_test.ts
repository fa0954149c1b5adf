/** Git repositories as build contexts and sources of ADD, from servers of our own. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { writeContext } from "../lib/build_box.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { runProgram } from "../lib/oci_box.ts";
import { freePort } from "../lib/registry.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
let daemon: Deno.ChildProcess | undefined;
let files: Deno.HttpServer<Deno.NetAddr> | undefined;
Deno.test.afterAll(async () => {
  daemon?.kill();
  await daemon?.status;
  await files?.shutdown();
  await engine[Symbol.asyncDispose]();
});

let port = 0;
let served: Promise<void> | undefined;

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name,
    ...skipUnless(isRoot() && hasProgram("git"), "needs root and git"),
    sanitizeResources: false, // the servers live as long as the file
    sanitizeOps: false,
    fn: async () => {
      await (served ??= serve());
      await fn();
    },
  });
}

async function git(directory: string, ...words: string[]): Promise<string> {
  const who = ["user.name=t", "user.email=t@example.com", "init.defaultBranch=main"];
  const settings = [...who, "protocol.file.allow=always"].flatMap((one) => ["-c", one]);
  const { code, stdout, stderr } = await runProgram([
    "git",
    "-C",
    directory,
    ...settings,
    ...words,
  ]);
  assertEquals(code, 0, `git ${words.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** A repository that the daemon gives out, with one commit of these files. */
async function repository(name: string, content: Record<string, string>): Promise<string> {
  const directory = writeContext(engine.path(`git/${name}`), content);
  await git(directory, "init", "-q");
  await commit(directory);
  return directory;
}

async function commit(directory: string): Promise<string> {
  await git(directory, "add", "-A");
  await git(directory, "commit", "-q", "--allow-empty", "-m", "x");
  return await git(directory, "rev-parse", "HEAD");
}

const DOCKERFILE = "FROM scratch\nCOPY . /\n";

async function serve(): Promise<void> {
  Deno.mkdirSync(engine.path("git"));
  const app = await repository("app", { Dockerfile: DOCKERFILE, word: "first\n" });
  await git(app, "tag", "v1");
  Deno.writeTextFileSync(`${app}/word`, "second\n");
  writeContext(`${app}/sub`, { "own.Dockerfile": DOCKERFILE, deep: "deep\n" });
  Deno.symlinkSync("/etc", `${app}/out`);
  Deno.writeTextFileSync(`${app}/run`, "#!/bin/sh\n", { mode: 0o755 });
  await commit(app);
  await git(app, "checkout", "-q", "-b", "dev");
  Deno.writeTextFileSync(`${app}/word`, "dev\n");
  await commit(app);
  await git(app, "checkout", "-q", "main");
  await git(app, "config", "uploadpack.allowAnySHA1InWant", "true");
  port = freePort();
  const core = await git("/", "--exec-path");
  const where = ["--listen=127.0.0.1", `--port=${port}`, `--base-path=${engine.path("git")}`];
  daemon = new Deno.Command(`${core}/git-daemon`, {
    args: ["--export-all", "--reuseaddr", ...where],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await waitFor(async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
    connection?.close();
    return connection !== undefined;
  });
}

const address = (name: string, fragment = "") => `git://127.0.0.1:${port}/${name}${fragment}`;

/** The files that a build gives out. */
async function built(context: string, ...flags: string[]): Promise<string> {
  const out = Deno.makeTempDirSync({ dir: engine.top });
  const { code, stderr } = await engine.dd("build", "-o", out, ...flags, context);
  assertEquals(code, 0, stderr);
  return out;
}

async function refused(context: string, ...flags: string[]): Promise<string> {
  const { code, stderr } = await engine.dd("build", "-q", ...flags, context);
  assertEquals(code, 1, stderr);
  return stderr;
}

const word = (directory: string) => Deno.readTextFileSync(`${directory}/word`);
const names = (directory: string) =>
  Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();

test("a repository is a context: its head, a branch, a tag, a commit, a directory", async () => {
  const head = await built(address("app"));
  assertEquals(names(head), ["Dockerfile", "out", "run", "sub", "word"]);
  assertEquals(word(head), "second\n");
  assertEquals(Deno.statSync(`${head}/run`).mode! & 0o777, 0o755);
  assertEquals(Deno.statSync(`${head}/word`).mode! & 0o777, 0o644);
  assertEquals(word(await built(address("app", "#dev"))), "dev\n");
  assertEquals(word(await built(address("app", "#v1"))), "first\n");
  const first = await git(engine.path("git/app"), "rev-parse", "v1");
  assertEquals(word(await built(address("app", `#${first}`))), "first\n");
  const sub = await built(address("app", "#main:sub"), "-f", "own.Dockerfile");
  assertEquals(names(sub), ["deep", "own.Dockerfile"]);
  const kept = await built(address("app"), "--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1");
  assert(names(kept).includes(".git"));
});

test("a server that is only files gives everything", async () => {
  const bare = engine.path("bare.git");
  await git("/", "clone", "-q", "--bare", engine.path("git/app"), bare);
  await git(bare, "update-server-info");
  files = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    try {
      return new Response(await Deno.readFile(engine.path(pathname.slice(1))));
    } catch {
      return new Response(null, { status: 404 });
    }
  });
  const url = `http://127.0.0.1:${files.addr.port}/bare.git`;
  assertEquals(word(await built(url)), "second\n");
  assertEquals(word(await built(`${url}#dev`)), "dev\n");
  const first = await git(bare, "rev-parse", "v1");
  assertEquals(word(await built(`${url}#${first.slice(0, 10)}`)), "first\n");
});

test("ADD takes what is in a repository", async () => {
  const commit = await git(engine.path("git/app"), "rev-parse", "v1");
  const add = async (line: string) =>
    await built(writeContext(Deno.makeTempDirSync({ dir: engine.top }) + "/c", {
      Dockerfile: `FROM scratch\n${line}\n`,
    }));
  const plain = await add(`ADD --checksum=${commit} ${address("app", "#v1")} /got`);
  assertEquals(names(`${plain}/got`), ["Dockerfile", "word"]);
  const kept = await add(`ADD --keep-git-dir=true ${address("app", "#v1")} /got`);
  assertEquals(names(`${kept}/got`), [".git", "Dockerfile", "word"]);
  const sub = await add(`ADD ${address("app", "#:sub")} /`);
  assertEquals(names(sub), ["deep", "own.Dockerfile"]);
  const context = writeContext(engine.path("wrong"), {
    Dockerfile: `FROM scratch\nADD --checksum=${"0".repeat(40)} ${address("app", "#v1")} /\n`,
  });
  assertStringIncludes(await refused(context), `${commit} (expected: 000`);
});

test("a named context is a repository", async () => {
  const context = writeContext(engine.path("named"), {
    Dockerfile: "FROM scratch\nCOPY --from=lib /word /\n",
  });
  const flag = ["--build-context", `lib=${address("app", "#dev")}`];
  assertEquals(word(await built(context, ...flag)), "dev\n");
});

test("submodules come with it, but none of this machine's files", async () => {
  const lib = await repository("lib", { part: "part\n" });
  const whole = await repository("whole", { Dockerfile: DOCKERFILE });
  await git(whole, "submodule", "--quiet", "add", lib, "near");
  await git(whole, "config", "-f", ".gitmodules", "submodule.near.url", "../lib");
  await git(whole, "submodule", "--quiet", "add", "-f", address("lib"), "far");
  await commit(whole);
  const got = await built(address("whole"));
  for (const name of ["near", "far"]) {
    assertEquals(Deno.readTextFileSync(`${got}/${name}/part`), "part\n");
  }
  const thief = await repository("thief", { Dockerfile: DOCKERFILE });
  await git(thief, "submodule", "--quiet", "add", `file://${lib}`, "lib");
  await commit(thief);
  assertMatch(await refused(address("thief")), /Cannot fetch git repository .*not allowed/);
});

test("what is not there, and what leads out of a repository, is refused", async () => {
  assertMatch(await refused(address("none")), /Cannot fetch git repository git:\S+none: fatal: /);
  assertMatch(await refused(address("app", "#nothing")), /Cannot fetch git repository .*nothing/);
  assertMatch(await refused(address("app", "#:none")), /path ".*none" not found/);
  assertMatch(await refused(address("app", "#:out")), /"out" leads out of it/);
  assertMatch(await refused(address("app", "#:..")), /"\.\." leads out of it/);
});
