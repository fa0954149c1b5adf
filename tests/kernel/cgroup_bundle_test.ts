/** Limits that no flag has: fields of an OCI bundle, in the files of the version that is here. */
import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../src/base/errors.ts";
import { updateCgroup } from "../../src/runtime/cgroup.ts";
import { directoryOf } from "../../src/runtime/cgroup_place.ts";
import { cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import type { Resources } from "../../src/runtime/spec_types.ts";
import { type Box, whyNoCgroups, withCgroup } from "../lib/cgroup_box.ts";
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

function control({ cgroup }: Box, controller: string, v1: string, v2: string): string {
  const file = VERSION === 2 ? v2 : v1;
  return Deno.readTextFileSync(`${directoryOf(cgroup, controller)}/${file}`).trim();
}

test("a burst and idleness reach the CPU controller", {
  cpu: { quota: 50_000, period: 100_000, burst: 10_000 },
}, async (box) => {
  assertEquals(control(box, "cpu", "cpu.cfs_burst_us", "cpu.max.burst"), "10000");
  assertEquals(await updateCgroup(box.cgroup, { cpu: { idle: 1 } }), []);
  assertEquals(control(box, "cpu", "cpu.idle", "cpu.idle"), "1");
});

test("files that a bundle names itself are written on v2, and refused on v1", {}, async (box) => {
  const unified = { "memory.high": String(32 * MIB) };
  if (VERSION !== 2) {
    await assertRejects(() => updateCgroup(box.cgroup, { unified }), UserError, "cgroup v1");
    return;
  }
  assertEquals(await updateCgroup(box.cgroup, { unified }), []);
  assertEquals(control(box, "memory", "", "memory.high"), String(32 * MIB));
  await assertRejects(
    () => updateCgroup(box.cgroup, { unified: { "../memory.high": "1" } }),
    UserError,
    "not a name of one",
  );
});

test("a container is in the cgroup of every controller that is mounted", {}, ({ cgroup }) => {
  const mounted = cgroupLayout().hierarchies.flatMap(({ controllers }) => controllers);
  for (const controller of mounted) assertEquals(typeof directoryOf(cgroup, controller), "string");
});
