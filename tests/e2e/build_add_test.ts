/** ADD of what an address leads to, from a server of the test's own. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BuildBox, saidIn } from "../lib/build_box.ts";
import { waitFor } from "../lib/engine.ts";
import { type FileServer, type ServedFile, serveFiles } from "../lib/file_server.ts";

const box = new BuildBox();
const test = (name: string, fn: () => Promise<void>) => box.test(name, fn);

const SUM = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"; // "hello\n"
const HELLO = { body: "hello\n", headers: { "last-modified": "Sun, 13 Sep 2020 12:26:40 GMT" } };

/** A build of a Dockerfile in which `@/` is the server's address. */
function adding(server: FileServer, dockerfile: string, ...flags: string[]) {
  return box.build(
    box.context({ Dockerfile: dockerfile.replaceAll("@/", `${server.address}/`) }),
    ...flags,
  );
}

async function archive(): Promise<ServedFile> {
  const directory = box.context({ "in/f": "packed\n" });
  const { stdout } = await new Deno.Command("tar", { args: ["-C", directory, "-czf", "-", "."] })
    .output();
  return { body: stdout };
}

test("ADD fetches files: mode 0600, the time of Last-Modified, the last part as the name", async () => {
  await using server = serveFiles({
    "/x/hello.txt": HELLO,
    "/undated": { body: "" },
    "/with%20blank": { body: "b" },
    "/": { body: "root" },
    "/a.tgz": await archive(),
  });
  const dockerfile = `FROM base
ADD --checksum=${SUM} @/x/hello.txt?a=b /d/
ADD --chmod=644 --chown=7:8 @/undated @/with%20blank /d/
ADD @/ /named
ADD @/a.tgz /packed/
ADD --unpack @/a.tgz /unpacked/
RUN cd / && stat -c '%n %a %u:%g %Y' d/hello.txt d/undated d/with* && cat d/hello.txt named
RUN find /packed /unpacked -type f | sort`;
  const { code, stderr } = await adding(server, dockerfile);
  assertEquals(code, 0, stderr);
  assertEquals(saidIn(stderr), [
    "d/hello.txt 600 0:0 1600000000",
    "d/undated 644 7:8 0",
    "d/with blank 644 7:8 0",
    "hello",
    "root",
    "/packed/a.tgz",
    "/unpacked/in/f",
  ]);
  const again = await adding(server, dockerfile);
  assertEquals(again.stderr.match(/CACHED/g)?.length, 8);
});

test("ADD --unpack=false leaves the context's archives as they are", async () => {
  const directory = box.context({ Dockerfile: "FROM base\nADD --unpack=false a /x/\nRUN ls /x" });
  Deno.writeFileSync(`${directory}/a`, (await archive()).body as Uint8Array);
  assertEquals(saidIn((await box.built(directory)).stderr), ["a"]);
});

test("ADD says what is wrong with an address", async () => {
  await using server = serveFiles({ "/hello.txt": HELLO, "/": { body: "x" }, "/..%2fx": HELLO });
  const wrong = `sha256:${"0".repeat(64)}`;
  const cases: [line: string, message: string][] = [
    ["ADD @/none /", `invalid response status 404: ${server.address}/none`],
    ["ADD @/ /d/", `cannot determine filename for source: ${server.address}/`],
    [`ADD --checksum=${wrong} @/hello.txt /`, `${SUM} (expected: ${wrong})`],
    ["ADD --checksum=md5:00 @/hello.txt /", 'invalid checksum "md5:00"'],
    ["ADD --checksum=abc @/hello.txt /", 'invalid checksum "abc"'],
    ["ADD @/..%2fx /", "is no name of a file"],
    ["ADD @/%zz /", "invalid address"],
    ["ADD http://127.0.0.1:1/x /", "failed to load http://127.0.0.1:1/x"],
    [`ADD --checksum=${SUM} Dockerfile /`, "checksum can't be specified for non-HTTP(S)"],
    ["COPY @/hello.txt /", "source can't be a URL for COPY"],
  ];
  for (const [line, message] of cases) {
    const { code, stderr } = await adding(server, `FROM base\n${line}`);
    assertEquals(code, 1);
    assertStringIncludes(stderr, message);
    assertStringIncludes(stderr, "   2 | >>> ADD".replace("ADD", line.slice(0, 4).trim()));
  }
});

test("Ctrl-C ends a build that waits for an address, or for its standard input", async () => {
  const never = () =>
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
    });
  let isAsked = false;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    isAsked = true;
    return new Response(never());
  });
  const address = `http://127.0.0.1:${server.addr.port}/x`;
  const directory = box.context({ Dockerfile: `FROM base\nADD ${address} /` });
  const cases = [["build", directory], ["build", address], ["build", "-"]];
  for (const words of cases) {
    isAsked = false;
    const child = box.engine.spawn(words, { stdin: "piped", stderr: "piped" });
    if (words[1] !== "-") await waitFor(() => Promise.resolve(isAsked));
    else {
      // Its first line comes when it has begun to read.
      const reader = child.stderr.getReader();
      assert(!(await reader.read()).done);
      reader.releaseLock();
    }
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    assertEquals(code, 1);
    assertMatch(new TextDecoder().decode(stderr), /context canceled/);
    await child.stdin.abort().catch(() => {});
  }
  await server.shutdown();
});
