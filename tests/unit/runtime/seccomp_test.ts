import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { kernelAtLeast, parseProfile, resolveProfile } from "../../../src/runtime/seccomp.ts";
import type { ProfileTarget } from "../../../src/runtime/seccomp_profile.ts";

const TARGET: ProfileTarget = {
  caps: ["CAP_CHOWN"],
  arch: "x86_64",
  kernelRelease: "5.10.0-8-amd64",
};

const CONDITIONS: [name: string, condition: string, applies: boolean][] = [
  ["no condition", "", true],
  ["a capability it has", `,"includes":{"caps":["CAP_CHOWN"]}`, true],
  ["a capability it lacks", `,"includes":{"caps":["CAP_CHOWN","CAP_BPF"]}`, false],
  ["an excluded capability", `,"excludes":{"caps":["CAP_BPF","CAP_CHOWN"]}`, false],
  ["an excluded capability it lacks", `,"excludes":{"caps":["CAP_BPF"]}`, true],
  ["its architecture", `,"includes":{"arches":["arm64","amd64"]}`, true],
  ["another architecture", `,"includes":{"arches":["arm64"]}`, false],
  ["its architecture excluded", `,"excludes":{"arches":["amd64"]}`, false],
  ["an older kernel", `,"includes":{"minKernel":"4.8"}`, true],
  ["a newer kernel", `,"includes":{"minKernel":"5.11"}`, false],
  ["a kernel excluded", `,"excludes":{"minKernel":"5.10"}`, false],
  ["empty conditions", `,"includes":{},"excludes":{}`, true],
  ["null as Go writes it", `,"includes":null,"excludes":null,"args":null`, true],
];
for (const [name, condition, applies] of CONDITIONS) {
  Deno.test(`resolveProfile() takes a rule with ${name}: ${applies}`, () => {
    const profile = parseProfile(
      `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["bpf"],"action":"SCMP_ACT_ALLOW"${condition}}]}`,
    );
    const want = applies ? [{ names: ["bpf"], action: "SCMP_ACT_ALLOW" }] : [];
    assertEquals(resolveProfile(profile, TARGET).syscalls, want);
  });
}

Deno.test("resolveProfile() takes the architectures of archMap", () => {
  const profile = parseProfile(`{"defaultAction":"SCMP_ACT_ERRNO","archMap":[
    {"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]},
    {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}]}`);
  assertEquals(resolveProfile(profile, TARGET), {
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    syscalls: [],
  });
});

Deno.test("parseProfile() takes the old form with one name", () => {
  const profile = parseProfile(
    `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"name":"read","action":"SCMP_ACT_ALLOW"}]}`,
  );
  assertEquals(profile.syscalls, [{ names: ["read"], action: "SCMP_ACT_ALLOW" }]);
});

Deno.test("parseProfile() keeps numbers above 2^53 exact", () => {
  const profile = parseProfile(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],
    "action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":18446744073709551615,"op":"SCMP_CMP_EQ"}]}]}`);
  const written = JSON.stringify(resolveProfile(profile, TARGET));
  assertStringIncludes(written, `"value":18446744073709551615,`);
});

const BAD: [name: string, text: string, message: string][] = [
  ["no JSON", "{", "Decoding seccomp profile failed: "],
  ["a list", "[]", "Decoding seccomp profile failed: not an object"],
  ["nothing that it says", "{}", "Decoding seccomp profile failed: no defaultAction"],
  ["syscalls of another kind", `{"defaultAction":"x","syscalls":{}}`, "syscalls is not a list"],
  [
    "a rule of another kind",
    `{"defaultAction":"x","syscalls":[1]}`,
    "syscalls[0] is not an object",
  ],
  [
    "both kinds of names",
    `{"defaultAction":"x","syscalls":[{"name":"a","names":["b"],"action":"c"}]}`,
    "both 'name' and 'names' are specified",
  ],
  [
    "a bad kernel version",
    `{"defaultAction":"x","syscalls":[{"names":["b"],"action":"c","includes":{"minKernel":"x"}}]}`,
    'invalid kernel version: "x"',
  ],
  ["too much", " ".repeat((1 << 20) + 1), "more than 1048576 bytes"],
];
for (const [name, text, message] of BAD) {
  Deno.test(`parseProfile() refuses ${name}`, () => {
    assertThrows(() => parseProfile(text), UserError, message);
  });
}

Deno.test("resolveProfile() refuses architectures in both ways", () => {
  const text = `{"defaultAction":"x","architectures":["SCMP_ARCH_X86"],
    "archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}`;
  assertThrows(
    () => resolveProfile(parseProfile(text), TARGET),
    UserError,
    "both 'architectures' and 'archMap' are specified",
  );
});

const KERNELS: [release: string, version: string, want: boolean][] = [
  ["6.18.44-fc", "4.8", true],
  ["4.8.0", "4.8", true],
  ["4.10.1", "4.8", true],
  ["4.7.9", "4.8", false],
  ["3.19", "4.8", false],
];
for (const [release, version, want] of KERNELS) {
  Deno.test(`kernelAtLeast() says ${want} of ${release} and ${version}`, () => {
    assertEquals(kernelAtLeast(release, version), want);
  });
}
