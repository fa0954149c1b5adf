import { assertEquals, assertRejects } from "@std/assert";
import { SyscallError } from "../../../ffi/errno.ts";
import { attempt, Lacking } from "../../../src/engine/doctor.ts";
import { strictly } from "../../../src/engine/strict.ts";
import { UserError } from "../../../src/base/errors.ts";

const trial = (run: () => string | undefined) => ({ feature: "f", flags: "-x", remedy: "r", run });

function fail(error: Error): never {
  throw error;
}

const CASES: [name: string, run: () => string | undefined, state: string, why: string][] = [
  ["success", () => undefined, "works", ""],
  ["half a success", () => "no y", "partly", "no y"],
  [
    "a call that failed",
    () => fail(new SyscallError("mount", 1, "m")),
    "fails",
    "Cannot m: mount: EPERM",
  ],
  ["a machine that lacks it", () => fail(new Lacking("no z")), "fails", "no z"],
  ["a file that is not there", () => fail(new Deno.errors.NotFound("gone")), "fails", "gone"],
];

for (const [name, run, state, why] of CASES) {
  Deno.test(`attempt() tells of ${name}`, async () => {
    const finding = await attempt(trial(run));
    assertEquals([finding.state, finding.why, finding.essential], [state, why, false]);
    assertEquals(finding.remedy, state === "works" ? "" : "r");
  });
}

Deno.test("attempt() does not take a bug for a missing feature", async () => {
  await assertRejects(() => attempt(trial(() => fail(new TypeError("x")))), TypeError);
});

Deno.test("strictly() refuses what would be left out, and lets advice pass", () => {
  const heard: string[] = [];
  const warn = strictly(true, (text) => heard.push(text));
  warn("Localhost DNS (127.0.0.1) may fail in containers.");
  let refused: unknown;
  try {
    warn("Your kernel has no swap limit. Limitation discarded.");
  } catch (error) {
    refused = error;
  }
  assertEquals(heard.length, 1);
  assertEquals(refused instanceof UserError && refused.exitCode, 125);
  strictly(false, (text) => heard.push(text))("x discarded");
  assertEquals(heard.length, 2);
});
