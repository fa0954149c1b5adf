/** What is said of limits: refusals, and explain. The limits themselves are in limits_test.ts. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import { whyNoCgroups } from "../lib/cgroup_box.ts";
import { Engine } from "../lib/engine.ts";
import { skipUnless } from "../lib/skip.ts";

const why = whyNoCgroups();
const VERSION = cgroupLayout().version;
const MIB = 1 << 20;
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(why === undefined, `cgroups: ${why}`), fn });
}

const REFUSED: [flags: string[], text: string][] = [
  [["-m", "5m"], "Minimum memory limit allowed is 6MB"],
  [["--cpus", "999"], "Range of CPUs is from 0.01 to "],
  [["--cpuset-cpus", "4096"], "Requested CPUs are not available - requested 4096, available: 0-"],
  [["--device-read-bps", "/dev/nosuch:1mb"], "/dev/nosuch"],
  [["--device-write-iops", "/dev/null:10"], "Cannot set --device-write-iops"],
  [["--cgroup-driver", "systemd"], "the cgroup driver systemd is not supported"],
  [["--cgroup-parent", "a--b.slice"], "invalid slice name: a--b.slice"],
];
// On v2 they become weights, which have other bounds.
if (VERSION === 1) {
  REFUSED.push(
    [["--cpu-shares", "1"], "the minimum allowed cpu-shares is 2"],
    [["--cpu-shares", "262145"], "the maximum allowed cpu-shares is 262144"],
  );
}
for (const [flags, text] of REFUSED) {
  test(`run ${flags.join(" ")} is refused, and nothing is left`, async () => {
    const before = engine.ids();
    const { code, stderr } = await engine.host(...flags, "host", "true");
    assertEquals(code, 125, stderr);
    assertStringIncludes(stderr, text);
    assertEquals(engine.ids(), before);
  });
}

test("explain shows the files that are written, and why", async () => {
  const text = await engine.ok("explain", "run", "-m", "64m", "--cpus", ".5", "host", "true");
  const lines = text.split("\n");
  const wanted = VERSION === 2
    ? [["memory.max", String(64 * MIB)], ["cpu.max", "50000 100000"]]
    : [["memory.limit_in_bytes", String(64 * MIB)], ["cpu.cfs_quota_us", "50000"]];
  for (const [file, value] of wanted) {
    // The path may be cut to its last part, where it is the same for many.
    const isOf = (line: string) => line.startsWith(`${file} `) || line.includes(`/${file} `);
    assert(lines.some((line) => isOf(line) && line.includes(value)), file);
  }
  assertStringIncludes(text, "-m, --memory: ");
});
