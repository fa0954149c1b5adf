import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import {
  ALL_CAPABILITIES,
  capabilitiesOf,
  capabilityMask,
  capabilityMasks,
  capabilityNames,
  capabilityNumber,
  DEFAULT_CAPABILITIES,
  narrowCapabilities,
  tweakCapabilities,
} from "../../../src/runtime/capabilities.ts";

const NUMBERS: [name: string, number: number | undefined][] = [
  ["CAP_CHOWN", 0],
  ["CAP_SETPCAP", 8],
  ["CAP_NET_RAW", 13],
  ["CAP_SYS_ADMIN", 21],
  ["CAP_AUDIT_READ", 37],
  ["CAP_CHECKPOINT_RESTORE", 40],
  ["CAP_FOO", undefined],
];
for (const [name, number] of NUMBERS) {
  Deno.test(`capabilityNumber() has ${name} as ${number}`, () => {
    assertEquals(capabilityNumber(name), number);
  });
}

Deno.test("DEFAULT_CAPABILITIES are docker's fourteen", () => {
  assertEquals(capabilityMask(DEFAULT_CAPABILITIES), 0xa80425fbn);
  assertEquals(DEFAULT_CAPABILITIES.length, 14);
  assertEquals(ALL_CAPABILITIES.length, 41);
});

Deno.test("capabilityNames() is the inverse of capabilityMask()", () => {
  const mask = 0x1ff_ffff_ffffn;
  assertEquals(capabilityMask(capabilityNames(mask)), mask);
  assertEquals(capabilityNames(1n << 60n), []);
});

const DEFAULT_WITHOUT = (...names: string[]) =>
  DEFAULT_CAPABILITIES.filter((name) => !names.includes(name));
const ALGEBRA: [name: string, add: string[], drop: string[], want: readonly string[]][] = [
  ["nothing", [], [], DEFAULT_CAPABILITIES],
  ["an added one in any case", ["sys_admin"], [], [...DEFAULT_CAPABILITIES, "CAP_SYS_ADMIN"]],
  ["one added that is there", ["cap_chown"], [], DEFAULT_CAPABILITIES],
  ["a dropped one", [], ["CAP_CHOWN", "MKNOD"], DEFAULT_WITHOUT("CAP_CHOWN", "CAP_MKNOD")],
  ["all dropped, one added", ["CHOWN"], ["ALL"], ["CAP_CHOWN"]],
  ["all dropped", [], ["all"], []],
  ["all added, one dropped", ["ALL"], ["SYS_ADMIN"], [
    ...ALL_CAPABILITIES.filter((name) => name !== "CAP_SYS_ADMIN"),
  ]],
  ["all added, all dropped", ["ALL"], ["ALL"], ALL_CAPABILITIES],
  ["one dropped and added", ["KILL"], ["KILL"], [...DEFAULT_WITHOUT("CAP_KILL"), "CAP_KILL"]],
];
for (const [name, add, drop, want] of ALGEBRA) {
  Deno.test(`tweakCapabilities() takes ${name}`, () => {
    assertEquals(tweakCapabilities(add, drop), [...want]);
  });
}

Deno.test("tweakCapabilities() gives everything to a privileged container", () => {
  assertEquals(tweakCapabilities([], ["ALL"], true), [...ALL_CAPABILITIES]);
});

Deno.test("tweakCapabilities() refuses unknown names in docker's words", () => {
  assertThrows(
    () => tweakCapabilities(["foo"], []),
    UserError,
    `invalid CapAdd: unknown capability: "CAP_FOO"`,
  );
  assertThrows(
    () => tweakCapabilities([], ["CAP_BAR"]),
    UserError,
    `invalid CapDrop: unknown capability: "CAP_BAR"`,
  );
});

Deno.test("narrowCapabilities() cuts every set and names what is missing once", () => {
  const wanted = capabilityMasks({
    bounding: ["CAP_CHOWN", "CAP_BPF"],
    effective: ["CAP_BPF", "CAP_SYS_ADMIN"],
    permitted: ["CAP_CHOWN"],
  });
  const { masks, warnings } = narrowCapabilities(wanted, 1n);
  assertEquals(masks, {
    bounding: 1n,
    effective: 0n,
    inheritable: 0n,
    permitted: 1n,
    ambient: 0n,
  });
  assertEquals(warnings, [
    "This host does not have CAP_SYS_ADMIN, CAP_BPF to give. Capabilities discarded.",
  ]);
});

Deno.test("narrowCapabilities() says nothing where nothing is missing", () => {
  const masks = capabilityMasks({ bounding: ["CAP_CHOWN"] });
  assertEquals(narrowCapabilities(masks, 0x1ffn), { masks, warnings: [] });
});

Deno.test("capabilitiesOf() reads a line of /proc/PID/status", () => {
  const status = "CapEff:\t0000000000000001\nCapBnd:\t000001fffeffffff\n";
  assertEquals(capabilitiesOf(status), 0x1fffeffffffn);
  assertEquals(capabilitiesOf(status, "CapEff"), 1n);
  assertThrows(() => capabilitiesOf("CapEff:\tx"), SyntaxError, "Cannot read CapBnd");
});
