/** `cp` follows a container's links inside the container only, also while they change. */
import { assert, assertEquals } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { exchanger, VARIANTS, writeProgram } from "../lib/hostile.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const outside = engine.path("outside");
Deno.mkdirSync(outside);
Deno.writeTextFileSync(`${outside}/secret`, "the host's secret\n");
const given = engine.file("given", "from the host\n");
const up = `${"../".repeat(20)}${outside.slice(1)}`;

/** A container that exchanges /d, a directory, for /x, a link to the host's directory. */
async function racing(flags: readonly string[], name: string): Promise<string> {
  const rootfs = engine.rootfs(name, (directory) => {
    Deno.mkdirSync(`${directory}/d`);
    Deno.writeTextFileSync(`${directory}/d/own`, "the container's\n");
    Deno.symlinkSync(outside, `${directory}/x`);
    Deno.symlinkSync(up, `${directory}/up`);
    Deno.symlinkSync("/proc/1/root", `${directory}/magic`);
    writeProgram(`${directory}/exchange`, exchanger([["/d", "/x"]]));
  });
  return await engine.background(...flags, "--rootfs", rootfs, "/exchange");
}

function assertUntouched(): void {
  assertEquals(Array.from(Deno.readDirSync(outside), ({ name }) => name), ["secret"]);
  assertEquals(Deno.readTextFileSync(`${outside}/secret`), "the host's secret\n");
}

for (const [variant, flags] of VARIANTS) {
  Deno.test({
    name:
      `cp in and out of a container that exchanges directories for links stays inside${variant}`,
    ...skipUnless(isRoot(), "needs root"),
    fn: async () => {
      const id = await racing(flags, `race${flags.length}`);
      const target = engine.path(`copied${flags.length}`);
      Deno.mkdirSync(target);
      try {
        let copied = 0;
        for (let i = 0; i < 30; i++) {
          const path = ["d", "x", "up", "magic"][i % 4];
          const { code } = await engine.dd("cp", given, `${id}:/${path}/new${i}`);
          if (code === 0) copied++;
          await engine.dd("cp", `${id}:/${path}/secret`, `${target}/secret${i}`);
          await engine.dd("cp", `${id}:/${path}/.`, `${target}/all${i}`);
        }
        assertUntouched();
        assert(copied > 0, "nothing was copied: the race was not run");
        const { stdout } = await new Deno.Command("grep", {
          args: ["-rl", "the host's secret", target],
        }).output();
        assertEquals(new TextDecoder().decode(stdout), "");
      } finally {
        await engine.ok("rm", "-f", id);
      }
    },
  });
}
