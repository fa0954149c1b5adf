/** Restart policies as those see them who watch. */
import { assertEquals } from "@std/assert";
import { lockFile } from "../../ffi/fd.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

test("logs -f ends when the policy has no try left, and a start gives it new ones", async () => {
  // It follows from before the first restart on: the number of them has to be looked at anew.
  const id = await engine.background(
    ...["-i", "--restart", "on-failure:1", "host", "sh", "-c", "echo up; read x; exit 3"],
  );
  const following = engine.spawn(["logs", "-f", id]);
  const reader = following.stdout.getReader();
  await reader.read();
  const count = () => engine.inspect(id, "{{.State.Status}} {{.RestartCount}}");
  await engine.with({ stdin: "x\n" }, "attach", id);
  await waitFor(async () => await count() === "running 1");
  await engine.with({ stdin: "x\n" }, "attach", id);
  while (!(await reader.read()).done);
  await following.stderr.cancel();
  assertEquals((await following.status).code, 0);
  // A start by hand begins anew.
  assertEquals(await count(), "exited 1");
  await engine.ok("start", id);
  assertEquals(await count(), "running 0");
  await engine.ok("rm", "-f", id);
});

test("kill ends the wait for a restart", async () => {
  const id = await engine.background("--restart", "always", "host", "false");
  await waitFor(async () => await engine.inspect(id, "{{.State.Status}}") === "restarting");
  await engine.ok("kill", id);
  // It may have come up in between, and was killed then.
  await waitFor(async () => await engine.inspect(id, "{{.State.Status}}") === "exited");
  await engine.ok("rm", id);
});

test("a container that is about to come back has not exited", async () => {
  const id = await engine.background("--restart", "always", "host", "sleep", "1000");
  // Whoever cleans up after its end waits for this lock.
  const lock = lockFile(`${engine.root}/containers/${id}/lock`);
  Deno.kill(Number(await engine.inspect(id, "{{.State.Pid}}")), "SIGKILL");
  const exit = `${engine.root}/containers/${id}/exit`;
  await waitFor(() => Deno.lstat(exit).then(() => true, () => false));
  assertEquals(
    await engine.inspect(id, "{{.State.Status}} {{.State.Running}} {{.State.Restarting}}"),
    "restarting true true",
  );
  assertEquals(await engine.ok("ps", "-q", "--no-trunc", "--filter", "status=restarting"), id);
  for (
    const [words, said] of [
      [["exec", id, "true"], "Error response from daemon: Container"],
      [["top", id], "Error response from daemon: Container"],
    ] as const
  ) {
    const { code, stderr } = await engine.dd(...words);
    const text = `${said} ${id} is restarting, wait until the container is running\n`;
    assertEquals([code, stderr], [1, text], words[0]);
  }
  const { stderr } = await engine.dd("attach", id);
  assertEquals(stderr, "You cannot attach to a restarting container, wait until it is running\n");
  lock[Symbol.dispose]();
  await waitFor(async () => await engine.inspect(id, "{{.State.Status}}") === "running");
  await engine.ok("rm", "-f", id);
});
