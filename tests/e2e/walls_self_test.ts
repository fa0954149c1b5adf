/**
 * The engine's own file, memory and descriptors are no way out of a container: attempts that
 * have to fail, as root of the host and as root of a user namespace.
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { LINKER, linkPrinter, VARIANTS, writeProgram } from "../lib/hostile.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

/** A file of the host that no container is given. */
const secret = engine.file("secret", "the host's secret\n");

/** A root whose dynamic linker prints which file it was started for, and links to that file. */
const rootfs = engine.rootfs("hostile", (directory) => {
  Deno.mkdirSync(`${directory}/${LINKER.slice(0, LINKER.lastIndexOf("/"))}`);
  writeProgram(`${directory}/${LINKER}`, linkPrinter("/proc/self/exe"));
  Deno.symlinkSync("/proc/self/exe", `${directory}/self`);
  Deno.writeTextFileSync(`${directory}/script`, "#!/proc/self/exe\n", { mode: 0o755 });
  Deno.mkdirSync(`${directory}/proc`);
  for (let fd = 3; fd < 24; fd++) Deno.symlinkSync(`/proc/self/fd/${fd}`, `${directory}/fd${fd}`);
});

function test(name: string, fn: (flags: readonly string[]) => Promise<void>): void {
  for (const [variant, flags] of VARIANTS) {
    Deno.test({
      name: `${name}${variant}`,
      ...skipUnless(isRoot(), "needs root"),
      fn: () => fn(flags),
    });
  }
}

/** Runs `body` with a container of the hostile root in the background. */
async function withContainer(
  flags: readonly string[],
  body: (id: string) => Promise<void>,
): Promise<void> {
  const id = await engine.background(...flags, "--rootfs", rootfs, "sleep", "1000");
  engine.remember([id]);
  try {
    await body(id);
  } finally {
    await engine.ok("rm", "-f", id);
  }
}

for (const command of ["/self", "/script"]) {
  test(`run does not execute the engine's file by ${command}`, async (flags) => {
    const { code, stdout } = await engine.host(...flags, "--rootfs", rootfs, command);
    assertNotEquals(code, 0);
    assertEquals(stdout, ""); // the dynamic linker was not called: no file of the host ran
  });

  test(`exec does not execute the engine's file by ${command}`, async (flags) => {
    await withContainer(flags, async (id) => {
      const { code, stdout } = await engine.dd("exec", id, command);
      assertNotEquals(code, 0);
      assertEquals(stdout, "");
    });
  });
}

test("a health check does not execute the engine's file", async (flags) => {
  const id = await engine.background(
    ...[...flags, "--health-cmd", "/self", "--health-interval", "100ms", "--health-retries", "1"],
    ...["--rootfs", rootfs, "sleep", "1000"],
  );
  try {
    const state = () => engine.inspect(id, "{{.State.Health.Status}}");
    await waitFor(async () => await state() === "unhealthy");
    const output = await engine.inspect(id, "{{range .State.Health.Log}}{{.Output}}{{end}}");
    assert(!output.includes("deno") && !output.includes("diplodock"), output);
  } finally {
    await engine.ok("rm", "-f", id);
  }
});

test("the first process that --init makes cannot be looked into", async (flags) => {
  const script =
    "cat /proc/1/maps; readlink /proc/1/exe; readlink /proc/1/fd/1; exec 3<>/proc/1/mem; true";
  const { stdout } = await engine.host(...flags, "--init", "--rootfs", rootfs, "sh", "-c", script);
  assertEquals(stdout, "");
});

const STREAMS: [name: string, of: () => Promise<Deno.FsFile> | Deno.FsFile][] = [
  ["a file", () => Deno.openSync(secret)],
  ["a directory", () => Deno.openSync(engine.top)],
];

for (const [name, open] of STREAMS) {
  test(`${name} as the client's stdin is no descriptor of exec's command`, async (flags) => {
    await withContainer(flags, async (id) => {
      using file = await open();
      const child = new Deno.Command("/bin/sh", {
        args: ["-c", `exec "$@" </proc/${Deno.pid}/fd/${fdOf(file)}`, "sh"]
          .concat([Deno.realPathSync(Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock")])
          .concat(["exec", "-i", id, "sh", "-c", "readlink /proc/self/fd/0; ls /proc/self/fd/0/"]),
        env: engine.env,
        stdin: "null",
      });
      const { stdout } = await child.output();
      const text = new TextDecoder().decode(stdout);
      assert(/^pipe:\[\d+\]\n$/.test(text), text);
    });
  });
}

/** The number of an open file: Deno does not tell, so the link is looked for. */
function fdOf(file: Deno.FsFile): number {
  const { dev, ino } = file.statSync();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const found = Deno.statSync(`/proc/self/fd/${name}`);
      if (found.dev === dev && found.ino === ino) return Number(name);
    } catch {
      // the listing's own descriptor
    }
  }
  throw new Error("the file is not open");
}

test("run and exec give the command its streams and no other descriptor", async (flags) => {
  const list = ["ls", "/proc/self/fd"];
  const wanted = "0\n1\n2\n3\n"; // 3 is the directory that ls reads
  assertEquals((await engine.host(...flags, "--rootfs", rootfs, ...list)).stdout, wanted);
  await withContainer(flags, async (id) => {
    assertEquals((await engine.dd("exec", id, ...list)).stdout, wanted);
    const pid = await engine.inspect(id, "{{.State.Pid}}");
    const links = Array.from(Deno.readDirSync(`/proc/${pid}/fd`), ({ name }) => name);
    assertEquals(links.sort(), ["0", "1", "2"]);
  });
});

test("a working directory that is a descriptor of the engine's leads nowhere", async (flags) => {
  const up = "../".repeat(12);
  const attempt = `cat ${up}${secret.slice(1)} ./${secret.slice(secret.lastIndexOf("/") + 1)}`;
  for (let fd = 3; fd < 15; fd++) {
    const cwd = fd % 2 === 0 ? `/proc/self/fd/${fd}` : `/fd${fd}`; // a link in the image
    const { stdout } = await engine.host(
      ...[...flags, "-w", cwd, "--rootfs", rootfs, "sh", "-c", attempt],
    );
    assertEquals(stdout, "", cwd);
  }
});

test("exec's working directory cannot be a descriptor of the engine's", async (flags) => {
  const attempt = `cat ${"../".repeat(12)}${secret.slice(1)}; true`;
  await withContainer(flags, async (id) => {
    for (let fd = 3; fd < 15; fd++) {
      const { stdout } = await engine.dd(
        "exec",
        "-w",
        `/proc/self/fd/${fd}`,
        id,
        "sh",
        "-c",
        attempt,
      );
      assertEquals(stdout, "", `${fd}`);
    }
  });
});
