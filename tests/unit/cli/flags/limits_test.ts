import { assertEquals, assertThrows } from "@std/assert";
import {
  parseDeviceCgroupRule,
  parseDevices,
  parseGpus,
} from "../../../../src/cli/flags/devices.ts";
import { buildHealth } from "../../../../src/cli/flags/health.ts";
import { parseIdMap } from "../../../../src/cli/flags/own_table.ts";
import { hostPlatform, parsePlatform } from "../../../../src/base/platform.ts";
import {
  parseByteRate,
  parseDeviceWeight,
  parseOperationRate,
  parseRestartPolicy,
  parseStorageOpts,
  parseSysctl,
  parseUlimit,
  sortUlimits,
} from "../../../../src/cli/flags/resources.ts";

/** A parser, a text, and its value or the text of its error. */
// deno-lint-ignore no-explicit-any -- parsers of every kind
const ROWS: [parse: (text: string) => any, text: string, want: unknown | Error][] = [
  [parseUlimit, "nofile=10:20", { Name: "nofile", Hard: 20, Soft: 10 }],
  [parseUlimit, "cpu=5", { Name: "cpu", Hard: 5, Soft: 5 }],
  [parseUlimit, "core=-1", { Name: "core", Hard: -1, Soft: -1 }],
  [parseUlimit, "core=5:-1", { Name: "core", Hard: -1, Soft: 5 }],
  [parseUlimit, "nofile", Error("invalid ulimit argument: nofile")],
  [parseUlimit, "foo=1", Error("invalid ulimit type: foo")],
  [parseUlimit, "as=1", Error("invalid ulimit type: as")],
  [parseUlimit, "cpu=a", Error('strconv.ParseInt: parsing "a": invalid syntax')],
  [
    parseUlimit,
    "cpu=9223372036854775808",
    Error('strconv.ParseInt: parsing "9223372036854775808": value out of range'),
  ],
  [
    parseUlimit,
    "nofile=20:10",
    Error("ulimit soft limit must be less than or equal to hard limit: 20 > 10"),
  ],
  [
    parseUlimit,
    "nofile=-1:10",
    Error(
      "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 10",
    ),
  ],
  [
    parseUlimit,
    "cpu=1:2:3",
    Error(
      "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`",
    ),
  ],
  [parseByteRate, "/dev/sda:1mb", { Path: "/dev/sda", Rate: 1 << 20 }],
  [parseByteRate, "sda:1mb", Error("bad format for device path: sda:1mb")],
  [parseByteRate, "/dev/sda", Error("bad format: /dev/sda")],
  [
    parseByteRate,
    "/dev/sda:x",
    Error(
      "invalid rate for device: /dev/sda:x. The correct format is " +
        "<device-path>:<number>[<unit>]. Number must be a positive integer. " +
        "Unit is optional and can be kb, mb, or gb",
    ),
  ],
  [parseOperationRate, "/dev/sda:100", { Path: "/dev/sda", Rate: 100 }],
  [
    parseOperationRate,
    "/dev/sda:1k",
    Error(
      "invalid rate for device: /dev/sda:1k. The correct format is " +
        "<device-path>:<number>. Number must be a positive integer",
    ),
  ],
  [parseDeviceWeight, "/dev/sda:500", { Path: "/dev/sda", Weight: 500 }],
  [parseDeviceWeight, "/dev/sda:0", { Path: "/dev/sda", Weight: 0 }],
  [parseDeviceWeight, "/dev/sda:5", Error("invalid weight for device: /dev/sda:5")],
  [parseRestartPolicy, "on-failure:3", { Name: "on-failure", MaximumRetryCount: 3 }],
  [parseRestartPolicy, "always", { Name: "always", MaximumRetryCount: 0 }],
  [parseRestartPolicy, "", { Name: "", MaximumRetryCount: 0 }],
  [
    parseRestartPolicy,
    "on-failure:x",
    Error("invalid restart policy format: maximum retry count must be an integer"),
  ],
  [
    parseRestartPolicy,
    ":1",
    Error("invalid restart policy format: no policy provided before colon"),
  ],
  [parseSysctl, "net.core.somaxconn=1", "net.core.somaxconn=1"],
  [parseSysctl, "kernel.sem=1 2 3 4", "kernel.sem=1 2 3 4"],
  [parseSysctl, "fs.mqueue.msg_max=1", "fs.mqueue.msg_max=1"],
  [parseSysctl, "vm.swappiness=1", Error("sysctl 'vm.swappiness=1' is not allowed")],
  [parseSysctl, "net.x", Error("sysctl 'net.x' is not allowed")],
  [parseDeviceCgroupRule, "c 1:* rwm", "c 1:* rwm"],
  [parseDeviceCgroupRule, "c 1:x r", Error("invalid device cgroup format 'c 1:x r'")],
  [parsePlatform, "linux", hostPlatform()],
  [parsePlatform, "linux/arm64/v9", { os: "linux", architecture: "arm64", variant: "v9" }],
  [parsePlatform, "x86_64", { os: "linux", architecture: "amd64" }],
  [parsePlatform, "linux/armhf", { os: "linux", architecture: "arm", variant: "v7" }],
  [parseIdMap, "0:100000:65536", { ContainerID: 0, HostID: 100000, Size: 65536 }],
  [parseIdMap, "5:6", { ContainerID: 5, HostID: 6, Size: 1 }],
  [parseIdMap, "a:b:c", Error('invalid id map "a:b:c": want container:host[:size]')],
  [parseIdMap, "0:0:0", Error('invalid id map "0:0:0": ids go from 0 to 4294967294')],
];
for (const [parse, text, want] of ROWS) {
  Deno.test(`${parse.name}() reads ${JSON.stringify(text)}`, () => {
    if (!(want instanceof Error)) assertEquals(parse(text), want);
    else assertEquals(assertThrows(() => parse(text)).message, want.message);
  });
}

Deno.test("sortUlimits() keeps the last of each name, by name", () => {
  const limits = ["nofile=1", "core=2", "nofile=3"].map(parseUlimit);
  assertEquals(sortUlimits(limits).map(({ Name, Soft }) => [Name, Soft]), [
    ["core", 2],
    ["nofile", 3],
  ]);
});

Deno.test("parseStorageOpts() wants key=value", () => {
  assertEquals(parseStorageOpts(["size=10G"]), { size: "10G" });
  assertEquals(
    assertThrows(() => parseStorageOpts(["size"])).message,
    "invalid storage option",
  );
});

const DEVICES: [spec: string, want: [host: string, inside: string, access: string] | Error][] = [
  ["/dev/null", ["/dev/null", "/dev/null", "rwm"]],
  ["/dev/null:r", ["/dev/null", "/dev/null", "r"]],
  ["/dev/null:/dev/foo", ["/dev/null", "/dev/foo", "rwm"]],
  ["/dev/null:/dev/foo:rw", ["/dev/null", "/dev/foo", "rw"]],
  ["/dev/../dev/null", ["/dev/null", "/dev/null", "rwm"]],
  ["/dev/null:/dev/foo:zz", Error("bad mode specified: zz")],
  ["/dev/null:/dev/foo:rr", Error("bad mode specified: rr")],
  ["null", Error("null is not an absolute path")],
  ["/dev/null:foo", Error("foo is not an absolute path")],
  ["/a:/b:r:w", Error("bad format for path: /a:/b:r:w")],
  [":/b", Error("bad format for path: :/b")],
];
for (const [spec, want] of DEVICES) {
  Deno.test(`parseDevices() reads ${spec}`, () => {
    if (want instanceof Error) {
      assertEquals(assertThrows(() => parseDevices([spec])).message, want.message);
      return;
    }
    const [device] = parseDevices([spec]).devices;
    assertEquals(Object.values(device), want);
  });
}

Deno.test("parseDevices() makes one request of all CDI names", () => {
  const { devices, cdi } = parseDevices(["vendor.com/class=a", "vendor.com/class=b"]);
  assertEquals(devices, []);
  assertEquals(cdi.map(({ Driver, DeviceIDs }) => [Driver, DeviceIDs]), [
    ["cdi", ["vendor.com/class=a", "vendor.com/class=b"]],
  ]);
});

const GPUS: [text: string, count: number, ids: string[] | null, caps: string[]][] = [
  ["all", -1, null, ["gpu"]],
  ["2", 2, null, ["gpu"]],
  ["device=0", 0, ["0"], ["gpu"]],
  ['"device=0,1",capabilities=utility', 0, ["0", "1"], ["utility", "gpu"]],
  ["driver=x", 1, null, ["gpu"]],
];
for (const [text, count, ids, caps] of GPUS) {
  Deno.test(`parseGpus() reads ${text}`, () => {
    const request = parseGpus(text);
    assertEquals([request.Count, request.DeviceIDs, request.Capabilities], [count, ids, [caps]]);
  });
}

const BAD_GPUS: [text: string, error: string][] = [
  ["foo", 'invalid count (foo): value must be either "all" or an integer: invalid syntax'],
  ["all,all", "gpu request key 'all' can be specified only once"],
  ["a=b", "unexpected key 'a' in 'a=b'"],
];
for (const [text, error] of BAD_GPUS) {
  Deno.test(`parseGpus() refuses ${text}`, () => {
    assertEquals(assertThrows(() => parseGpus(text)).message, error);
  });
}

const NO_HEALTH = {
  cmd: "",
  interval: 0,
  timeout: 0,
  startPeriod: 0,
  startInterval: 0,
  retries: 0,
  none: false,
};

Deno.test("buildHealth() is undefined when no flag was given", () => {
  assertEquals(buildHealth(NO_HEALTH), undefined);
});

Deno.test("buildHealth() is a shell line with what was given", () => {
  assertEquals(buildHealth({ ...NO_HEALTH, cmd: "curl x", interval: 5e9, retries: 2 }), {
    Test: ["CMD-SHELL", "curl x"],
    Interval: 5e9,
    Retries: 2,
  });
});

Deno.test("buildHealth() switches the image's check off", () => {
  assertEquals(buildHealth({ ...NO_HEALTH, none: true }), { Test: ["NONE"] });
});

Deno.test("buildHealth() refuses both, and negative numbers", () => {
  assertEquals(
    assertThrows(() => buildHealth({ ...NO_HEALTH, none: true, cmd: "x" })).message,
    "--no-healthcheck conflicts with --health-* options",
  );
  assertEquals(
    assertThrows(() => buildHealth({ ...NO_HEALTH, startPeriod: -1 })).message,
    "--health-start-period cannot be negative",
  );
});
