/** Contexts, archives and images that try to lead a build out of them, to hold it up, or to fill it. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { BuildBox, saidIn } from "../lib/build_box.ts";
import { runProgram } from "../lib/oci_box.ts";
import { concat, tarOf } from "../lib/tree.ts";

const box = new BuildBox();
const { engine } = box;
const test = (name: string, fn: () => Promise<void>) => box.test(name, fn);
const context = (files: Record<string, string>) => box.context(files);

async function must(...argv: string[]): Promise<void> {
  const { code, stderr } = await runProgram(argv);
  assertEquals(code, 0, stderr);
}

async function refused(directory: string, message: string, ...flags: string[]): Promise<void> {
  const { code, stderr } = await box.build(directory, ...flags);
  assertEquals(code, 1, stderr);
  assertStringIncludes(stderr, message);
  assert(!stderr.includes("outside-secret"), stderr);
}

/** A file that nothing of a build may show. */
const secret = () => engine.file("outside", "outside-secret\n");

test("a Dockerfile or .dockerignore that leads out of the context, or is no file, is not read", async () => {
  const why = "is no file, or a link that leads out of the context";
  await refused(context({ Dockerfile: `-> ${secret()}` }), why);
  const directory = context({ "sub/My": `-> ${secret()}`, "sub/Ok": "-> ../real", real: "FOO" });
  await refused(directory, "failed to read dockerfile", "-f", `${directory}/sub/My`);
  await refused(directory, "unknown instruction: FOO", "-f", `${directory}/sub/Ok`);
  const named = context({ "Dockerfile.dockerignore": `-> ${secret()}`, Dockerfile: "FOO" });
  await refused(named, "unknown instruction: FOO");
  for (const node of [["mkfifo"], ["mknod", "c", "1", "5"]]) {
    const [program, ...kind] = node;
    const odd = context({});
    await must(program, `${odd}/Dockerfile`, ...kind);
    await refused(odd, why);
    Deno.renameSync(`${odd}/Dockerfile`, `${odd}/.dockerignore`);
    Deno.writeTextFileSync(`${odd}/Dockerfile`, "FOO");
    await refused(odd, "unknown instruction: FOO");
  }
  const large = context({ Dockerfile: `FROM base\n${"#\n".repeat(3 << 20)}` });
  await refused(large, "more than 4194304 bytes");
});

test("links and nodes of a context are copied as they are, and none is opened", async () => {
  const directory = context({
    Dockerfile:
      "FROM base\nCOPY . /x\nRUN cd /x && stat -c '%n %F' * && readlink out && readlink dir",
    out: `-> ${secret()}`,
    dir: "-> /etc",
    up: "-> ../../../../../../..",
  });
  await must("mkfifo", `${directory}/fifo`);
  await must("mknod", `${directory}/zero`, "c", "1", "5");
  const socket = Deno.listen({ transport: "unix", path: `${directory}/socket` });
  const { stderr } = await box.built(directory);
  socket.close();
  assertEquals(saidIn(stderr), [
    "Dockerfile regular file",
    "dir symbolic link",
    "fifo fifo",
    "out symbolic link",
    "up symbolic link",
    "zero character special file",
    engine.path("outside"),
    "/etc",
  ]);
  for (const source of ["out", "dir/hostname", "up/etc/hostname", "d*/hostname", "../../etc"]) {
    Deno.writeTextFileSync(`${directory}/Dockerfile`, `FROM base\nCOPY ${source} /x`);
    await refused(directory, "not found");
    Deno.writeTextFileSync(`${directory}/Dockerfile`, `FROM base\nADD ${source} /x`);
    await refused(directory, "not found");
  }
  Deno.writeTextFileSync(
    `${directory}/Dockerfile`,
    "FROM base\nRUN --mount=source=dir,target=/m ls /m",
  );
  await refused(directory, "not found");
});

test("COPY --from and RUN --mount stay in the image that they copy from", async () => {
  const path = secret();
  const directory = context({
    Dockerfile: `FROM base AS evil
RUN ln -s ${path} /out && ln -s /../../../.. /up && ln -s /proc/self/root /self && mkdir /in
FROM base AS file
COPY --from=evil /out /x
FROM base AS up
COPY --from=evil /up${path} /x
FROM base AS self
COPY --from=evil /self${path} /x
FROM base AS mount
RUN --mount=from=evil,source=/up${path},target=/m cat /m
FROM evil AS target
COPY Dockerfile /up/in/
COPY Dockerfile /out
RUN test -f /in/Dockerfile && test -f ${path} && test -L /out`,
  });
  for (const target of ["file", "up", "self", "mount"]) {
    await refused(directory, "not found", "--target", target);
  }
  await box.built(directory, "--target", "target");
  assertEquals(Deno.readTextFileSync(path), "outside-secret\n");
});

test("an archive as context or of ADD writes nothing outside of it", async () => {
  const outside = engine.path("unpacked-outside");
  const entries = [
    `symlink out ${engine.path("")}`,
    "file out/unpacked-outside x",
    "file ../unpacked-outside x",
    `file ${outside} x`,
    "symlink link /etc",
    "file link/made-by-build x",
    `hardlink hard ${secret()}`,
  ];
  for (const entry of [entries, entries.slice(0, 6)]) {
    const archive = tarOf(entry);
    const dockerfile = tarOf(["file Dockerfile FROM\\x20base\\nCOPY\\x20.\\x20/x"]);
    const whole = concat([dockerfile.subarray(0, dockerfile.length - 1024), archive]);
    await engine.with({ stdin: whole }, "build", "--network", "none", "-");
    const directory = context({ Dockerfile: "FROM base\nADD a.tar /deep/er/" });
    Deno.writeFileSync(`${directory}/a.tar`, archive);
    await box.build(directory);
  }
  for (const path of [outside, "/etc/made-by-build"]) {
    assertThrows(() => Deno.lstatSync(path), Deno.errors.NotFound);
  }
});

test("marks of overlayfs do not come in by a context", async () => {
  const directory = context({ "d/own": "" });
  for (const name of ["trusted.overlay.opaque", "user.overlay.opaque"]) {
    await must("setfattr", "-n", name, "-v", "y", `${directory}/d`);
  }
  await must("setfattr", "-n", "trusted.overlay.redirect", "-v", "/bin", `${directory}/d`);
  const base = "FROM base AS b\nRUN echo > /real/below\nFROM b\n";
  const rest = "COPY d /real\nRUN ls /real";
  Deno.writeTextFileSync(`${directory}/Dockerfile`, base + rest);
  assertEquals(saidIn((await box.built(directory)).stderr), ["below", "own"]);
  Deno.writeTextFileSync(`${directory}/d/.wh.below`, "");
  await refused(directory, "a name that starts with .wh. means that a file is gone");
  Deno.removeSync(`${directory}/d/.wh.below`);
  await must("mknod", `${directory}/d/below`, "c", "0", "0");
  await box.built(directory);
  assertEquals(await box.run("ls", "/real"), "below\nown");
});

test("deep trees and patterns without end are no way to hold a build up", async () => {
  const directory = context({ Dockerfile: "FROM base\nCOPY . /x", "keep": "" });
  const script = 'cd "$0" && for i in $(seq 30); do mkdir $1 && cd -P $1; done';
  await must("sh", "-c", script, directory, "d".repeat(150));
  await refused(directory, "file name too long");
  Deno.writeTextFileSync(`${directory}/Dockerfile`, "FROM base\nCOPY **/none /x");
  await refused(directory, "file name too long");
  await must("rm", "-r", `${directory}/${"d".repeat(150)}`);
  Deno.writeTextFileSync(`${directory}/${"a".repeat(250)}`, "");
  Deno.writeTextFileSync(
    `${directory}/.dockerignore`,
    `${"*a".repeat(30)}*b\n${"**/".repeat(30)}x`,
  );
  Deno.writeTextFileSync(
    `${directory}/Dockerfile`,
    `FROM base\nCOPY keep ${"*a".repeat(30)}* /x/\nRUN ls /x`,
  );
  assertEquals(saidIn((await box.built(directory)).stderr), ["a".repeat(250), "keep"]);
});

test("a file of holes takes the room of what is in it", async () => {
  const directory = context({ Dockerfile: "FROM base\nCOPY large /\nRUN stat -c %s /large" });
  const size = 20 * 2 ** 30;
  Deno.writeTextFileSync(`${directory}/large`, "begin");
  Deno.truncateSync(`${directory}/large`, size);
  assertEquals(saidIn((await box.built(directory)).stderr), [String(size)]);
});
