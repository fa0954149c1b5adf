/** Mounts whose targets a container or an image chose: none may end outside of the root. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { exchanger, VARIANTS, writeProgram } from "../lib/hostile.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

/** A directory of the host: nothing may be made in it, nothing of it be seen. */
const outside = engine.path("outside");
Deno.mkdirSync(outside);
Deno.writeTextFileSync(`${outside}/secret`, "the host's secret\n");

/** Nothing was made on the host, and nothing was hidden by a mount. */
function assertUntouched(): void {
  assertEquals(Array.from(Deno.readDirSync(outside), ({ name }) => name), ["secret"]);
  assertEquals(Deno.readTextFileSync(`${outside}/secret`), "the host's secret\n");
}

function test(name: string, fn: (flags: readonly string[]) => Promise<void>): void {
  for (const [variant, flags] of VARIANTS) {
    Deno.test({
      name: `${name}${variant}`,
      ...skipUnless(isRoot(), "needs root"),
      fn: () => fn(flags),
    });
  }
}

/** Names of links that lead to the host's directory, absolutely and by many steps up. */
function leadOut(directory: string, names: readonly string[]): void {
  names.forEach((name, i) => {
    const path = `${directory}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.symlinkSync(i % 2 === 0 ? outside : `${"../".repeat(20)}${outside.slice(1)}`, path);
  });
}

const linked = engine.rootfs("linked", (directory) => {
  leadOut(directory, [
    "data",
    "a/b",
    "dev",
    "etc/hosts",
    "etc/resolv.conf",
    "etc/hostname",
    "work",
  ]);
});

const TARGETS: [name: string, flags: string[]][] = [
  ["the root's own files", []],
  ["a volume", ["-v", "v1:/data"]],
  ["a bind", ["-v", `${engine.top}:/a/b/c`]],
  ["a tmpfs", ["--tmpfs", "/data/new"]],
  ["a working directory", ["-w", "/data/deep/down"]],
  ["a device", ["--device", "/dev/null:/data/null"]],
  ["a file", ["-v", "/etc/hostname:/data/file"]],
];

for (const [name, more] of TARGETS) {
  test(`links of an image do not lead ${name} to the host`, async (flags) => {
    const script = `cat /data/secret /a/b/secret ${outside}/secret; true`;
    const { stdout } = await engine.host(
      ...[...flags, ...more, "--rootfs", linked, "/bin/sh", "-c", script],
    );
    assertEquals(stdout, "");
    assertUntouched();
  });
}

test("a container that exchanges directories for links while another one starts gains nothing", async (flags) => {
  const volume = `race${flags.length}`;
  await engine.ok("volume", "create", volume);
  const data = `${engine.root}/volumes/${volume}/data`;
  const racing = engine.rootfs(`racing${flags.length}`, (directory) => {
    const pairs = [["/v/a", "/v/x"], ["/v/b/c", "/v/b/x"]] as const;
    writeProgram(`${directory}/exchange`, exchanger(pairs));
    // What the links name is there in the root as well, so that no start fails for want of it.
    Deno.mkdirSync(directory + outside, { recursive: true });
  });
  Deno.mkdirSync(`${data}/a/mnt`, { recursive: true });
  Deno.mkdirSync(`${data}/b/c/mnt`, { recursive: true });
  leadOut(data, ["x", "b/x"]);
  new Deno.Command("chmod", { args: ["-R", "a+rwX", data] }).outputSync();
  const id = await engine.background("-v", `${volume}:/v`, "--rootfs", racing, "/exchange");
  try {
    let started = 0;
    for (let i = 0; i < 25; i++) {
      const { code, stdout } = await engine.host(
        ...[...flags, "-v", `${volume}:/v`, "-v", "inner:/v/a/mnt", "--tmpfs", "/v/b/c/mnt"],
        ...["--tmpfs", "/v/a/new/deep", "-w", "/v/b/c/cwd", "--rootfs", racing],
        ...["sh", "-c", `cat /v/a/secret /v/b/c/secret ./secret ${outside}/secret; true`],
      );
      assertEquals(stdout, "");
      if (code === 0) started++;
    }
    assertUntouched();
    assert(started > 0, "no container started: the race was not run");
  } finally {
    await engine.ok("rm", "-f", id);
  }
});

test("links inside a volume do not lead its subpath out", async (flags) => {
  const volume = `sub${flags.length}`;
  await engine.ok("volume", "create", volume);
  const data = `${engine.root}/volumes/${volume}/data`;
  leadOut(data, ["one", "two", "deep/three"]);
  for (const subpath of ["one", "two", "deep/three", "..", "deep/../..", "/"]) {
    const mount = `type=volume,src=${volume},dst=/v,volume-subpath=${subpath}`;
    const { stdout } = await engine.host(
      ...[...flags, "--mount", mount, "--rootfs", linked, "/bin/sh", "-c", "cat /v/secret; true"],
    );
    assertEquals(stdout, "", subpath);
  }
  assertUntouched();
});

for (const path of ["proc", "sys"]) {
  test(`an image cannot put /${path} behind a link`, async (flags) => {
    const name = `${path}link${flags.length}`;
    const rootfs = engine.rootfs(name, (directory) => {
      Deno.mkdirSync(`${directory}/elsewhere`);
      Deno.symlinkSync("/elsewhere", `${directory}/${path}`);
    });
    const { code, stderr } = await engine.host(...flags, "--rootfs", rootfs, "true");
    assertEquals(code, 125);
    assertStringIncludes(stderr, `on "/${path}": openat2: ELOOP`);
  });
}

const IN_PROC = ["/proc", "/proc/sys", "/proc/self/attr", "/proc/../proc/1", "/proc/sys/kernel"];

for (const target of IN_PROC) {
  Deno.test({
    name: `run does not take ${target} as a mount's target`,
    ...skipUnless(isRoot(), "needs root"),
    fn: async () => {
      for (const flags of [["-v", `${outside}:${target}`], ["--tmpfs", target]]) {
        const { code, stderr } = await engine.host(...flags, "--rootfs", linked, "/bin/true");
        assertEquals(code, 125);
        assertStringIncludes(stderr, "because it is inside /proc");
      }
    },
  });
}

test("a terminal's device files are the container's own whatever its image has there", async (flags) => {
  const name = `console${flags.length}`;
  const rootfs = engine.rootfs(name, (directory) => {
    leadOut(directory, ["dev/console", "dev/pts", "dev/ptmx", "dev/null", "dev/shm", "dev/stdin"]);
  });
  const script = "ls -l /dev/console; ls /dev/pts; echo x > /dev/console";
  const binary = Deno.realPathSync(Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock");
  const line = `'${binary}' run --rm ` +
    `-it --network none ${flags.join(" ")} --rootfs ${rootfs} sh -c '${script}'`;
  const { stdout } = await new Deno.Command("script", {
    args: ["-qec", line, "/dev/null"],
    env: engine.env,
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(/c.* 136, +\d+ .*\/dev\/console\r?$/m.test(text), text);
  assert(/0 +ptmx/.test(text), text);
  assertUntouched();
});
