import { assert, assertEquals } from "@std/assert";
import { SIGTERM } from "../../ffi/constants.ts";
import { sys } from "../../ffi/libc.ts";
import { spawnSleeper } from "../../src/runtime/sleeper.ts";
import { exists, until } from "../lib/monitored.ts";

Deno.test("spawnSleeper() executes the command when the time is over, not before", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const started = performance.now();
    const pid = spawnSleeper(150, ["/bin/touch", `${directory}/done`]);
    await until(() => exists(`${directory}/done`));
    assert(performance.now() - started >= 150);
    assertEquals(sys("wait4", pid, 0, 0, 0), pid);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("spawnSleeper()'s process ends at once by SIGTERM", () => {
  const pid = spawnSleeper(60_000, ["/bin/false"]);
  sys("kill", pid, SIGTERM);
  const status = new Uint8Array(4);
  assertEquals(sys("wait4", pid, status, 0, 0), pid);
  assertEquals(status[0] & 0x7f, SIGTERM);
});
