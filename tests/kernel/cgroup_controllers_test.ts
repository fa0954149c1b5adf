/**
 * The controllers that have no flag of docker's, or need a disk of a certain kind: each takes its
 * value and gives it back, or a warning names what this kernel, or this machine, lacks. Run here,
 * and in machines that have all of them: as v1 hierarchies and on v2 (tests/vm).
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { StructWriter } from "../../ffi/bytes.ts";
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { Fd, openAt } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { UserError } from "../../src/base/errors.ts";
import { createCgroup, updateCgroup } from "../../src/runtime/cgroup.ts";
import { directoryOf, openCgroup } from "../../src/runtime/cgroup_place.ts";
import { cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import type { Resources } from "../../src/runtime/spec_types.ts";
import { type Box, hasController as has, whyNoCgroups, withCgroup } from "../lib/cgroup_box.ts";
import { withLoop } from "../lib/loop_device.ts";
import { skipUnless } from "../lib/skip.ts";

const why = whyNoCgroups();
const VERSION = cgroupLayout().version;
const MIB = 1 << 20;

function test(name: string, resources: Resources, body: (box: Box) => void | Promise<void>): void {
  Deno.test({
    name,
    ...skipUnless(why === undefined, `cgroups: ${why}`),
    fn: () => withCgroup(resources, body),
  });
}

/** The lines of a control file, by its name in the version that is here. */
function control({ cgroup }: Box, controller: string, v1: string, v2 = v1): string[] {
  const file = `${directoryOf(cgroup, controller)}/${VERSION === 2 ? v2 : v1}`;
  return Deno.readTextFileSync(file).trim().split("\n").map((line) => line.trim());
}

const lacks = (what: string, thing: string) =>
  `Your kernel does not support ${what} or the cgroup is not mounted. ${thing} discarded.`;

test("hugetlb: a limit of huge pages, used and reserved", {
  hugepageLimits: [{ pageSize: "2MB", limit: 4 * MIB }],
}, (box) => {
  if (!has("hugetlb")) {
    const text = lacks("hugetlb limits of that page size", "Hugepage limit");
    return assertEquals(box.warnings, [text]);
  }
  assertEquals(box.warnings, []);
  for (const kind of ["", ".rsvd"]) {
    const files = [`hugetlb.2MB${kind}.limit_in_bytes`, `hugetlb.2MB${kind}.max`] as const;
    assertEquals(control(box, "hugetlb", ...files), [String(4 * MIB)]);
  }
});

test("net_cls: the class of packets", { network: { classID: 0x10_0001 } }, (box) => {
  // v2 has no such controller: tc and nftables look at the cgroup itself.
  if (!has("net_cls")) {
    return assertEquals(box.warnings, [lacks("net_cls", "Network class")]);
  }
  assertEquals(box.warnings, []);
  assertEquals(control(box, "net_cls", "net_cls.classid"), [String(0x10_0001)]);
});

test("net_prio: the priority of packets on an interface", {
  network: { priorities: [{ name: "lo", priority: 3 }] },
}, (box) => {
  if (!has("net_prio")) {
    return assertEquals(box.warnings, [lacks("net_prio", "Network priority")]);
  }
  assertEquals(box.warnings, []);
  assert(control(box, "net_prio", "net_prio.ifpriomap").includes("lo 3"));
});

/** The name of an RDMA device of this machine, or undefined. */
function rdmaDevice(): string | undefined {
  try {
    return [...Deno.readDirSync("/sys/class/infiniband")][0]?.name;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const device = rdmaDevice();

test("rdma: handles and objects of a device", {
  rdma: { [device ?? "none0"]: { hcaHandles: 4, ...(device && { hcaObjects: 100 }) } },
}, (box) => {
  if (!has("rdma")) return assertEquals(box.warnings, [lacks("rdma limits", "RDMA limit")]);
  assertEquals(box.warnings, []);
  assertEquals(control(box, "rdma", "rdma.max"), [`${device} hca_handle=4 hca_object=100`]);
});

test("rdma: a device that is not there is refused", {}, async ({ cgroup }) => {
  if (!has("rdma")) return;
  const path = `${cgroup.path}/inner`;
  const wrong: Resources = { rdma: { nosuch0: { hcaHandles: 1 } } };
  await assertRejects(() => createCgroup(path, wrong), UserError, "Cannot set rdma");
  for (const { directory } of openCgroup(path).directories) {
    await assertRejects(() => Deno.stat(directory), Deno.errors.NotFound);
  }
});

// linux/perf_event.h
const PERF_TYPE_SOFTWARE = 1;
const PERF_COUNT_SW_TASK_CLOCK = 1;
const PERF_FLAG_PID_CGROUP = 4;

/** A counter of the time on `cpu` of what runs in the cgroup, as `perf stat -G` opens it. */
function taskClock(directory: string, cpu: number): Fd {
  using cgroup = openAt(null, directory, O_RDONLY | O_DIRECTORY);
  const attr = new StructWriter(64).u32(PERF_TYPE_SOFTWARE).u32(64).u64(PERF_COUNT_SW_TASK_CLOCK);
  const goal = "open a counter of the cgroup";
  const args = [attr.bytes, cgroup.raw, cpu, -1, PERF_FLAG_PID_CGROUP] as const;
  return new Fd(check(goal, "perf_event_open", ...args));
}

function count(counter: Fd): bigint {
  const bytes = new Uint8Array(8);
  check("read a counter", "read", counter.raw, bytes, 8);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}

test("perf_event: a counter sees what runs in the cgroup, and nothing else", {}, (box) => {
  const directory = directoryOf(box.cgroup, "perf_event");
  if (directory === undefined) {
    // A v1 machine without the hierarchy: there is nothing to be in, and no value to set.
    return assertEquals(has("perf_event"), false);
  }
  using counters = new DisposableStack();
  const clocks = Array.from(
    { length: navigator.hardwareConcurrency },
    (_, cpu) => counters.use(taskClock(directory, cpu)),
  );
  const nanos = () => clocks.reduce((sum, clock) => sum + count(clock), 0n);
  assertEquals(nanos(), 0n);
  assertEquals(box.run("i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done"), 0);
  assert(nanos() > 0n);
});

test("blkio: weights where BFQ orders the requests of a disk", {}, async (box) => {
  await withLoop(async (place) => {
    const weights: Resources = {
      blockIO: { weight: 300, weightDevice: [{ ...place, weight: 500 }] },
    };
    assertEquals(await updateCgroup(box.cgroup, weights), []);
    const lines = () =>
      VERSION === 2 ? control(box, "io", "", "io.bfq.weight") : [
        `default ${control(box, "blkio", "blkio.bfq.weight")[0]}`,
        ...control(box, "blkio", "blkio.bfq.weight_device").slice(1),
      ];
    const at = `${place.major}:${place.minor}`;
    assertEquals(lines(), ["default 300", `${at} 500`]);
    const back: Resources = { blockIO: { weightDevice: [{ ...place, weight: 0 }] } };
    assertEquals(await updateCgroup(box.cgroup, back), []);
    assertEquals(lines(), ["default 300"]);
  }, "bfq");
});
