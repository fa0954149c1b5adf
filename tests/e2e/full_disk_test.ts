/** A container that runs while the disk of the engine fills up. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { sys } from "../../ffi/libc.ts";
import { Engine } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const FULL = "no space left on device (make room on its file system)";

/** Fills the disk; the file to remove for room. */
function fill(): string {
  const path = `${engine.root}/filling`;
  using file = Deno.openSync(path, { write: true, create: true });
  const chunk = new Uint8Array(65536);
  try {
    for (;;) file.writeSync(chunk);
  } catch (error) {
    assertStringIncludes((error as Error).message, "No space left");
  }
  return path;
}

Deno.test({
  name: "on a full disk containers are stopped and removed, and a run fails with one line",
  ...skipUnless(isRoot(), "needs root"),
  async fn() {
    Deno.mkdirSync(engine.root);
    assertEquals(sys("mount", "tmpfs", engine.root, "tmpfs", 0, "size=8m"), 0);
    using cleanup = new DisposableStack();
    cleanup.defer(() => sys("umount2", engine.root, 2));
    const rootfs = ["--rootfs", engine.rootfs("bb")];
    const health = ["--health-cmd", "true", "--health-interval", "1s"];
    const long = [...rootfs, "sleep", "600"];
    await engine.background("--name", "kept", ...health, ...long);
    await engine.background("--name", "gone", ...long);
    await engine.ok("network", "create", "--subnet", "10.213.9.0/24", "net");
    const other = await engine.ok("run", "-d", "--name", "old", "--network", "net", ...long);
    const filling = fill();

    const run = await engine.host(...rootfs, "true");
    assertEquals(run.code, 125);
    assertStringIncludes(run.stderr, FULL);
    assert(!run.stderr.includes("os error"), run.stderr);

    const renamed = await engine.dd("rename", "old", "new");
    assertEquals(renamed.code, 1);
    assertStringIncludes(renamed.stderr, FULL);
    const names = ["network", "inspect", "-f", "{{range .Containers}}{{.Name}}{{end}}", "net"];
    assertEquals(await engine.ok(...names), "old");

    const stopped = await engine.dd("stop", "-t", "0", "kept");
    assertEquals([stopped.code, stopped.stdout], [0, "kept\n"], stopped.stderr);
    assertEquals((await engine.dd("rm", "-f", "gone")).code, 0);
    // What the two held was given back all the same.
    const running = Array.from(Deno.readDirSync(`${engine.run}/containers`), ({ name }) => name);
    assertEquals(running, [other]);

    Deno.removeSync(filling);
    assertEquals(await engine.inspect("kept", "{{.State.Status}}"), "exited");
    await engine.ok("rm", "-f", "kept", "old");
    await engine.ok("network", "rm", "net");
  },
});
