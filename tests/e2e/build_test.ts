/** Images from Dockerfiles: layers, variables, stages, contexts, the cache. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BuildBox, saidIn } from "../lib/build_box.ts";

const box = new BuildBox();
const { engine } = box;
const test = (name: string, fn: () => Promise<void>) => box.test(name, fn);
const context = (files: Record<string, string>) => box.context(files);
const build = (directory: string, ...flags: string[]) => box.build(directory, ...flags);
const built = (directory: string, ...flags: string[]) => box.built(directory, ...flags);
const run = (...words: string[]) => box.run(...words);

test("build makes layers and a config", async () => {
  const directory = context({
    Dockerfile: `ARG TAG=latest
FROM base:$TAG
ARG V=1
ENV X=$V
WORKDIR /app
COPY --chown=app:apps a.txt dir ./
RUN echo "$X $V" > made && pwd
LABEL l=$X
USER app
CMD cat made a.txt in/deep`,
    "a.txt": "a\n",
    "dir/in/deep": "deep\n",
  });
  const { stderr } = await built(directory, "--build-arg", "V=2", "--label", "m=n");
  const unset = await built(directory, "--build-arg", "V", "--build-arg", "UNKNOWN");
  assert(!unset.stderr.includes("not consumed"), unset.stderr);
  assertStringIncludes(await run(), "1 1\n");
  await built(directory, "--build-arg", "V=2", "--label", "m=n");
  assertMatch(stderr, /^#5 \[3\/4\] COPY --chown=app:apps a\.txt dir \.\/$/m);
  assertMatch(stderr, /^#6 \d+\.\d{3} \/app$/m);
  assertEquals(await run(), "2 2\na\ndeep");
  assertEquals(
    await run("stat", "-c", "%u:%g %n", "a.txt", "in/deep", "made"),
    [
      "7:9 a.txt",
      "7:9 in/deep",
      "0:0 made",
    ].join("\n"),
  );
  const format = "{{json .Config.Env}} {{json .Config.Labels}} {{.Config.User}}";
  assertEquals(
    await engine.ok("image", "inspect", "-f", format, "x"),
    '["PATH=/bin","X=2"] {"l":"2","m":"n"} app',
  );
  const history = await engine.ok("history", "--no-trunc", "--format", "{{.CreatedBy}}", "x");
  assertStringIncludes(history, 'RUN |1 V=2 /bin/sh -c echo "$X $V" > made && pwd # buildkit');
});

test("the same build takes everything from the cache and has the same id", async () => {
  const dockerfile = "FROM base\nCOPY f /\nRUN echo ran\nENV a=b";
  const directory = context({ Dockerfile: dockerfile, f: "1" });
  const first = await engine.ok("build", "-q", "--network", "none", directory);
  Deno.utimeSync(`${directory}/f`, 1, 1);
  const { stderr } = await built(directory);
  assertEquals(stderr.match(/CACHED/g)?.length, 3, stderr);
  assertEquals(await engine.ok("image", "inspect", "-f", "{{.Id}}", "x"), first);
  Deno.writeTextFileSync(`${directory}/f`, "2");
  assertMatch((await built(directory)).stderr, /^#\d+ \d+\.\d+ ran$/m);
  assertMatch((await built(directory, "--no-cache")).stderr, /^#\d+ \d+\.\d+ ran$/m);
  Deno.chmodSync(`${directory}/f`, 0o700);
  assertMatch((await built(directory)).stderr, /^#\d+ \d+\.\d+ ran$/m);
});

test("only the stages that the target needs are built", async () => {
  const directory = context({
    Dockerfile: `FROM base AS one
RUN echo from-one > /f
FROM base AS broken
RUN false
FROM scratch
COPY --from=one /f /bin/busybox /
COPY --from=base --link /bin/busybox /bin/cat
CMD ["/bin/cat", "/f"]`,
  });
  await built(directory);
  assertEquals(await run(), "from-one");
  const { code, stderr } = await build(directory, "--target", "broken");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Dockerfile:4\n--------------------\n");
  assertStringIncludes(stderr, "   4 | >>> RUN false\n");
  assertStringIncludes(
    stderr,
    'ERROR: failed to solve: process "/bin/sh -c false" did not complete successfully: ' +
      "exit code: 1\n",
  );
});

test("COPY follows the image's links and stays within the context", async () => {
  const directory = context({
    Dockerfile: "FROM base\nCOPY f /link/\nCOPY out /o\nCOPY up /u\n" +
      "RUN test -L /link && cat /real/f && readlink /o/abs && test ! -e /u/passwd",
    f: "f\n",
    "etc/passwd": "the context's own\n",
    "out/abs": "-> /etc/passwd",
    up: "-> ../../../../etc",
    ".dockerignore": "etc/passwd",
  });
  assertMatch((await built(directory)).stderr, /^#\d+ \d+\.\d+ f$/m);
  const escape = context({ Dockerfile: "FROM base\nCOPY up /u", up: "-> /etc/hostname" });
  assertStringIncludes((await build(escape)).stderr, '"/up": not found');
});

test("COPY has docker's rules for directories", async () => {
  const directory = context({
    Dockerfile: `FROM base
COPY d /new
COPY d /dir/
COPY d/f d/g /two/
COPY d/f /one
COPY d/* /glob
COPY --parents d/sub/h /par/
COPY --exclude=*.no d /ex
RUN find /new /dir /two /one /glob /par /ex`,
    "d/f": "",
    "d/g": "",
    "d/sub/h": "",
    "d/x.no": "",
  });
  const { stderr } = await built(directory);
  const found = [...stderr.matchAll(/^#\d+ \d+\.\d+ (\/.*)$/gm)].map(([, path]) => path).sort();
  const below = (top: string, ...names: string[]) => [top, ...names.map((one) => `${top}/${one}`)];
  const all = ["f", "g", "sub", "sub/h", "x.no"];
  assertEquals(
    found,
    [
      ...below("/new", ...all),
      ...below("/dir", ...all),
      ...below("/two", "f", "g"),
      "/one",
      ...below("/glob", "f", "g", "h", "x.no"),
      ...below("/par", "d", "d/sub", "d/sub/h"),
      ...below("/ex", "f", "g", "sub", "sub/h"),
    ].sort(),
  );
  const several = context({ Dockerfile: "FROM base\nCOPY a b /c", a: "", b: "" });
  assertStringIncludes((await build(several)).stderr, "must be a directory and end with a /");
  const onFile = context({ Dockerfile: "FROM base\nCOPY d /etc/passwd", "d/f": "" });
  assertStringIncludes((await build(onFile)).stderr, "cannot copy to non-directory: /etc/passwd");
});

test("ADD unpacks archives and replaces what is in their way", async () => {
  const directory = context({
    Dockerfile: "FROM base\nADD a.tgz plain.gz /x/\nADD b.tar /\n" +
      "RUN cat /x/in/f && test -f /x/plain.gz && cat /real/implied && test -L /link",
    "t/in/f": "packed\n",
    "t2/link/implied": "implied\n",
    "plain.gz": "no archive",
  });
  const tar = async (...args: string[]) => {
    assert((await new Deno.Command("tar", { args, cwd: directory }).output()).success);
  };
  await tar("-C", "t", "-czf", "a.tgz", "in");
  await tar("-C", "t2", "-cf", "b.tar", "link/implied");
  const { stderr } = await built(directory);
  assertMatch(stderr, /^#\d+ \d+\.\d+ packed$/m);
  assertMatch(stderr, /^#\d+ \d+\.\d+ implied$/m);
});

test("here-documents are files and scripts", async () => {
  const directory = context({
    Dockerfile: `FROM base
ENV A=1
COPY <<one <<"two" /d/
$A
one
$A
two
RUN <<E
echo a
echo b > /b
E
RUN <<-E
	#!/bin/busybox sh
	echo own $0
	E
RUN cat /d/one /d/two /b <<E
from the shell
E`,
  });
  const { stderr } = await built(directory);
  const said = saidIn(stderr);
  assertEquals(said, ["a", "own /dev/pipes/E", "1", "$A", "b"]);
});

test("a context comes by stdin: an archive, or a Dockerfile alone", async () => {
  const alone = await engine.with({ stdin: "FROM base\nENV a=1" }, "build", "-q", "-");
  assertMatch(alone.stdout, /^sha256:[0-9a-f]{64}\n$/);
  const directory = context({
    "sub/My.Dockerfile": "FROM base\nCOPY . /c\nRUN cd /c && find . | sort",
    "a": "",
    "b": "",
    ".dockerignore": "b\nsub",
  });
  const { stdout } = await new Deno.Command("tar", {
    args: ["-C", directory, "-czf", "-", "."],
  }).output();
  const flags = ["build", "--network", "none", "-f", "sub/My.Dockerfile", "-"];
  const { code, stderr } = await engine.with({ stdin: stdout }, ...flags);
  assertEquals(code, 0, stderr);
  const said = saidIn(stderr);
  assertEquals(said, [".", "./.dockerignore", "./a"]);
});

test("-o writes the files and makes no image", async () => {
  const directory = context({
    Dockerfile: "FROM base AS b\nRUN echo x > /f\nFROM scratch\nCOPY --from=b /f /d/f",
  });
  const before = await engine.ok("images", "-aq");
  const flags = ["build", "--network", "none"];
  await engine.ok(...flags, "-o", engine.path("out"), directory);
  assertEquals(Deno.readTextFileSync(engine.path("out/d/f")), "x\n");
  assertEquals(await engine.ok("images", "-aq"), before);
});

test("errors are docker's", async () => {
  const cases: [dockerfile: string, message: string][] = [
    ["FROM base\nFOO x", "dockerfile parse error on line 2: unknown instruction: FOO"],
    ["FROM base\nRNU x", "Dockerfile:2\n"],
    ["FROM base\nRNU x", "unknown instruction: RNU (did you mean RUN?)"],
    ["FROM base\nCOPY no /", '"/no": not found'],
    ["FROM base\nCOPY --from=1 a /", "invalid from flag value 1: index out of bounds"],
    ["FROM base AS a\nCOPY --from=a a /", "circular dependency detected on stage: a"],
    ["FROM base\nSTOPSIGNAL SIGFOO", "Invalid signal: SIGFOO"],
    ['FROM base\nLABEL a="b', 'failed to process "\\"b": unexpected end'],
    [
      "FROM base\nADD http://127.0.0.1:1/x.git /",
      "Cannot fetch git repository http://127.0.0.1:1/x.git",
    ],
    ["FROM --platform=linux/s390x base", "Cannot build for linux/s390x"],
    ["FROM base\nRUN --mount=type=secret,id=s,required true", "secret s: not found"],
    ["FROM host\nRUN true", "allow it with --allow host"],
    ["FROM base\nCOPY --from=host /etc/passwd /", "allow it with --allow host"],
    ["FROM base\nRUN --mount=from=host,target=/m true", "allow it with --allow host"],
    ["FROM base\nRUN --network=host true", "network.host is not allowed"],
  ];
  for (const [Dockerfile, message] of cases) {
    const { code, stderr } = await build(context({ Dockerfile }));
    assertEquals(code, 1);
    assertStringIncludes(stderr, `ERROR: failed to solve: `);
    assertStringIncludes(stderr, message);
  }
  const none = await build(context({}));
  assertStringIncludes(none.stderr, "open Dockerfile: no such file or directory");
});

test("--check tells what is not well in a Dockerfile, and builds nothing", async () => {
  const directory = context({ Dockerfile: "FROM no-such\nRUN false\nCMD x" });
  const { code, stdout } = await engine.dd("build", "--check", directory);
  assertEquals(code, 1);
  assertEquals(
    stdout,
    `Check complete, 1 warning has been found!

WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/
JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
Dockerfile:3
--------------------
   1 |     FROM no-such
   2 |     RUN false
   3 | >>> CMD x
--------------------
`,
  );
  const fine = context({ Dockerfile: "FROM no-such" });
  assertEquals(
    await engine.ok("build", "--call=check", fine),
    "Check complete, no warnings found.",
  );
  const broken = await engine.dd("build", "--check", context({ Dockerfile: "FROM a\nFOO" }));
  assertEquals(broken.code, 1);
  assertStringIncludes(broken.stderr, "Dockerfile:2\n");
  assertStringIncludes((await build(fine, "--call", "outline")).stderr, "is not supported");
});

test("builder prune and system df know the cache", async () => {
  const directory = context({
    Dockerfile: "FROM base AS b\nRUN echo 12345 > /f\nFROM base\nRUN :",
  });
  await engine.ok(
    "build",
    "-q",
    "--network",
    "none",
    "--target",
    "b",
    "-o",
    engine.path("o2"),
    directory,
  );
  const row = async () =>
    (await engine.ok("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"))
      .split("\n").find((line) => line.startsWith("Build Cache"));
  assertMatch((await row())!, /^Build Cache [1-9]/);
  assertMatch(
    await engine.ok("builder", "prune", "-af"),
    /^Deleted build cache objects:\n.*reclaimed space: [1-9]/s,
  );
  assertEquals(await row(), "Build Cache 0 0B");
  assertEquals(await engine.ok("buildx", "prune", "-f"), "Total reclaimed space: 0B");
});
