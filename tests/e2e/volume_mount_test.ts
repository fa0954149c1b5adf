/** Volumes that are file systems of their own: mounted while a container that has them runs. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const mounts = (volume: string) =>
  engine.mounts().filter((line) => line.includes(`/volumes/${volume}/`));

test("a volume of type tmpfs is one while somebody runs with it", async () => {
  await engine.ok(
    ...["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "fast"],
  );
  const first = await engine.background("-v", "fast:/d", "host", "sleep", "1000");
  const second = await engine.background("-v", "fast:/d", "host", "sleep", "1000");
  assertEquals(await engine.ok("exec", first, "stat", "-f", "-c", "%T", "/d"), "tmpfs");
  await engine.ok("exec", first, "touch", "/d/made");
  assertEquals(await engine.ok("exec", second, "ls", "/d"), "made");
  assertEquals(mounts("fast").length, 1);
  await engine.ok("stop", "-t", "0", first);
  assertEquals(await engine.ok("exec", second, "ls", "/d"), "made");
  assertEquals(mounts("fast").length, 1);
  await engine.ok("rm", "-f", first, second);
  assertEquals(mounts("fast"), []);
  await engine.ok("volume", "rm", "fast");
});

test("a volume that is a bind of a directory shows that directory", async () => {
  Deno.mkdirSync(engine.path("shared"));
  const device = `device=${engine.path("shared")}`;
  await engine.ok("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", device, "shared");
  const { code, stderr } = await engine.host("-v", "shared:/d", "host", "touch", "/d/made");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(Deno.statSync(engine.path("shared/made")).isFile, true);
  assertEquals(mounts("shared"), []);
  await engine.ok("volume", "rm", "shared");
});

test("a volume that cannot be mounted fails the start, and leaves nothing", async () => {
  await engine.ok(
    ...["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/no/such", "bad"],
  );
  const { code, stderr } = await engine.host("-v", "bad:/d", "host", "true");
  assertEquals(code, 125);
  const place = `${engine.root}/volumes/bad/data`;
  assertStringIncludes(
    stderr,
    `error while mounting volume '${place}': failed to mount local volume: ` +
      `mount /no/such:${place}, flags: 0x1000: no such file or directory`,
  );
  assertEquals(engine.ids(), []);
  await engine.ok("volume", "rm", "bad");
});
