import { assertEquals } from "@std/assert";
import { limitFacts } from "../../../src/engine/info_limits.ts";

const V1 = "blkio cpu cpuacct cpuset devices freezer memory pids".split(" ");
const V2 = "cpu cpuset io memory pids".split(" ");

const CASES: [
  name: string,
  version: 1 | 2 | undefined,
  controllers: string[],
  absent: string[],
  warnings: string[],
][] = [
  ["v1 with everything", 1, V1, [], []],
  ["v1 without swap accounting", 1, V1, ["memory.memsw.limit_in_bytes"], ["No swap limit support"]],
  [
    "v1 without BFQ and CFQ",
    1,
    V1,
    ["blkio.bfq.weight", "blkio.weight", "blkio.bfq.weight_device", "blkio.weight_device"],
    ["No blkio weight support", "No blkio weight_device support"],
  ],
  [
    "v1 without the memory controller",
    1,
    V1.filter((name) => name !== "memory"),
    [],
    ["No memory limit support", "No swap limit support", "No oom kill disable support"],
  ],
  ["v2 with everything", 2, V2, [], []],
  ["v2 where one of two files is there", 2, V2, ["io.bfq.weight"], []],
  [
    "v2 without io",
    2,
    V2.filter((name) => name !== "io"),
    [],
    [
      ...["io.weight", "io.weight (per device)", "io.max (rbps)", "io.max (wbps)"],
      ...["io.max (riops)", "io.max (wiops)"],
    ].map((what) => `No ${what} support`),
  ],
  ["no cgroups", undefined, [], [], [
    "No cgroups are mounted: there are no limits, pause and stats",
  ]],
];
for (const [name, version, controllers, absent, warnings] of CASES) {
  Deno.test(`limitFacts() of ${name}`, () => {
    const facts = limitFacts(version, controllers, (_, file) => !absent.includes(file));
    assertEquals(facts.warnings, warnings.map((line) => `WARNING: ${line}`));
  });
}

Deno.test("limitFacts() names what is there and what is not", () => {
  const { limits, missing } = limitFacts(2, V2, () => undefined);
  assertEquals(missing, ["hugetlb", "misc", "rdma"]);
  assertEquals([limits.MemoryLimit, limits.CPUSet, limits.OomKillDisable], [true, true, false]);
});
