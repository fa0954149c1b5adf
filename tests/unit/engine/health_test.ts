import { assertEquals } from "@std/assert";
import { healthCommand, healthTimes } from "../../../src/engine/health.ts";
import { deriveHealth } from "../../../src/engine/health_state.ts";
import { RECORD_SIZE } from "../../../src/runtime/health_records.ts";

const COMMANDS: [test: string[], shell: string[] | undefined, want: string[]][] = [
  [["CMD", "curl", "-f", "x"], undefined, ["curl", "-f", "x"]],
  [["CMD-SHELL", "exit 1"], undefined, ["/bin/sh", "-c", "exit 1"]],
  [["CMD-SHELL", "exit 1"], ["/bin/bash", "-ec"], ["/bin/bash", "-ec", "exit 1"]],
];
for (const [Test, Shell, want] of COMMANDS) {
  Deno.test(`healthCommand() of ${JSON.stringify(Test)} with shell ${Shell}`, () => {
    assertEquals(healthCommand({ Healthcheck: { Test }, Shell }), want);
  });
}

Deno.test("healthTimes() has docker's defaults for what is absent or 0", () => {
  const defaults = {
    intervalNs: 30e9,
    timeoutNs: 30e9,
    startPeriodNs: 0,
    startIntervalNs: 5e9,
    retries: 3,
  };
  assertEquals(healthTimes({}), defaults);
  assertEquals(healthTimes({ Interval: 0, Timeout: 0, Retries: 0, StartInterval: 0 }), defaults);
  assertEquals(healthTimes({ Interval: 1e6, Retries: 9 }).intervalNs, 1e6);
});

/** A record of the health program. */
function record(words: Record<number, number>, output: string): Uint8Array {
  const bytes = new Uint8Array(RECORD_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of Object.entries(words)) {
    view.setBigUint64(Number(at), BigInt(value), true);
  }
  view.setBigUint64(72, BigInt(output.length), true);
  bytes.set(new TextEncoder().encode(output), 80);
  return bytes;
}

Deno.test("deriveHealth() is starting without records", () => {
  assertEquals(deriveHealth(new Uint8Array(0)), { Status: "starting", FailingStreak: 0, Log: [] });
});

Deno.test("deriveHealth() sorts the records and takes the state from the newest", () => {
  const file = new Uint8Array(2 * RECORD_SIZE);
  file.set(record({ 0: 6, 8: 1, 16: 500, 24: 2, 40: 1 << 8, 56: 3, 64: 2 }, "new"), 0);
  file.set(record({ 0: 5, 8: 0, 24: 1, 48: 1, 40: 9, 56: 2, 64: 1 }, "old"), RECORD_SIZE);
  assertEquals(deriveHealth(file), {
    Status: "unhealthy",
    FailingStreak: 3,
    Log: [
      { Start: "1970-01-01T00:00:00Z", End: "1970-01-01T00:00:01Z", ExitCode: -1, Output: "old" },
      {
        Start: "1970-01-01T00:00:01.0000005Z",
        End: "1970-01-01T00:00:02Z",
        ExitCode: 1,
        Output: "new",
      },
    ],
  });
});
