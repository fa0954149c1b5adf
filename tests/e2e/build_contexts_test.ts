/** Contexts beside the first: --build-context, and those that an address leads to. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BuildBox, saidIn } from "../lib/build_box.ts";
import { serveFiles } from "../lib/file_server.ts";

const box = new BuildBox();
const { engine } = box;
const test = (name: string, fn: () => Promise<void>) => box.test(name, fn);
const context = (files: Record<string, string>) => box.context(files);

async function refused(directory: string, ...flags: string[]): Promise<string> {
  const { code, stderr } = await box.build(directory, ...flags);
  assertEquals(code, 1);
  return stderr;
}

test("--build-context names directories: to copy and mount from, as a base, for a stage", async () => {
  const other = context({
    "d/f": "other\n",
    "no": "",
    ".dockerignore": "no\n.dockerignore",
    up: "-> ../../../../etc/passwd",
  });
  const directory = context({
    Dockerfile: `FROM base AS replaced
RUN false
FROM alpine:3 AS files
FROM base
COPY --from=other / /o
COPY --from=files /d/f /g
COPY --from=replaced d/f /h
RUN --mount=from=Other,target=/m find /o /m -type f | sort && cat /g /h`,
  });
  const flags = ["other", "replaced", "docker.io/library/alpine:3"].flatMap((name) => [
    "--build-context",
    `${name}=${other}`,
  ]);
  const { stderr } = await box.built(directory, ...flags);
  assertEquals(saidIn(stderr), ["/m/d/f", "/o/d/f", "other", "other"]);
  Deno.writeTextFileSync(`${other}/no`, "ignored");
  assertEquals((await box.built(directory, ...flags)).stderr.match(/CACHED/g)?.length, 6);
  Deno.writeTextFileSync(`${other}/d/f`, "changed\n");
  assertStringIncludes((await box.built(directory, ...flags)).stderr, " changed\n");
});

test("--build-context names images and layouts", async () => {
  const directory = context({
    Dockerfile: "FROM one AS a\nRUN echo in-base\nFROM two\nCOPY --from=one /etc/group /g\nENV C=d",
  });
  const layout = engine.path("layout");
  const scratch = context({ Dockerfile: "FROM scratch\nCOPY f /from-layout\nENV A=b", f: "f" });
  await engine.ok("build", "-t", "l:7", "-o", `type=oci,dest=${layout},tar=false`, scratch);
  const flags = (tag: string) => [
    ...["--build-context", "one=docker-image://base"],
    ...["--build-context", `two=oci-layout://${layout}${tag}`],
  ];
  for (const tag of ["", ":7"]) {
    await box.built(directory, ...flags(tag));
    const format = "{{json .Config.Env}} {{len .RootFS.Layers}}";
    assertMatch(await engine.ok("image", "inspect", "-f", format, "x"), /"A=b","C=d"\] 2$/);
  }
  assertStringIncludes(await refused(directory, ...flags(":8")), "has no tag 8");
  const damaged = Deno.readDirSync(`${layout}/blobs/sha256`);
  for (const { name } of damaged) Deno.writeTextFileSync(`${layout}/blobs/sha256/${name}`, "{}");
  await engine.ok("rmi", "-f", "x");
  await engine.ok("builder", "prune", "-af");
  assertMatch(await refused(directory, ...flags("")), /Cannot load|has not|invalid/);
});

test("contexts come from http, and what is no context is refused", async () => {
  const directory = context({
    Dockerfile: "FROM base\nCOPY --from=n f /f\nRUN cat /f",
    f: "packed\n",
  });
  const { stdout } = await new Deno.Command("tar", { args: ["-C", directory, "-czf", "-", "."] })
    .output();
  await using server = serveFiles({ "/c.tgz": { body: stdout }, "/text": { body: "FROM base" } });
  const named = (value: string) => ["--build-context", `n=${value}`];
  const { stderr } = await box.built(directory, ...named(`${server.address}/c.tgz`));
  assertEquals(saidIn(stderr), ["packed"]);
  const whole = await box.built(`${server.address}/c.tgz`, ...named(directory));
  assertStringIncludes(whole.stderr, "CACHED");
  const alone = await box.build(`${server.address}/text`);
  assertEquals(alone.code, 0, alone.stderr);
  const cases: [value: string, message: string][] = [
    ["/nowhere", 'failed to get build context n: path "/nowhere" not found'],
    [`${directory}/f`, `path "${directory}/f" is not a directory`],
    ["http://127.0.0.1:1/x.git#-x", 'invalid git reference "-x"'],
    ["ftp://x", "want a directory, docker-image://"],
    [`${server.address}/none`, `failed to download "${server.address}/none": status 404`],
    [`${server.address}/text`, "is no tar archive"],
    [`oci-layout://${directory}`, "it has no index.json"],
  ];
  for (const [value, message] of cases) {
    assertStringIncludes(await refused(directory, ...named(value)), message);
  }
  assertStringIncludes(
    (await box.build(directory, "--build-context", "x")).stderr,
    "invalid context value: x, expected key=value",
  );
});
