/** `system reset`: nothing of an engine is left on the machine, and nothing of others is touched. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { cgroupsOf, Engine, waitFor } from "../lib/engine.ts";
import { exists } from "../lib/monitored.ts";
import { runProgram } from "../lib/oci_box.ts";
import { OrdinaryUser } from "../lib/ordinary_user.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { networkTraces } from "../lib/traces.ts";

const engine = new Engine(), neighbour = new Engine();
Deno.test.afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await neighbour[Symbol.asyncDispose]();
});

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `system reset ${name}`, ...skipUnless(isRoot(), "needs root"), fn });
}

const traces = ({ run }: Engine) => networkTraces([run]);

/** Containers that run and one that does not, on two networks, with a port, an image, a volume. */
async function fill(engine: Engine): Promise<string[]> {
  const tar = engine.path("box.tar");
  if (!exists(tar)) await runProgram(["tar", "-C", engine.rootfs("box"), "-cf", tar, "."]);
  await engine.ok("import", tar, "box:1");
  await engine.ok("network", "create", "app");
  await engine.ok("volume", "create", "data");
  return [
    await engine.ok("run", "-d", "-p", "127.0.0.1::80", "-v", "data:/d", "box:1", "sleep", "1000"),
    await engine.ok("run", "-d", "--network", "app", "--restart=always", "box:1", "sleep", "1000"),
    await engine.ok("create", "box:1", "true"),
  ];
}

test("asks first", async () => {
  const id = await engine.background("--rootfs", `${engine.rootfs("first")}:O`, "sleep", "1000");
  const { stdout, code } = await engine.with({ stdin: "n\n" }, "system", "reset");
  assertEquals(code, 0);
  assertStringIncludes(stdout, `  - the files in ${engine.root} and ${engine.run}\n`);
  assertEquals(engine.ids(), [id]);
});

test("leaves nothing of the engine, and all of its neighbour", async () => {
  const ids = await fill(engine);
  const [kept] = await fill(neighbour);
  assert((await traces(engine)).length > 0);
  // What it has mounted from elsewhere is not its own.
  const mine = engine.path("mine");
  Deno.mkdirSync(mine);
  Deno.writeTextFileSync(`${mine}/file`, "precious");
  const bind = ["-o", "type=none", "-o", "o=bind", "-o", `device=${mine}`];
  await engine.ok("volume", "create", ...bind, "outside");
  await engine.ok("run", "-d", "-v", "outside:/o", "box:1", "sleep", "1000");
  await engine.ok("image", "mount", "box:1");
  Deno.writeTextFileSync(`${engine.root}/notes`, "somebody's");
  // All that commands write beside: an id, the cache of builds, logs of events and of quick execs.
  await engine.ok("info", "-f", "{{.ID}}");
  await engine.with({ stdin: "FROM box:1\nRUN true\n" }, "build", "-");
  for (let round = 0; round < 3; round++) await engine.ok("exec", ids[0], "true");
  Deno.copyFileSync(`${engine.root}/events.log`, `${engine.root}/events.log.1`);
  Deno.writeTextFileSync(`${engine.root}/events.log.lock`, "");
  Deno.writeTextFileSync(`${engine.root}/engine-id.tmp-1-0`, "");
  Deno.mkdirSync(`${engine.root}/.doctor-1`);

  assertEquals(await engine.dd("system", "reset", "--force"), { code: 0, stdout: "", stderr: "" });
  assertEquals(await traces(engine), []);
  assertEquals(Array.from(Deno.readDirSync(engine.root), ({ name }) => name), ["notes"]);
  assertEquals(await engine.left(), []);
  assertEquals(ids.flatMap(cgroupsOf), []);
  assertEquals(Deno.readTextFileSync(`${mine}/file`), "precious");
  assertEquals(await neighbour.inspect(kept, "{{.State.Running}}"), "true");
  assert((await traces(neighbour)).length > 0);
});

test("takes rules and bridge also when their record is lost", async () => {
  const [id] = await fill(engine);
  Deno.removeSync(`${engine.run}/net/firewall.json`);
  Deno.writeTextFileSync(`${engine.root}/networks/bridge.json`, "{");
  Deno.writeTextFileSync(`${engine.root}/containers/${id}/container.json`, "");
  assertEquals(await engine.dd("system", "reset", "--force"), { code: 0, stdout: "", stderr: "" });
  assertEquals(await traces(engine), []);
  assertEquals(await engine.left(), []);
});

test("of an ordinary user takes the process that holds his namespaces too", async () => {
  await using user = await OrdinaryUser.make({ single: true });
  await user.ok("run", "-d", "--network", "none", "host", "sleep", "1000");
  await user.ok("volume", "create", "data");
  await user.ok("system", "reset", "--force");
  await waitFor(() => user.processes().length === 0);
  for (const path of [user.store, `${user.run}/diplodock`]) assertEquals(exists(path), false, path);
});
