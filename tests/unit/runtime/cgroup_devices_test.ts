import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { encodeProgram } from "../../../ffi/bpf.ts";
import { deviceProgram } from "../../../src/runtime/cgroup_device_program.ts";
import {
  deviceLines,
  type DeviceList,
  deviceList,
  MKNOD,
  READ,
  WRITE,
} from "../../../src/runtime/cgroup_devices.ts";
import type { DeviceRule } from "../../../src/runtime/spec_types.ts";
import { runDeviceProgram } from "../../lib/ebpf.ts";

const NOTHING: DeviceRule = { allow: false, access: "rwm" };
const NULL_DEVICE: DeviceRule = { allow: true, type: "c", major: 1, minor: 3, access: "rwm" };

const LINES: [rule: DeviceRule, lines: string[]][] = [
  [NOTHING, ["a"]],
  [{ allow: true, type: "a" }, ["a"]],
  [NULL_DEVICE, ["c 1:3 rwm"]],
  [{ allow: true, type: "c", access: "m" }, ["c *:* m"]],
  [{ allow: true, type: "b", major: 8, access: "r" }, ["b 8:* r"]],
  [{ allow: true, type: "u", major: 4, minor: 64 }, ["c 4:64 rwm"]],
  [{ allow: true, major: 5, access: "rw" }, ["b 5:* rw", "c 5:* rw"]],
];
for (const [rule, lines] of LINES) {
  Deno.test(`deviceLines() writes ${JSON.stringify(rule)} as ${lines}`, () => {
    assertEquals(deviceLines(rule), lines);
  });
}

Deno.test("deviceList() forgets what was said before a rule for all devices", () => {
  assertEquals(deviceList([NULL_DEVICE, NOTHING]), { allowed: false, exceptions: [] });
  assertEquals(deviceList([NOTHING, NULL_DEVICE, { allow: true }]), {
    allowed: true,
    exceptions: [],
  });
});

Deno.test("deviceList() joins and takes away accesses of one device", () => {
  const read: DeviceRule = { ...NULL_DEVICE, access: "r" };
  const write: DeviceRule = { ...NULL_DEVICE, access: "w" };
  const place = { type: "c" as const, major: 1, minor: 3 };
  assertEquals(deviceList([NOTHING, read, write]).exceptions, [{
    ...place,
    access: READ | WRITE,
  }]);
  assertEquals(deviceList([NOTHING, read, write, { ...read, allow: false }]).exceptions, [
    { ...place, access: WRITE },
  ]);
  assertEquals(deviceList([NOTHING, read, { ...read, allow: false }]).exceptions, []);
});

const BAD: [rule: DeviceRule, message: string][] = [
  [{ allow: true, type: "x" }, 'device type "x"'],
  [{ allow: true, type: "c", access: "rx" }, 'device access "rx"'],
  [{ allow: true, type: "c", major: 1.5 }, "device number 1.5"],
  [{ allow: true, type: "c", minor: 2 ** 32 }, "device number 4294967296"],
];
for (const [rule, message] of BAD) {
  Deno.test(`deviceList() and deviceLines() refuse ${JSON.stringify(rule)}`, () => {
    assertThrows(() => deviceList([rule]), UserError, message);
    assertThrows(() => deviceLines(rule), UserError, message);
  });
}

/** Whether `list` lets a process do `access` (bits) to a device: written down a second time. */
function mayUse(
  list: DeviceList,
  device: { type: "b" | "c"; major: number; minor: number },
  access: number,
): boolean {
  const hit = list.exceptions.some((exception) =>
    exception.type === device.type &&
    (exception.major ?? device.major) === device.major &&
    (exception.minor ?? device.minor) === device.minor &&
    (list.allowed ? (access & exception.access) !== 0 : (access & ~exception.access) === 0)
  );
  return hit !== list.allowed;
}

const LISTS: [name: string, rules: DeviceRule[]][] = [
  ["nothing at all", [NOTHING]],
  ["everything", []],
  ["docker's default", [
    NOTHING,
    { allow: true, type: "c", access: "m" },
    { allow: true, type: "b", access: "m" },
    NULL_DEVICE,
    { allow: true, type: "c", major: 1, minor: 5, access: "r" },
    { allow: true, type: "c", major: 136, access: "rwm" },
    { allow: true, type: "b", major: 8, minor: 1, access: "rw" },
  ]],
  ["all but one", [{ ...NULL_DEVICE, allow: false, access: "w" }]],
  ["all but a major", [{ allow: false, type: "b", major: 8 }]],
  ["large numbers", [NOTHING, { allow: true, type: "c", major: 0x80000000, minor: 0xffffffff }]],
];
for (const [name, rules] of LISTS) {
  Deno.test(`deviceProgram() decides as the list does: ${name}`, () => {
    const list = deviceList(rules);
    const program = encodeProgram(deviceProgram(list));
    let allowed = 0;
    for (const type of ["b", "c"] as const) {
      for (const major of [0, 1, 8, 136, 0x80000000]) {
        for (const minor of [0, 1, 3, 5, 0xffffffff]) {
          for (let access = 1; access <= (MKNOD | READ | WRITE); access++) {
            const device = { type, major, minor };
            const want = mayUse(list, device, access);
            const kind = (access << 16) | (type === "b" ? 1 : 2);
            const got = runDeviceProgram(program, [kind, major, minor]);
            assertEquals(got, want ? 1 : 0, `${JSON.stringify(device)} ${access}`);
            if (want) allowed++;
          }
        }
      }
    }
    assertEquals(allowed > 0, name !== "nothing at all");
  });
}

Deno.test("mayUse() lets a rule cover a whole request only", () => {
  const list = deviceList([NOTHING, { ...NULL_DEVICE, access: "r" }]);
  const device = { type: "c" as const, major: 1, minor: 3 };
  assert(mayUse(list, device, READ));
  assert(!mayUse(list, device, READ | WRITE));
});
