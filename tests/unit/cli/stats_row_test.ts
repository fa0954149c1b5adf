import { assertEquals } from "@std/assert";
import { statsRow } from "../../../src/cli/stats_row.ts";
import type { Usage } from "../../../src/engine/stats.ts";

const MIB = 1 << 20;
const ID = "0123456789abcdef".repeat(4);
const USAGE: Usage = {
  cpuPercent: 150,
  memoryBytes: 1.5 * MIB,
  memoryLimitBytes: 64 * MIB,
  receivedBytes: 1234,
  sentBytes: 0,
  readBytes: 2_500_000,
  writtenBytes: 12,
  pids: 3,
};

const who = { Container: "web", ID: "0123456789ab", Name: "web" };
const CASES: [name: string, usage: Usage | "unknown" | undefined, want: Record<string, string>][] =
  [
    ["a running container", USAGE, {
      BlockIO: "2.5MB / 12B",
      CPUPerc: "150.00%",
      MemPerc: "2.34%",
      MemUsage: "1.5MiB / 64MiB",
      NetIO: "1.23kB / 0B",
      PIDs: "3",
    }],
    ["one that does not run", undefined, {
      BlockIO: "0B / 0B",
      CPUPerc: "0.00%",
      MemPerc: "0.00%",
      MemUsage: "0B / 0B",
      NetIO: "0B / 0B",
      PIDs: "0",
    }],
    ["one without a cgroup", "unknown", {
      BlockIO: "--",
      CPUPerc: "--",
      MemPerc: "--",
      MemUsage: "-- / --",
      NetIO: "--",
      PIDs: "--",
    }],
  ];
for (const [name, usage, want] of CASES) {
  Deno.test(`statsRow() of ${name}`, () => {
    const row = statsRow({ id: ID, name: "web", reference: "web", usage }, false);
    assertEquals(row, { ...who, ...want });
  });
}

Deno.test("statsRow() of a container that was not named, with its whole id", () => {
  const row = statsRow({ id: ID, name: "web", reference: ID, usage: USAGE }, true);
  assertEquals([row.Container, row.ID], ["0123456789ab", ID]);
});
