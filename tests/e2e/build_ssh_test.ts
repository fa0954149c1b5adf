/** `build --ssh`: a RUN uses the keys of the user's agent, and no layer has them. */
import { assertEquals, assertMatch } from "@std/assert";
import { saidIn, writeContext } from "../lib/build_box.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { runProgram } from "../lib/oci_box.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const ready = isRoot() && ["ssh-agent", "ssh-add", "ssh-keygen"].every(hasProgram);

function test(name: string, fn: (key: string) => Promise<void>): void {
  Deno.test({
    name,
    ...skipUnless(ready, "needs root and OpenSSH's client"),
    fn: async () => {
      key ??= makeKey();
      await fn(await key);
      assertEquals(engine.ids(), [], "containers are left");
      await waitFor(() => !engine.processes().some(({ words }) => words.includes("ssh-agent -a")));
    },
  });
}

let key: Promise<string> | undefined;
async function makeKey(): Promise<string> {
  const path = engine.path("key");
  const words = [
    "ssh-keygen",
    "-q",
    "-t",
    "ed25519",
    "-N",
    "",
    "-C",
    "key-of-the-test",
    "-f",
    path,
  ];
  assertEquals((await runProgram(words)).code, 0);
  return path;
}

let contexts = 0;
async function build(run: string, flags: string[], env: Record<string, string> = {}) {
  const context = writeContext(engine.path(`context${contexts++}`), {
    Dockerfile: `FROM host AS host\n${run}\nFROM scratch\nCOPY --from=host /dev/null /nothing\n`,
  });
  const words = ["build", "--allow", "host", "--network", "none", ...flags, context];
  return await engine.with({ env }, ...words);
}

async function said(run: string, flags: string[], env?: Record<string, string>) {
  const { code, stderr } = await build(run, flags, env);
  assertEquals(code, 0, stderr);
  return saidIn(stderr).join("\n");
}

test("keys of files are in an agent that the RUN finds", async (key) => {
  const text = await said("RUN --mount=type=ssh echo $SSH_AUTH_SOCK && ssh-add -L", [
    ...["--ssh", `default=${key}`],
  ]);
  assertEquals(text, `/run/buildkit/ssh_agent.0\n${Deno.readTextFileSync(`${key}.pub`).trim()}`);
});

test("the user's agent is passed on, to another user as well", async (key) => {
  const socket = engine.path("agent");
  const agent = new Deno.Command("ssh-agent", {
    args: ["-D", "-a", socket],
    stdin: "null",
    stdout: "null",
  }).spawn();
  try {
    const env = { SSH_AUTH_SOCK: socket };
    while ((await runProgram(["ssh-add", "-q", key], { env })).code !== 0);
    const run = "RUN --mount=type=ssh,id=mine,uid=65534,target=/run/agent,required=true " +
      'setpriv --reuid 65534 --clear-groups sh -c "stat -c %u:%a /run/agent; ssh-add -L"';
    const expected = `65534:600\n${Deno.readTextFileSync(`${key}.pub`).trim()}`;
    assertEquals(await said(run, ["--ssh", `mine=${socket}`]), expected);
    assertEquals(await said(run, ["--ssh", "mine"], env), expected);
  } finally {
    agent.kill();
    await agent.status;
  }
});

test("a build that is killed leaves no agent", async (key) => {
  const context = writeContext(engine.path("killed"), {
    Dockerfile: "FROM host\nRUN --mount=type=ssh touch /begun; sleep 1000\n",
  });
  const words = ["build", "--allow", "host", "--network", "none", "--ssh", `default=${key}`];
  const child = engine.spawn([...words, context], { stdout: "null", stderr: "null" });
  const hasAgent = () => engine.processes().some(({ words }) => words.includes("ssh-agent -a"));
  await waitFor(async () => hasAgent() && await engine.ok("ps", "-q") !== "");
  child.kill("SIGKILL");
  await child.status;
  await waitFor(() => !hasAgent());
  await engine.ok("builder", "prune", "-f"); // takes the container away
});

test("without --ssh there is no socket, and an error where one is required", async () => {
  assertEquals(await said("RUN --mount=type=ssh echo ${SSH_AUTH_SOCK:-none}", []), "none");
  const { code, stderr } = await build("RUN --mount=type=ssh,required=true true", []);
  assertEquals(code, 1);
  assertMatch(stderr, /unset ssh forward key default/);
});

test("what is no key, no socket and no agent is refused", async () => {
  const cases: [flag: string, why: RegExp][] = [
    ["default", /invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set/],
    ["x=/nowhere", /failed to stat \/nowhere: no such file or directory/],
    [`default=${engine.file("no-key", "text\n")}`, /Cannot use keys for --ssh: .*no-key/],
  ];
  for (const [flag, why] of cases) {
    const { code, stderr } = await build("RUN --mount=type=ssh true", ["--ssh", flag], {
      SSH_AUTH_SOCK: "",
    });
    assertEquals(code, 1, stderr);
    assertMatch(stderr, why);
  }
});
