import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../src/base/errors.ts";
import {
  createCgroup,
  removeCgroup,
  updateCgroup,
  updateDevices,
} from "../../src/runtime/cgroup.ts";
import { directoryOf, openCgroup } from "../../src/runtime/cgroup_place.ts";
import { keyedNumber, readNumber } from "../../src/runtime/cgroup_files.ts";
import {
  cgroupPids,
  freezeCgroup,
  killCgroup,
  thawCgroup,
} from "../../src/runtime/cgroup_processes.ts";
import { readStats } from "../../src/runtime/cgroup_stats.ts";
import { isFrozen } from "../../src/runtime/freezer.ts";
import { oomKills } from "../../src/runtime/oom_kills.ts";
import type { DeviceRule, Resources } from "../../src/runtime/spec_types.ts";
import { type Box, whyNoCgroups, withCgroup } from "../lib/cgroup_box.ts";
import { withLoop } from "../lib/loop_device.ts";
import { skipUnless } from "../lib/skip.ts";

const why = whyNoCgroups();
const MIB = 1 << 20;

/** A test that has a cgroup of its own. */
function test(name: string, resources: Resources, body: (box: Box) => void | Promise<void>): void {
  Deno.test({
    name,
    ...skipUnless(why === undefined, `cgroups: ${why}`),
    fn: () => withCgroup(resources, body),
  });
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function readIf(path: string): string {
  return exists(path) ? Deno.readTextFileSync(path) : "";
}

const sleep = (millis: number) => new Promise((done) => setTimeout(done, millis));

/** Waits for what another process does. */
async function until(what: string, done: () => boolean, seconds = 60): Promise<void> {
  for (let i = 0; i < seconds * 100; i++) {
    if (done()) return;
    await sleep(10);
  }
  throw new Error(`waited ${seconds} s in vain: ${what}`);
}

test("openDoor() lets a process into every hierarchy", {}, (box) => {
  assertEquals(box.run("cat /proc/self/cgroup > own"), 0);
  for (const line of box.read("own").trim().split("\n")) {
    const [, , path] = line.split(":");
    assertEquals(path, box.cgroup.path, line);
  }
});

test("removeCgroup() kills what is left and removes cgroups inside", {}, async (box) => {
  const inner = box.cgroup.directories.map(({ directory }) => `mkdir -p ${directory}/a/b`);
  box.start(`${inner.join("\n")}\ntrap '' TERM\nsleep 1000 & sleep 1000 & touch ready; wait`);
  await until("the shell", () => exists(`${box.directory}/ready`));
  assert(cgroupPids(box.cgroup).length >= 3);
  await removeCgroup(box.cgroup);
  for (const { directory } of box.cgroup.directories) assert(!exists(directory), directory);
});

test("createCgroup() refuses a cgroup that has processes", {}, async (box) => {
  box.start("touch ready; sleep 1000");
  await until("the shell", () => exists(`${box.directory}/ready`));
  await assertRejects(() => createCgroup(box.cgroup.path, {}), UserError, "it has ");
});

test("createCgroup() makes a cgroup anew that was left behind", {
  pids: { limit: 5 },
}, async (box) => {
  assertEquals(readStats(box.cgroup)!.pidsLimit, 5);
  await createCgroup(box.cgroup.path, { memory: { limit: 32 * MIB } });
  const stats = readStats(box.cgroup)!;
  assertEquals([stats.pidsLimit, stats.memoryLimitBytes], [Infinity, 32 * MIB]);
});

test("createCgroup() leaves nothing behind when a value is refused", {}, async (box) => {
  const path = `${box.cgroup.path}/inner`;
  const bad: Resources = { cpu: { cpus: "4096" } };
  await assertRejects(() => createCgroup(path, bad), UserError, "Cannot set --cpuset-cpus");
  for (const { directory } of openCgroup(path).directories) assert(!exists(directory), directory);
});

test("a fork bomb stops at the pids limit", { pids: { limit: 12 } }, async (box) => {
  box.start("bomb() { bomb | bomb & }; bomb 2> errors; touch started; sleep 1000");
  const events = `${directoryOf(box.cgroup, "pids")}/pids.events`;
  const refused = () => keyedNumber(Deno.readTextFileSync(events), "max") ?? 0;
  await until("refused forks", () => refused() > 0);
  const current = `${directoryOf(box.cgroup, "pids")}/pids.current`;
  for (let i = 0; i < 20; i++) {
    // Not the list of them: that is of no single moment.
    const count = Number(Deno.readTextFileSync(current));
    assert(count <= 12, `${count} processes`);
    await sleep(10);
  }
  killCgroup(box.cgroup);
  assertEquals(cgroupPids(box.cgroup), []);
});

test(
  "a process above the memory limit is killed, and that is told",
  { memory: { limit: 24 * MIB, swap: 24 * MIB } },
  (box) => {
    assertEquals(oomKills(box.cgroup), 0);
    assertEquals(box.run("exec tail /dev/zero"), 137);
    assertEquals(oomKills(box.cgroup), 1);
    assertEquals(readStats(box.cgroup)!.memoryLimitBytes, 24 * MIB);
  },
);

/** How many intervals of the quota there were, in how many it was used up, and the CPU time. */
function quotaUse(box: Box) {
  const text = Deno.readTextFileSync(`${directoryOf(box.cgroup, "cpu")}/cpu.stat`);
  const { cpuNanos } = readStats(box.cgroup)!;
  const figure = (key: string) => keyedNumber(text, key) ?? 0;
  return { periods: figure("nr_periods"), throttled: figure("nr_throttled"), ms: cpuNanos / 1e6 };
}

test("a tenth of a CPU is a tenth of a CPU", {
  // So little that others leave it that much on a busy machine, too.
  cpu: { quota: 50_000, period: 500_000 },
}, async (box) => {
  box.start("(while :; do :; done) & while :; do :; done");
  await until("the first time without quota", () => quotaUse(box).throttled > 0);
  const from = quotaUse(box);
  // By the kernel's own count of intervals: how long that takes depends on who else is busy.
  await until("10 intervals", () => quotaUse(box).throttled - from.throttled >= 10, 300);
  const to = quotaUse(box);
  const periods = to.periods - from.periods, throttled = to.throttled - from.throttled;
  const ms = to.ms - from.ms;
  assert(ms <= (periods + 1) * 50 * 1.15, `${ms} ms of CPU in ${periods} intervals`);
  assert(ms >= (throttled - 1) * 50 * 0.85, `${ms} ms of CPU, used up ${throttled} times`);
});

test("updateCgroup() changes limits of a running container", {
  memory: { limit: 64 * MIB, swap: 64 * MIB },
  cpu: { quota: 50_000, period: 100_000 },
  pids: { limit: 20 },
}, async (box) => {
  box.start("while :; do :; done");
  // Memory grows beyond the old swap limit, the period below the old quota: the order matters.
  const warnings = await updateCgroup(box.cgroup, {
    memory: { limit: 128 * MIB, swap: 256 * MIB },
    cpu: { quota: 20_000, period: 40_000 },
    pids: { limit: -1 },
  });
  assertEquals(warnings, []);
  const stats = readStats(box.cgroup)!;
  assertEquals([stats.memoryLimitBytes, stats.pidsLimit], [128 * MIB, Infinity]);
  await updateCgroup(box.cgroup, { memory: { limit: 32 * MIB, swap: 32 * MIB } });
  assertEquals(readStats(box.cgroup)!.memoryLimitBytes, 32 * MIB);
});

const USUAL_DEVICES: DeviceRule[] = [
  { allow: false, access: "rwm" },
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
  { allow: true, type: "c", major: 1, minor: 9, access: "r" },
];

test("devices are those of the list", { devices: USUAL_DEVICES }, (box) => {
  const code = box.run(`exec 2> errors
    echo x > /dev/null || exit 1
    head -c 4 /dev/urandom > bytes || exit 2
    mknod node c 1 5 || exit 3
    head -c 4 /dev/zero > /dev/null && exit 4
    (echo x > /dev/urandom) && exit 5
    mknod disk b 7 0 && exit 6
    exit 0`);
  assertEquals(code, 0, box.read("errors"));
  assertStringIncludes(box.read("errors"), "Operation not permitted");
});

test("a device list can allow everything but one device", {
  devices: [{ allow: true, access: "rwm" }, { allow: false, type: "c", major: 1, minor: 5 }],
}, (box) => {
  const code = box.run(`exec 2> errors
    head -c 4 /dev/urandom > bytes || exit 1
    head -c 4 /dev/zero > bytes && exit 2
    exit 0`);
  assertEquals(code, 0, box.read("errors"));
});

test("updateDevices() lets a running container use more", {
  devices: USUAL_DEVICES,
}, async (box) => {
  box.start("while ! head -c 4 /dev/zero > bytes 2> errors; do sleep 0.01; done; touch done");
  await until("a refusal", () => /not permitted/.test(readIf(`${box.directory}/errors`)));
  const more: DeviceRule = { allow: true, type: "c", major: 1, minor: 5, access: "r" };
  assertEquals(await updateDevices(box.cgroup, [...USUAL_DEVICES, more], [more]), []);
  await until("the device", () => exists(`${box.directory}/done`));
  assertEquals(box.run("(echo x > /dev/zero) 2> errors"), 2);
});

test("freezeCgroup() stops every process and thawCgroup() lets them go on", {}, async (box) => {
  box.start("while :; do echo x >> grows; sleep 0.01; done");
  const size = () => Deno.statSync(`${box.directory}/grows`).size;
  await until("the first line", () => exists(`${box.directory}/grows`));
  assertEquals(isFrozen(box.cgroup), false);
  freezeCgroup(box.cgroup);
  assertEquals(isFrozen(box.cgroup), true);
  const frozen = size();
  await sleep(200);
  assertEquals(size(), frozen);
  thawCgroup(box.cgroup);
  await until("growth", () => size() > frozen);
});

test("killCgroup() kills what is frozen", {}, async (box) => {
  box.start("touch ready; sleep 1000");
  await until("the shell", () => exists(`${box.directory}/ready`));
  freezeCgroup(box.cgroup);
  killCgroup(box.cgroup);
  assertEquals(cgroupPids(box.cgroup), []);
});

test("readStats() counts memory, CPU and processes", {}, async (box) => {
  box.start("sleep 1000 & touch ready; wait");
  await until("the shell", () => exists(`${box.directory}/ready`));
  await until("the end of touch", () => readStats(box.cgroup)!.pids === 2);
  const stats = readStats(box.cgroup)!;
  assertEquals([stats.pids, stats.pidsLimit, stats.memoryLimitBytes], [2, Infinity, Infinity]);
  assert(stats.memoryBytes > 0 && stats.memoryBytes < 64 * MIB, `${stats.memoryBytes}`);
  assert(stats.cpuNanos > 0);
});

test("writes to a disk are held to their rate", {}, async (box) => {
  await withLoop(async (place, loop) => {
    const warnings = await updateCgroup(box.cgroup, {
      blockIO: { throttleWriteBpsDevice: [{ ...place, rate: MIB }] },
    });
    assertEquals(warnings, []);
    const start = performance.now();
    box.start(`dd if=/dev/zero of=${loop} bs=256k count=12 oflag=direct 2> errors; touch done`);
    await until("the writes", () => {
      const { writtenBytes } = readStats(box.cgroup)!;
      const seconds = (performance.now() - start) / 1000;
      // The kernel may be ahead by a slice of its time; however slow the machine is, not by more.
      assert(
        writtenBytes <= MIB * (seconds + 0.75),
        `${writtenBytes} bytes after ${seconds} s at 1 MiB/s`,
      );
      return exists(`${box.directory}/done`);
    });
    const { writtenBytes } = readStats(box.cgroup)!;
    assertEquals(writtenBytes, 3 * MIB, box.read("errors"));
  });
});

test("reads of a disk are held to their number", {}, async (box) => {
  await withLoop(async (place, loop) => {
    await updateCgroup(box.cgroup, {
      blockIO: { throttleReadIOPSDevice: [{ ...place, rate: 20 }] },
    });
    const start = performance.now();
    assertEquals(box.run(`dd if=${loop} of=/dev/null bs=4k count=40 iflag=direct 2> errors`), 0);
    const seconds = (performance.now() - start) / 1000;
    // 40 at 20 a second; no slow machine makes it faster.
    assert(seconds > 1.2, `40 reads took ${seconds} s`);
  });
});

test("readStats() does not count page cache that nobody touches", {}, async (box) => {
  await withLoop((_, loop) => {
    using _open = Deno.openSync(loop); // the last close of a disk throws its cache away
    assertEquals(box.run(`dd if=${loop} of=/dev/null bs=256k 2> errors`), 0);
    const directory = directoryOf(box.cgroup, "memory")!;
    const file = box.cgroup.version === 2 ? "memory.current" : "memory.usage_in_bytes";
    const charged = readNumber(`${directory}/${file}`)!;
    assert(charged >= 8 * MIB, `${charged} bytes charged`);
    const { memoryBytes, readBytes } = readStats(box.cgroup)!;
    assert(memoryBytes < 4 * MIB, `${memoryBytes} bytes told`);
    assertEquals(readBytes, 8 * MIB);
    return Promise.resolve();
  });
});

test("what a disk's scheduler does not know is a warning", {}, async (box) => {
  await withLoop(async (place) => {
    const warnings = await updateCgroup(box.cgroup, {
      blockIO: { weightDevice: [{ ...place, weight: 200 }] },
    });
    // A kernel with io.cost takes weights for every disk.
    const none = "Your kernel does not support Block I/O weight_device or the cgroup is not " +
      "mounted. Weight-device discarded.";
    assertEquals(warnings, warnings.length === 0 && box.cgroup.version === 2 ? [] : [none]);
  });
});

test("updateCgroup() switches on what nobody asked for before", {}, async (box) => {
  assertEquals(await updateCgroup(box.cgroup, { cpu: { cpus: "0" } }), []);
  const file = `${directoryOf(box.cgroup, "cpuset")}/cpuset.cpus`;
  assertEquals(Deno.readTextFileSync(file), "0\n");
});

test("updateCgroup() takes back what it wrote when a value is refused", {
  memory: { limit: 64 * MIB, swap: 128 * MIB },
  cpu: { quota: 50_000, period: 100_000, shares: 512 },
  pids: { limit: 20 },
}, async (box) => {
  const limits = () => {
    const { memoryLimitBytes, pidsLimit } = readStats(box.cgroup)!;
    const directory = directoryOf(box.cgroup, "cpu")!;
    const files = box.cgroup.version === 2
      ? ["cpu.max", "cpu.weight"]
      : ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"];
    const cpu = files.map((file) => Deno.readTextFileSync(`${directory}/${file}`));
    return [memoryLimitBytes, pidsLimit, ...cpu];
  };
  const before = limits();
  await assertRejects(
    () =>
      updateCgroup(box.cgroup, {
        memory: { limit: 32 * MIB, swap: 32 * MIB },
        cpu: { quota: 20_000, period: 40_000, shares: 100 },
        pids: { limit: 5 },
        blockIO: { throttleReadBpsDevice: [{ major: 1, minor: 3, rate: MIB }] },
      }),
    UserError,
    "Cannot set --device-read-bps",
  );
  assertEquals(limits(), before);
});

test("updateCgroup() does not go below what is in use", {
  memory: { limit: 64 * MIB, swap: 64 * MIB },
}, async (box) => {
  // tail keeps the last bytes for an end that does not come: memory that no reclaim can take
  // without swap.
  box.start(
    "(head -c 24000000 /dev/zero; touch ready; sleep 1000) | tail -c 24000000 > /dev/null",
  );
  await until("24 MB in use", () => exists(`${box.directory}/ready`));
  const memory = { limit: 8 * MIB, swap: 8 * MIB, checkBeforeUpdate: true };
  await assertRejects(() => updateCgroup(box.cgroup, { memory }), UserError, "Cannot set --memory");
  assertEquals(readStats(box.cgroup)!.memoryLimitBytes, 64 * MIB);
  assertEquals(oomKills(box.cgroup), 0);
});

test("what this kernel lacks is a warning, and the rest is set", {
  pids: { limit: 7 },
  blockIO: { weight: 100 },
  network: { classID: 1 },
}, ({ cgroup, warnings }) => {
  const directory = directoryOf(cgroup, "pids");
  assertEquals(readNumber(`${directory}/pids.max`), 7);
  const lacks = [
    "Your kernel does not support net_cls or the cgroup is not mounted. " +
    "Network class discarded.",
  ];
  for (const text of lacks) assert(warnings.includes(text), JSON.stringify(warnings));
});
