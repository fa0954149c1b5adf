/**
 * An engine whose parent ignores signals, as a daemon, nohup and a shell's "&" do: it hears how
 * its processes end, and the commands in containers find every signal as it is meant to be.
 */
import { assertEquals } from "@std/assert";
import { Engine, PROGRAM } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

async function ignoring(...args: string[]): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await new Deno.Command("/usr/bin/env", {
    args: ["--ignore-signal=CHLD,INT,QUIT,HUP,USR1", PROGRAM, ...args],
    env: engine.env,
    stdin: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout).trim() };
}

const IGNORED = ["/bin/grep", "SigIgn", "/proc/self/status"];
const NONE = { code: 0, stdout: "SigIgn:\t0000000000000000" };

Deno.test({
  name: "exit codes and signals of containers are right where the engine's parent ignores signals",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    const bare = ["--network", "none", "--rootfs", engine.rootfs("root")];
    const run = ["run", "--rm", ...bare];
    assertEquals(await ignoring(...run, "sh", "-c", "exit 5"), { code: 5, stdout: "" });
    assertEquals(await ignoring(...run, ...IGNORED), NONE);
    assertEquals(await ignoring(...run, "--init", ...IGNORED), NONE);
    const { stdout: id } = await ignoring("run", "-d", ...bare, "sh", "-c", "read x; exit 6");
    assertEquals(await engine.ok("wait", id), "6");
    const long = (await ignoring("run", "-d", ...bare, "sleep", "1000")).stdout;
    assertEquals(await ignoring("exec", long, ...IGNORED), NONE);
    assertEquals((await ignoring("exec", long, "sh", "-c", "exit 8")).code, 8);
    assertEquals((await ignoring("cp", `${long}:/bin/true`, "-")).code, 0);
    await engine.ok("rm", "-f", id, long);
  },
});
