/** Where builds put their result and what they tell of it: archives, registries, files for scripts. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { writeContext } from "../lib/build_box.ts";
import { Engine } from "../lib/engine.ts";
import { runProgram } from "../lib/oci_box.ts";
import { canServe, Registry } from "../lib/registry.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const context = (name: string, files: Record<string, string>) =>
  writeContext(engine.path(name), files);

let made: string | undefined;
/** A context that needs nothing but itself. */
function plain(): string {
  return made ??= context("plain", { Dockerfile: "FROM scratch\nCOPY f /d/\nENV A=b", f: "f\n" });
}

function test(name: string, fn: () => Promise<void>, needs = isRoot()): void {
  Deno.test({ name, ...skipUnless(needs, "needs root and the peers of the test"), fn });
}

async function refused(...args: string[]): Promise<string> {
  const { code, stderr } = await engine.dd("build", ...args);
  assert(code !== 0, `build ${args.join(" ")} was not refused`);
  return stderr;
}

test("archives of docker's and OCI's kind are written, and no image is kept", async () => {
  const [docker, oci, directory] = ["d.tar", "o.tar", "layout"].map((one) => engine.path(one));
  await engine.ok("build", "-t", "a:1", "-o", `type=docker,dest=${docker}`, plain());
  const both = [`type=oci,dest=${oci},name=b:2`, `type=oci,dest=${directory},tar=false`];
  const id = await engine.ok("build", "-q", "-o", both[0], "-o", both[1], plain());
  assertEquals(await engine.ok("images", "-aq"), "");
  assertEquals(JSON.parse(Deno.readTextFileSync(`${directory}/oci-layout`)), {
    imageLayoutVersion: "1.0.0",
  });
  assertStringIncludes(await engine.ok("load", "-i", docker), "Loaded image: a:1");
  assertStringIncludes(await engine.ok("load", "-i", oci), "Loaded image: b:2");
  for (const name of ["a:1", "b:2"]) {
    assertEquals(await engine.ok("image", "inspect", "-f", "{{.Id}}", name), id);
  }
  await engine.ok("build", "-q", "-o", "type=cacheonly", plain());
  const streamed = await engine.ok("build", "-q", "-t", "c", "-o", "type=oci", plain());
  assertStringIncludes(streamed, "oci-layout");
});

test("skopeo reads the archives", async () => {
  const archive = engine.path("s.tar");
  await engine.ok("build", "-q", "-t", "s:1", "-o", `type=oci,dest=${archive}`, plain());
  const { code, stdout } = await runProgram(["skopeo", "inspect", `oci-archive:${archive}`]);
  assertEquals(code, 0);
  assertStringIncludes(stdout, '"A=b"');
}, isRoot() && hasProgram("skopeo"));

test("--iidfile and --metadata-file tell of the image, and are gone when a build fails", async () => {
  const [iidfile, metadata] = ["iid", "metadata"].map((one) => engine.path(one));
  const flags = ["--iidfile", iidfile, "--metadata-file", metadata];
  const annotation = ["--annotation", "org.example=x y", "--annotation", "manifest:n=1"];
  const id = await engine.ok("build", "-q", ...flags, ...annotation, "-t", "m:1", plain());
  assertEquals(Deno.readTextFileSync(iidfile), id);
  const told = JSON.parse(Deno.readTextFileSync(metadata));
  assertEquals(told["containerimage.config.digest"], id);
  assertEquals(told["image.name"], "docker.io/library/m:1");
  const digest = told["containerimage.digest"];
  const blob = `${engine.root}/images/blobs/sha256/${digest.slice(7)}`;
  assertEquals(told["containerimage.descriptor"].size, Deno.statSync(blob).size);
  const { annotations } = JSON.parse(Deno.readTextFileSync(blob));
  assertEquals(annotations, { "org.example": "x y", n: "1" });
  await refused(...flags, "--target", "none", plain());
  for (const path of [iidfile, metadata]) {
    assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
  }
});

test("SOURCE_DATE_EPOCH makes the times of the image those of another day", async () => {
  const flags = ["--build-arg", "SOURCE_DATE_EPOCH=1600000000", "-t", "old"];
  const { stderr } = await engine.dd("build", ...flags, plain());
  assert(!stderr.includes("not consumed"), stderr);
  const byEnvironment = await engine.with(
    { env: { SOURCE_DATE_EPOCH: "1600000000" } },
    ...["build", "-q", plain()],
  );
  const id = await engine.ok("image", "inspect", "-f", "{{.Id}}", "old");
  assertEquals(byEnvironment.stdout, `${id}\n`);
  const created = await engine.ok("image", "inspect", "-f", "{{.Created}}", "old");
  assertEquals(created, "2020-09-13T12:26:40Z");
  const times = await engine.ok("history", "--human=false", "--format", "{{.CreatedAt}}", "old");
  assertEquals(new Set(times.split("\n")).size, 1);
});

test("--no-cache-filter carries out the stages that it names", async () => {
  const directory = context("filter", {
    Dockerfile: "FROM scratch AS a\nCOPY f /a\nFROM scratch\nCOPY --from=a /a /b\nCOPY f /c",
    f: "f",
  });
  await engine.ok("build", "-q", directory);
  const { stderr } = await engine.dd("build", "--no-cache-filter", "A,none", directory);
  assertMatch(stderr, /COPY f \/a\n#\d+ DONE/);
  assertMatch(stderr, /COPY f \/c\n#\d+ CACHED/);
  assertStringIncludes(stderr, 'no stage is named "none"; the stages are a, stage-1');
});

test("--progress has BuildKit's modes", async () => {
  const raw = await engine.dd("build", "--progress", "rawjson", "--no-cache", plain());
  const messages = raw.stderr.trim().split("\n").map((line) => JSON.parse(line));
  const vertexes = messages.flatMap((one) => one.vertexes ?? []);
  const copy = vertexes.filter(({ name }) => name === "[1/1] COPY f /d/");
  assertEquals(copy.length, 2);
  assertEquals(copy[0].digest, copy[1].digest);
  assert(copy[1].completed >= copy[1].started);
  assertEquals((await engine.dd("build", "--progress", "none", plain())).stderr, "");
  assertStringIncludes(await refused("--progress", "x", plain()), "invalid progress mode x");
});

test("outputs that cannot be are refused", async () => {
  const cases: [flags: string[], message: string][] = [
    [["-o", "type=none"], 'exporter "none" could not be found'],
    [["-o", "dest=x"], "type is required for output"],
    [["-o", "type=local"], "output directory is required for local exporter"],
    [["-o", "type=tar,dest=x,compression=gzip"], 'has no key "compression": want dest'],
    [["-o", "type=oci,tar=false"], "needs a directory"],
    [["-o", "-", "-o", "type=oci"], "only one --output"],
    [["-o", "x", "--push", "-t", "a"], `push and "local" output can't be used together`],
    [["-o", "x", "--load"], `load and "local" output can't be used together`],
    [["--platform", "linux/amd64,linux/arm64"], "Cannot build for several platforms"],
    [["--push"], "tag is needed when pushing to registry"],
    [["--annotation", "index:a=b"], "annotation of index is not supported"],
  ];
  for (const [flags, message] of cases) {
    assertStringIncludes(await refused(...flags, plain()), message);
  }
});

test("bases are pulled and images pushed, with progress, by a registry", async () => {
  await using registry = await Registry.start();
  const base = `${registry.host}/team/base:1`, name = `${registry.host}/team/app:1`;
  const pushed = await engine.dd("build", "-t", base, "--push", plain());
  assertEquals([pushed.code, pushed.stdout], [0, ""], pushed.stderr);
  assertMatch(pushed.stderr, /^#\d+ pushing 127\.0\.0\.1:\d+\/team\/base:1$/m);
  assertMatch(pushed.stderr, /^#\d+ [0-9a-f]{12}: Pushed$/m);
  await engine.ok("rmi", "-f", base);
  await engine.ok("builder", "prune", "-af");
  const directory = context("on-base", {
    Dockerfile: `FROM ${base}\nCOPY --from=${base} /d/f /g\nENV C=d`,
  });
  const flags = ["-t", `${name}`, "-t", `${registry.host}/team/app:2`, "-o", "type=registry"];
  const { code, stderr } = await engine.dd("build", ...flags, directory);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^#2 \[internal\] load metadata for 127\.0\.0\.1:\d+\/team\/base:1$/m);
  assertMatch(stderr, /^#2 [0-9a-f]{12}: Pull complete$/m);
  const tags = await (await fetch(`http://${registry.host}/v2/team/app/tags/list`)).json();
  assertEquals(tags.tags.sort(), ["1", "2"]);
  const quiet = await engine.dd("build", "-q", "-t", name, "--push", directory);
  assertMatch(quiet.stdout, /^sha256:[0-9a-f]{64}\n$/);
  assertEquals(quiet.stderr, "");
  const missing = context("missing", { Dockerfile: `FROM ${registry.host}/team/none` });
  assertMatch(
    await refused(missing),
    /Dockerfile:1\n.*ERROR: failed to solve: 127\.0\.0\.1:\d+\/team\/none: failed to resolve/s,
  );
  const closed = "127.0.0.1:1/x";
  assertStringIncludes(await refused("-t", closed, "--push", plain()), `failed to push ${closed}`);
}, isRoot() && canServe());
