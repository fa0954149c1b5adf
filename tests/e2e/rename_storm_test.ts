/**
 * While directories are renamed somewhere on the machine, openat2(2) gives up on paths with "..":
 * commands try again, and their users notice nothing.
 */
import { assertEquals } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { exchanger, writeProgram } from "../lib/hostile.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const ROUNDS = 12;

/** Renames directories, as fast as can be, until disposed. */
function storm(): Disposable {
  const [a, b] = ["storm-a", "storm-b"].map((name) => engine.path(name));
  for (const path of [a, b]) Deno.mkdirSync(path, { recursive: true });
  writeProgram(engine.path("exchange"), exchanger([[a, b]]));
  const program = engine.path("exchange");
  const child = new Deno.Command(program, { stdin: "null", stdout: "null" }).spawn();
  return {
    [Symbol.dispose]() {
      child.kill("SIGKILL");
      void child.status;
    },
  };
}

/** A root whose /up leads to /deep by several "..": each is a chance to give up. */
function winding(name: string): string {
  return engine.rootfs(name, (directory) => {
    for (const path of ["deep/a/b/c", "deep/m"]) {
      Deno.mkdirSync(`${directory}/${path}`, { recursive: true });
    }
    Deno.writeTextFileSync(`${directory}/deep/file`, "deep\n");
    Deno.symlinkSync("deep/a/../../deep", `${directory}/up`);
  });
}

Deno.test({
  name: "run, exec and cp get through a storm of renames",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    const root = winding("root"), given = engine.file("given", "given\n");
    const id = await engine.background("--rootfs", root, "sleep", "1000");
    const stopped = await engine.ok(
      ...["create", "--network", "none", "-v", "vol:/up/in", "--rootfs", `${root}:O`, "true"],
    );
    using _storm = storm();
    for (let round = 0; round < ROUNDS; round++) {
      assertEquals(await engine.ok("exec", "-w", "/up", id, "cat", "file"), "deep");
      await engine.ok("cp", `${id}:/up/../up/file`, engine.path(`got${round}`));
      await engine.ok("cp", given, `${id}:/up/../up/given${round}`);
      await engine.ok("cp", given, `${stopped}:/up/in/given`);
      const bind = ["-v", `${engine.top}:/up/../up/m`];
      const { code, stderr } = await engine.host(...bind, "--rootfs", `${root}:O`, "true");
      assertEquals([code, stderr], [0, ""]);
    }
    await engine.ok("rm", "-f", id, stopped);
    await engine.ok("volume", "rm", "vol");
  },
});

Deno.test({
  name: "the runtime's create gets through a storm of renames, and runs each hook once",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    const bundle = engine.path("bundle");
    Deno.mkdirSync(bundle);
    Deno.renameSync(winding("other"), `${bundle}/rootfs`);
    await engine.ok("oci", "spec", "--bundle", bundle);
    const spec = JSON.parse(Deno.readTextFileSync(`${bundle}/config.json`));
    spec.process = { ...spec.process, terminal: false, args: ["/bin/cat", "/up/m/secret"] };
    spec.root.readonly = false;
    Deno.writeTextFileSync(engine.path("secret"), "bound\n");
    const target = "/up/../up/m";
    spec.mounts.push({
      ...{ destination: target, type: "bind", source: engine.top, options: ["bind", "ro"] },
    });
    const ran = engine.path("ran");
    const hook = { path: "/bin/sh", args: ["sh", "-c", `echo hook >> ${ran}`] };
    spec.hooks = { createRuntime: [hook], createContainer: [hook] };
    Deno.writeTextFileSync(`${bundle}/config.json`, JSON.stringify(spec));
    using _storm = storm();
    for (let round = 0; round < ROUNDS; round++) {
      const words = ["oci", "--root", engine.path("oci"), "run", "--bundle", bundle, `s${round}`];
      const { code, stdout, stderr } = await engine.dd(...words);
      assertEquals([code, stdout, stderr], [0, "bound\n", ""]);
    }
    assertEquals(Deno.readTextFileSync(ran), "hook\n".repeat(2 * ROUNDS));
  },
});
