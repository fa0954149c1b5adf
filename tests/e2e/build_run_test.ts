/** RUN: mounts, limits, this machine's own root, what stays after a kill. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BuildBox, saidIn } from "../lib/build_box.ts";
import { waitFor } from "../lib/engine.ts";

const box = new BuildBox();
const { engine } = box;
const test = (name: string, fn: () => Promise<void>) => box.test(name, fn);
const context = (files: Record<string, string>) => box.context(files);
const built = (directory: string, ...flags: string[]) => box.built(directory, ...flags);
const run = (...words: string[]) => box.run(...words);

test("RUN --mount shows secrets, caches and files, and leaves nothing of them", async () => {
  const directory = context({
    Dockerfile: `FROM base
RUN --mount=type=secret,id=s,target=/s --mount=type=secret,id=e,env=E cat /s && echo $E
RUN --mount=type=cache,target=/cache echo x >> /cache/n
RUN --mount=type=cache,target=/cache wc -l < /cache/n
RUN --mount=target=/ctx,rw cat /ctx/f && echo gone > /ctx/g
RUN --mount=from=base,source=/etc,target=/e grep -c app /e/passwd
RUN --mount=type=tmpfs,target=/t mount | grep -c " /t type tmpfs"
RUN ls -d /s /cache /ctx /e /t 2>&1 | grep -c "No such"`,
    f: "file\n",
    secret: "hidden\n",
    ".dockerignore": "secret",
  });
  const secret = ["--secret", `id=s,src=${directory}/secret`, "--secret", "id=e,env=SECRET"];
  const { code, stderr } = await engine.with(
    { env: { SECRET: "from-env" } },
    ...["build", "--network", "none", "-t", "x", ...secret, directory],
  );
  assertEquals(code, 0, stderr);
  const said = saidIn(stderr);
  assertEquals(said, ["hidden", "from-env", "1", "file", "1", "1", "5"]);
  assert(!(await engine.ok("image", "inspect", "x")).includes("from-env"));
});

test("DOCKER_BUILDKIT=0 gives the classic output and exit codes", async () => {
  const directory = context({ Dockerfile: "FROM base\nRUN echo said; exit ${CODE:-0}\nENV a=b" });
  const env = { DOCKER_BUILDKIT: "0" };
  const flags = ["build", "--network", "none", "-t", "classic:1", directory];
  const { code, stdout, stderr } = await engine.with({ env }, ...flags);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^Step 1\/3 : FROM base\n ---> [0-9a-f]{12}\nStep 2\/3 : RUN echo said/);
  assertMatch(stdout, / ---> Running in [0-9a-f]{12}\nsaid\nRemov/);
  assertMatch(stdout, /Successfully built ([0-9a-f]{12})\nSuccessfully tagged classic:1\n$/);
  Deno.writeTextFileSync(`${directory}/Dockerfile`, "FROM base\nRUN exit 7");
  const failed = await engine.with({ env }, ...flags);
  assertEquals([failed.code, failed.stderr], [
    7,
    "The command '/bin/sh -c exit 7' returned a non-zero code: 7\n",
  ]);
  const cases: [line: string, message: string][] = [
    [
      "COPY no /",
      "COPY failed: file not found in build context or excluded by .dockerignore: stat no: " +
      "file does not exist",
    ],
    ["ADD *.none /", "ADD failed: no source files were specified"],
    ["EXPOSE x", "Invalid containerPort: x"],
    [
      "FOO",
      "Error response from daemon: dockerfile parse error on line 2: unknown instruction: FOO",
    ],
  ];
  for (const [line, message] of cases) {
    Deno.writeTextFileSync(`${directory}/Dockerfile`, `FROM base\n${line}`);
    assertEquals((await engine.with({ env }, ...flags)).stderr, `${message}\n`);
  }
});

test("a stage FROM host uses what the machine has, and what it has made itself", async () => {
  const directory = context({
    Dockerfile: `FROM host AS tools
WORKDIR /built/sub
COPY a.txt ../a
RUN uname -s > made && mkdir ../d && mv ../a ../d/moved && rm -rf /etc/init.d
COPY a.txt ../d/
RUN cat made ../d/* && test ! -e ../a && rm -r ../d && mkdir -p /etc/init.d ../d && touch ../d/new
FROM tools AS more
RUN ls ../d && ls /etc/init.d | wc -l && rm ../d/new
FROM base
COPY --from=more /built /built`,
    "a.txt": "a\n",
  });
  const { stderr } = await built(directory, "--allow", "host");
  const said = saidIn(stderr);
  assertEquals(said, ["Linux", "a", "a", "new", "0"]);
  assertEquals(await run("cat", "/built/sub/made"), "Linux");
  assertEquals(await run("ls", "/built/d"), "");
});

test("RUN has the proxies of the client's config.json, and the image does not", async () => {
  const directory = context({ Dockerfile: "FROM base\nRUN echo $HTTP_PROXY $no_proxy" });
  const proxies = { default: { httpProxy: "http://p:1", noProxy: "n" } };
  const config = engine.path("client");
  Deno.mkdirSync(config);
  Deno.writeTextFileSync(`${config}/config.json`, JSON.stringify({ proxies }));
  const { stderr } = await engine.with(
    { env: { DOCKER_CONFIG: config } },
    ...["build", "--network", "none", "-t", "x", directory],
  );
  assertEquals(saidIn(stderr), ["http://p:1 n"]);
  assertEquals(await engine.ok("image", "inspect", "-f", "{{.Config.Env}}", "x"), "[PATH=/bin]");
});

test("RUN has the limits and hosts that the build was given", async () => {
  const directory = context({
    Dockerfile: "FROM base\nRUN ulimit -n; grep named /etc/hosts; df -k /dev/shm | tail -n 1",
  });
  const limits = ["--ulimit", "nofile=77:88", "--shm-size", "3m", "--add-host", "named:1.2.3.4"];
  const { stderr } = await built(directory, ...limits);
  const [files, host, shm] = saidIn(stderr);
  assertEquals(files, "77");
  assertStringIncludes(host, "1.2.3.4");
  assertMatch(shm, /^shm +3072 /);
});

test("Ctrl-C ends the container; after a kill -9 the next build removes it", async () => {
  const directory = context({ Dockerfile: "FROM base\nRUN echo started; sleep 1000" });
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    const child = engine.spawn(["build", "--network", "none", directory], { stderr: "piped" });
    await waitFor(async () => (await engine.ok("ps", "-q")) !== "");
    engine.remember();
    child.kill(signal);
    const { code, stderr } = await child.output();
    if (signal === "SIGINT") {
      assertEquals(code, 1);
      assertStringIncludes(new TextDecoder().decode(stderr), "context canceled");
      assertEquals(engine.ids(), []);
    }
  }
  assertEquals(engine.ids().length, 1);
  await built(context({ Dockerfile: "FROM base\nENV a=after" }));
});
