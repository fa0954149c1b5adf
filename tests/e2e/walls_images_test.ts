/** What an image's config and files may try: to reach the host, to hold the engine up, to write to the terminal. */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const secret = engine.file("secret", "the host's secret\n");
const EVIL = "\x1b]0;evil\x07\x1b[31m\x9b2J\u202e";
// deno-lint-ignore no-control-regex -- what must not arrive
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/;

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

/** Makes an image of `directory` with a config of these Dockerfile words. */
async function image(name: string, directory: string, ...changes: string[]): Promise<void> {
  const tar = engine.path(`${name}.tar`);
  await new Deno.Command("tar", { args: ["-C", directory, "-cf", tar, "."] }).output();
  const flags = changes.flatMap((change) => ["--change", change]);
  await engine.ok("import", ...flags, tar, name);
}

const plain = engine.rootfs("plain", (directory) => {
  Deno.mkdirSync(`${directory}/etc`);
  for (let fd = 3; fd < 9; fd++) Deno.symlinkSync(`/proc/self/fd/${fd}`, `${directory}/fd${fd}`);
});

const up = "../".repeat(16);
const WORKDIRS = ["/proc/self/fd/3", "/fd4", "/fd5/..", "/fd7", `/${up}tmp`, "/proc/1/cwd"];

WORKDIRS.forEach((workdir, i) => {
  test(`WORKDIR ${workdir} is inside the container or refused`, async () => {
    await image(`workdir${i}`, plain, `WORKDIR ${workdir}`);
    const script = `cat ${up}${secret.slice(1)} ./secret; true`;
    const { stdout, code } = await engine.host(`workdir${i}`, "sh", "-c", script);
    assertEquals(stdout, "");
    assert(code === 0 || code >= 125, `${code}`);
  });
});

const USERS: [user: string, code: number][] = [
  ["../../etc/passwd", 125],
  ["99999999999999999999", 125],
  ["-1", 125],
  ["4294967295", 125],
  ["0:4294967295", 125],
  ["nobody:nosuchgroup", 125],
  ["a:b:c", 125],
];

for (const [i, [user, code]] of USERS.entries()) {
  test(`USER ${user} is an error of the user's`, async () => {
    await image(`user${i}`, plain, `USER ${user}`);
    const result = await engine.host(`user${i}`, "id");
    assertEquals({ code: result.code, stdout: result.stdout }, { code, stdout: "" });
    assert(!result.stderr.includes("internal error"), result.stderr);
  });
}

const PASSWD: [name: string, make: (path: string) => Promise<unknown> | unknown][] = [
  ["a FIFO", (path) => new Deno.Command("mkfifo", { args: [path] }).output()],
  ["a device", (path) => new Deno.Command("mknod", { args: [path, "c", "1", "5"] }).output()],
  ["a link to the host's", (path) => Deno.symlinkSync("/../../../etc/passwd", path)],
  ["a link to itself", (path) => Deno.symlinkSync("passwd", path)],
  ["a directory", (path) => Deno.mkdirSync(path)],
  ["endless", (path) => {
    Deno.writeTextFileSync(path, "");
    Deno.truncateSync(path, 2 ** 32);
  }],
];

for (const [i, [name, make]] of PASSWD.entries()) {
  test(`run -u and exec -u end where /etc/passwd is ${name}`, async () => {
    const root = engine.rootfs(`passwd${i}`, (directory) => {
      Deno.mkdirSync(`${directory}/etc`);
    });
    const id = await engine.background("--rootfs", root, "/bin/sleep", "1000");
    try {
      await make(`${root}/etc/passwd`);
      const { code, stdout } = await engine.host("-u", "daemon", "--rootfs", root, "/bin/id");
      assertEquals({ code, stdout }, { code: 125, stdout: "" });
      const result = await engine.dd("exec", "-u", "daemon", id, "/bin/echo", "ran");
      assertNotEquals(result.code, 0);
      assertEquals(result.stdout, "");
    } finally {
      await engine.ok("rm", "-f", id);
    }
  });
}

test("an environment larger than the kernel takes is an error, not a crash", async () => {
  const big = "x".repeat(150_000); // MAX_ARG_STRLEN is 128 KiB
  const file = engine.file("env", `BIG=${big}\n`);
  const { code, stderr } = await engine.host("--env-file", file, "--rootfs", plain, "true");
  assert(code === 126 || code === 125, `${code}`);
  assertStringIncludes(stderr, "argument list too long");
  const many = engine.file("many", Array.from({ length: 50_000 }, (_, i) => `V${i}=x`).join("\n"));
  const result = await engine.host("--env-file", many, "--rootfs", plain, "true");
  assert([0, 125, 126].includes(result.code), result.stderr);
  assert(!result.stderr.includes("internal error"), result.stderr);
});

const COMMANDS: string[][] = [
  ["run", "--rm", "--network", "none", "--rootfs", plain, EVIL],
  ["run", "--rm", "--network", "none", "-w", `/bin/sh/${EVIL}`, "--rootfs", plain, "true"],
  ["run", "--rm", "--network", "none", "-u", EVIL, "--rootfs", plain, "true"],
  ["run", "--rm", EVIL],
  ["run", "--name", EVIL, "host", "true"],
  ["run", "--security-opt", EVIL, "host", "true"],
  ["run", `--${EVIL}`],
  ["exec", "evil", EVIL],
  ["rm", EVIL],
  ["logs", EVIL],
  ["inspect", EVIL],
  ["ps", "--filter", EVIL],
  ["ps", "--format", `{{${EVIL}}}`],
  ["volume", "create", EVIL],
  ["network", "create", EVIL],
  ["pull", `127.0.0.1:1/${EVIL}`],
  [EVIL],
];

test("no message writes control characters to the terminal", async () => {
  await engine.background("--name", "evil", "--rootfs", plain, "sleep", "1000");
  for (const command of COMMANDS) {
    const { code, stdout, stderr } = await engine.dd(...command);
    assertNotEquals(code, 0, command.join(" "));
    const text = (stdout + stderr).replaceAll("\r\n", "\n");
    assert(!CONTROLS.test(text), JSON.stringify({ command, text }));
    assert(!text.includes("internal error"), JSON.stringify({ command, text }));
  }
  await engine.ok("rm", "-f", "evil");
});

test("what is stored of a container writes no control characters to the terminal", async () => {
  await image("labelled", plain, `LABEL evil="${EVIL}"`, `ENV E="${EVIL}"`);
  await engine.ok(
    ...["create", "--name", "stored", "--label", `l=${EVIL}`, "-e", `E=${EVIL}`],
    ...["--network", "none", "labelled", "sh", "-c", EVIL],
  );
  const commands = [
    ["ps", "-a", "--no-trunc"],
    ["ps", "-a", "--format", "{{.Labels}} {{.Command}}"],
    ["inspect", "stored"],
    ["inspect", "-f", "{{.Config.Labels}} {{.Config.Env}} {{.Args}}", "stored"],
    ["image", "inspect", "-f", "{{.Config.Labels}}", "labelled"],
    ["events", "--since", "1h", "--until", "0s"],
  ];
  const binary = Deno.realPathSync(Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock");
  for (const command of commands) {
    const line = [binary, ...command].map((word) => `'${word}'`).join(" ");
    const { stdout } = await new Deno.Command("script", {
      args: ["-qec", line, "/dev/null"],
      env: engine.env,
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stdout).replaceAll("\r\n", "\n").replaceAll("\0", "");
    assert(!CONTROLS.test(text), JSON.stringify({ command, text }));
    assertStringIncludes(text, "evil", command.join(" "));
  }
  // A script gets what is stored.
  assertEquals(await engine.inspect("stored", "{{.Config.Labels.l}}"), EVIL);
  await engine.ok("rm", "stored");
});
