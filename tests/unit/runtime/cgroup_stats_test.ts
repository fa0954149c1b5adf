import { assertEquals } from "@std/assert";
import { keyedNumber } from "../../../src/runtime/cgroup_files.ts";
import {
  blkioBytes,
  type CgroupStats,
  cpuPercent,
  ioStat,
} from "../../../src/runtime/cgroup_stats.ts";
import { delegatedPath } from "../../../src/runtime/cgroup_v2.ts";

Deno.test("blkioBytes() sums reads and writes of all devices", () => {
  const text = "8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:0 Discard 5\n8:0 Total 30\n" +
    "7:1 Read 1\n7:1 Write 2\nTotal 33\n";
  assertEquals(blkioBytes(text), { readBytes: 11, writtenBytes: 22 });
  assertEquals(blkioBytes("Total 0\n"), { readBytes: 0, writtenBytes: 0 });
});

Deno.test("ioStat() sums reads and writes of all devices", () => {
  const text = "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=9 dios=0\n" +
    "8:0 \n7:0 rbytes=800 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n";
  assertEquals(ioStat(text), { readBytes: 1460000, writtenBytes: 314773510 });
});

const KEYED: [text: string, key: string, want: number | undefined][] = [
  ["low 0\noom 1\noom_kill 2\n", "oom_kill", 2],
  ["oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill", 3],
  ["oom_kill 4", "oom_kill", 4],
  ["oom_kill_disable 0\n", "oom_kill", undefined],
  ["", "oom_kill", undefined],
];
for (const [text, key, want] of KEYED) {
  Deno.test(`keyedNumber() reads ${key} as ${want} from ${JSON.stringify(text)}`, () => {
    assertEquals(keyedNumber(text, key), want);
  });
}

const reading = (atNanos: number, cpuNanos: number): CgroupStats => ({
  atNanos,
  cpuNanos,
  memoryBytes: 0,
  memoryLimitBytes: 0,
  readBytes: 0,
  writtenBytes: 0,
  pids: 0,
  pidsLimit: 0,
});

const PERCENT: [elapsed: number, used: number, want: number][] = [
  [1e9, 5e8, 50],
  [1e9, 2e9, 200],
  [1e9, 0, 0],
  [0, 1e9, 0],
  [1e9, -5, 0],
];
for (const [elapsed, used, want] of PERCENT) {
  Deno.test(`cpuPercent() is ${want} for ${used} ns in ${elapsed} ns`, () => {
    assertEquals(cpuPercent(reading(7, 100), reading(7 + elapsed, 100 + used)), want);
  });
}

Deno.test("delegatedPath() is the uppermost cgroup that may be written", () => {
  const own = "/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope";
  const delegated = "/user.slice/user-1000.slice/user@1000.service";
  assertEquals(delegatedPath(own, (path) => path.startsWith(delegated)), delegated);
  assertEquals(delegatedPath(own, () => false), undefined);
  assertEquals(delegatedPath("/", () => true), undefined);
});
