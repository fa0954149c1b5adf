import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { DEFAULT_CAPABILITIES } from "../../../src/runtime/capabilities.ts";
import { parseExactJson } from "../../../src/runtime/exact_json.ts";
import { compileSeccomp } from "../../../src/runtime/seccomp_compile.ts";
import { type Arch, AUDIT_ARCH } from "../../../src/runtime/seccomp_machine.ts";
import {
  type SeccompMachine,
  syscallNumbers,
  X32_BIT,
} from "../../../src/runtime/seccomp_numbers.ts";
import { defaultProfile } from "../../../src/runtime/seccomp_profile.ts";
import { resolveProfile } from "../../../src/runtime/seccomp.ts";
import type { Seccomp, SeccompArg } from "../../../src/runtime/spec_types.ts";
import { runFilter } from "../../lib/bpf.ts";

const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const EPERM = ERRNO | 1;
const ENOSYS = ERRNO | 38;
const KILL_PROCESS = 0x80000000;

/** What `seccomp` does with one call. */
function decide(
  seccomp: Seccomp,
  machine: SeccompMachine,
  call: string | number,
  args: (number | bigint)[] = [],
  arch: Arch = machine === "aarch64" || machine === "arm" ? "aarch64" : "x86_64",
): number {
  const number = typeof call === "number" ? call : syscallNumbers(machine).get(call);
  assert(number !== undefined, `${machine} has no ${call}`);
  const nr = machine === "x32" ? (number | X32_BIT) >>> 0 : number;
  const auditArch = AUDIT_ARCH[machine === "x32" ? "x86_64" : machine];
  return runFilter(compileSeccomp(seccomp, arch).program, { nr, arch: auditArch, args }).action;
}

function defaultFor(arch: Arch, caps: readonly string[] = DEFAULT_CAPABILITIES): Seccomp {
  return resolveProfile(defaultProfile(), { caps, arch, kernelRelease: "6.1.0" });
}

const MACHINES: [SeccompMachine, Arch][] = [
  ["x86_64", "x86_64"],
  ["x32", "x86_64"],
  ["x86", "x86_64"],
  ["aarch64", "aarch64"],
  ["arm", "aarch64"],
];

for (const [machine, arch] of MACHINES) {
  Deno.test(`compileSeccomp() decides every call of ${machine} as the default profile says`, () => {
    const seccomp = defaultFor(arch);
    const { program } = compileSeccomp(seccomp, arch);
    const auditArch = AUDIT_ARCH[machine === "x32" ? "x86_64" : machine];
    const always = new Set(
      seccomp.syscalls!.filter((rule) => !rule.args && rule.action === "SCMP_ACT_ALLOW")
        .flatMap((rule) => rule.names),
    );
    const conditional = new Set(["socket", "personality", "clone"]);
    let last = 0;
    for (const [name, number] of syscallNumbers(machine)) {
      if (number < 0x10000 && (always.has(name) || conditional.has(name) || name === "clone3")) {
        last = Math.max(last, number);
      }
    }
    let deepest = 0;
    for (const [name, number] of syscallNumbers(machine)) {
      if (conditional.has(name)) continue;
      const nr = machine === "x32" ? (number | X32_BIT) >>> 0 : number;
      const { action, steps } = runFilter(program, { nr, arch: auditArch });
      const want = always.has(name) ? ALLOW : name === "clone3" || number > last ? ENOSYS : EPERM;
      assertEquals(action, want, `${name} (${number})`);
      deepest = Math.max(deepest, steps);
    }
    assert(deepest <= 20, `${deepest} instructions for one call`);
  });
}

const ARGS: [name: string, call: string, args: (number | bigint)[], want: number][] = [
  ["a thread", "clone", [0x3d0f00], ALLOW],
  ["a new user namespace", "clone", [0x10000000], EPERM],
  ["a new mount namespace among others", "clone", [0x20011], EPERM],
  ["AF_UNIX", "socket", [1], ALLOW],
  ["AF_INET6", "socket", [10], ALLOW],
  ["AF_NETLINK", "socket", [16], ALLOW],
  ["the family below AF_ALG, AF_CAIF", "socket", [37], EPERM],
  ["AF_IEEE802154", "socket", [36], ALLOW],
  ["AF_DECnet", "socket", [12], EPERM],
  ["AF_ALG", "socket", [38], EPERM],
  ["AF_NFC", "socket", [39], ALLOW],
  ["AF_VSOCK", "socket", [40], EPERM],
  ["AF_XDP", "socket", [44], ALLOW],
  ["AF_VSOCK with rubbish in the half the kernel ignores", "socket", [(7n << 32n) | 40n], EPERM],
  ["AF_ALG with rubbish in the half the kernel ignores", "socket", [(1n << 32n) | 38n], EPERM],
  ["the query of personality", "personality", [0xffffffff], ALLOW],
  ["PER_LINUX32", "personality", [8], ALLOW],
  ["ADDR_NO_RANDOMIZE", "personality", [0x40000], EPERM],
  ["a personality with high bits", "personality", [8n | (1n << 40n)], EPERM],
];

for (const [name, call, args, want] of ARGS) {
  Deno.test(`the default profile looks at arguments: ${name}`, () => {
    for (const [machine, arch] of MACHINES) {
      assertEquals(decide(defaultFor(arch), machine, call, args), want, machine);
    }
  });
}

const CAPS: [cap: string, call: string][] = [
  ["CAP_SYS_ADMIN", "mount"],
  ["CAP_SYS_ADMIN", "unshare"],
  ["CAP_SYS_ADMIN", "clone3"],
  ["CAP_SYS_ADMIN", "setns"],
  ["CAP_BPF", "bpf"],
  ["CAP_PERFMON", "perf_event_open"],
  ["CAP_SYSLOG", "syslog"],
  ["CAP_SYS_MODULE", "finit_module"],
  ["CAP_SYS_PTRACE", "kcmp"],
  ["CAP_SYS_TIME", "clock_settime"],
  ["CAP_DAC_READ_SEARCH", "open_by_handle_at"],
];
for (const [cap, call] of CAPS) {
  Deno.test(`the default profile allows ${call} with ${cap} only`, () => {
    assert(decide(defaultFor("x86_64"), "x86_64", call) !== ALLOW);
    assertEquals(decide(defaultFor("x86_64", [cap]), "x86_64", call), ALLOW);
  });
}

Deno.test("the default profile allows every flag of clone with CAP_SYS_ADMIN", () => {
  assertEquals(
    decide(defaultFor("x86_64", ["CAP_SYS_ADMIN"]), "x86_64", "clone", [1 << 28]),
    ALLOW,
  );
});

Deno.test("the default profile refuses chroot without CAP_SYS_CHROOT", () => {
  assertEquals(decide(defaultFor("x86_64", []), "x86_64", "chroot"), EPERM);
});

for (const call of ["io_uring_setup", "keyctl", "add_key", "userfaultfd", "kexec_load", "swapon"]) {
  Deno.test(`the default profile refuses ${call} whatever the capabilities`, () => {
    assertEquals(decide(defaultFor("x86_64", ["CAP_SYS_ADMIN"]), "x86_64", call), EPERM);
  });
}

Deno.test("compileSeccomp() answers calls newer than the profile with ENOSYS", () => {
  assertEquals(decide(defaultFor("x86_64"), "x86_64", 600), ENOSYS);
  assertEquals(decide(defaultFor("x86_64"), "x86_64", 0xffffffff), ENOSYS);
  const open: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
  assertEquals(decide(open, "x86_64", 600), ALLOW);
});

Deno.test("compileSeccomp() kills calls of machines that are not listed", () => {
  const one: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
  assertEquals(decide(one, "x86", "getpid"), KILL_PROCESS);
  assertEquals(decide(one, "x32", "getpid"), KILL_PROCESS);
  assertEquals(decide(one, "x86_64", "getpid"), ALLOW);
  assertEquals(decide(one, "arm", "getpid", [], "x86_64"), KILL_PROCESS);
});

/** A number as it comes out of a file. */
function exact(value: bigint): number {
  return parseExactJson(String(value)) as number;
}

const MAX = 2n ** 64n - 1n;
const VALUES: bigint[] = [0n, 1n, 5n, 6n, 7n, (1n << 32n) | 5n, (1n << 32n) | 6n, 2n << 32n, MAX];
const OPERATORS: [op: string, holds: (arg: bigint, value: bigint) => boolean][] = [
  ["SCMP_CMP_EQ", (arg, value) => arg === value],
  ["SCMP_CMP_NE", (arg, value) => arg !== value],
  ["SCMP_CMP_LT", (arg, value) => arg < value],
  ["SCMP_CMP_LE", (arg, value) => arg <= value],
  ["SCMP_CMP_GT", (arg, value) => arg > value],
  ["SCMP_CMP_GE", (arg, value) => arg >= value],
];

for (const [op, holds] of OPERATORS) {
  Deno.test(`compileSeccomp() compares 64 bits with ${op}`, () => {
    for (const value of VALUES) {
      const rule = { index: 2, op, value: exact(value) };
      const seccomp = profileOf([rule]);
      for (const arg of VALUES) {
        const want = holds(arg, value) ? ALLOW : EPERM;
        assertEquals(decide(seccomp, "x86_64", "read", [0, 0, arg]), want, `${arg} ${op} ${value}`);
      }
    }
  });
}

Deno.test("compileSeccomp() compares masked bits with SCMP_CMP_MASKED_EQ", () => {
  const masks: [bigint, bigint][] = [[0xffn, 5n], [0xff00000000n, 1n << 32n], [MAX, 6n], [0n, 0n]];
  for (const [mask, datum] of masks) {
    const arg = {
      index: 0,
      op: "SCMP_CMP_MASKED_EQ",
      value: exact(mask),
      valueTwo: exact(datum),
    };
    const seccomp = profileOf([arg]);
    for (const value of VALUES) {
      const want = (value & mask) === datum ? ALLOW : EPERM;
      assertEquals(decide(seccomp, "x86_64", "read", [value]), want, `${value} & ${mask}`);
    }
  }
});

function profileOf(args: SeccompArg[], more: Seccomp["syscalls"] = []): Seccomp {
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", args }, ...more],
  };
}

function equal(index: number, value: number): SeccompArg {
  return { index, value, op: "SCMP_CMP_EQ" };
}

Deno.test("compileSeccomp() needs all conditions on different arguments", () => {
  const seccomp = profileOf([equal(0, 1), equal(1, 2), equal(5, 3)]);
  assertEquals(decide(seccomp, "x86_64", "read", [1, 2, 0, 0, 0, 3]), ALLOW);
  assertEquals(decide(seccomp, "x86_64", "read", [1, 2, 0, 0, 0, 4]), EPERM);
  assertEquals(decide(seccomp, "x86_64", "read", [0, 2, 0, 0, 0, 3]), EPERM);
});

Deno.test("compileSeccomp() takes conditions on one argument as alternatives", () => {
  const seccomp = profileOf([equal(0, 1), equal(0, 7)]);
  assertEquals(decide(seccomp, "x86_64", "read", [1]), ALLOW);
  assertEquals(decide(seccomp, "x86_64", "read", [7]), ALLOW);
  assertEquals(decide(seccomp, "x86_64", "read", [2]), EPERM);
});

Deno.test("compileSeccomp() lets an unconditional rule win over conditions", () => {
  const seccomp = profileOf([equal(0, 1)], [{ names: ["read"], action: "SCMP_ACT_KILL_PROCESS" }]);
  assertEquals(decide(seccomp, "x86_64", "read", [1]), KILL_PROCESS);
});

Deno.test("compileSeccomp() takes the first condition that holds", () => {
  const rule = { names: ["read"], action: "SCMP_ACT_TRAP", args: [equal(1, 2)] };
  const seccomp = profileOf([equal(0, 1)], [rule]);
  assertEquals(decide(seccomp, "x86_64", "read", [1, 2]), ALLOW);
  assertEquals(decide(seccomp, "x86_64", "read", [0, 2]), 0x00030000);
});

const ACTIONS: [action: string, errnoRet: number | undefined, want: number][] = [
  ["SCMP_ACT_KILL", undefined, 0],
  ["SCMP_ACT_KILL_THREAD", undefined, 0],
  ["SCMP_ACT_KILL_PROCESS", undefined, KILL_PROCESS],
  ["SCMP_ACT_TRAP", undefined, 0x00030000],
  ["SCMP_ACT_ERRNO", undefined, EPERM],
  ["SCMP_ACT_ERRNO", 38, ENOSYS],
  ["SCMP_ACT_TRACE", 7, 0x7ff00007],
  ["SCMP_ACT_LOG", undefined, 0x7ffc0000],
  ["SCMP_ACT_NOTIFY", undefined, 0x7fc00000],
  ["SCMP_ACT_ALLOW", undefined, ALLOW],
];
for (const [action, errnoRet, want] of ACTIONS) {
  Deno.test(`compileSeccomp() knows ${action} with errnoRet ${errnoRet}`, () => {
    const seccomp: Seccomp = {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 99,
      syscalls: [{ names: ["read"], action, errnoRet }],
    };
    assertEquals(decide(seccomp, "x86_64", "read"), want);
    assertEquals(compileSeccomp(seccomp, "x86_64").notify, action === "SCMP_ACT_NOTIFY");
  });
}

Deno.test("compileSeccomp() leaves out names that no listed machine has, and says which", () => {
  const seccomp: Seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_S390X"],
    syscalls: [{ names: ["read", "waitpid", "no_such_call"], action: "SCMP_ACT_ALLOW" }],
  };
  assertEquals(compileSeccomp(seccomp, "x86_64").unknown, ["no_such_call"]);
  assertEquals(decide(seccomp, "x86", "waitpid"), ALLOW);
});

const FLAGS: [flags: string[] | undefined, want: number][] = [
  [undefined, 4],
  [[], 0],
  [["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"], 3],
];
for (const [flags, want] of FLAGS) {
  Deno.test(`compileSeccomp() gives flags ${want} for ${flags}`, () => {
    assertEquals(compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", flags }, "x86_64").flags, want);
  });
}

Deno.test("compileSeccomp() jumps right where a rule is longer than a jump reaches", () => {
  const args = (i: number) => [equal(0, i), equal(1, i + 1)];
  const rules = Array.from({ length: 200 }, (_, i) => ({
    names: ["read", "openat"],
    action: "SCMP_ACT_ALLOW",
    args: args(i),
  }));
  const seccomp: Seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: rules };
  for (const call of ["read", "openat"]) {
    assertEquals(decide(seccomp, "x86_64", call, [199, 200]), ALLOW);
    assertEquals(decide(seccomp, "x86_64", call, [199, 199]), EPERM);
    assertEquals(decide(seccomp, "x86_64", "write"), EPERM);
  }
});

const BAD: [name: string, seccomp: Seccomp, message: string][] = [
  ["an unknown action", { defaultAction: "SCMP_ACT_MAYBE" }, 'action "SCMP_ACT_MAYBE": unknown'],
  ["a name of Object.prototype", { defaultAction: "toString" }, 'action "toString": unknown'],
  [
    "an unknown architecture",
    { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_Z80"] },
    'architecture "SCMP_ARCH_Z80"',
  ],
  ["an unknown operator", profileOf([{ index: 0, value: 0, op: "<" }]), 'operator "<": unknown'],
  ["a seventh argument", profileOf([equal(6, 0)]), "index 6: want 0 to 5"],
  ["a negative value", profileOf([equal(0, -1)]), "value -1"],
  ["a rule without names", profileOf([], [{ names: [], action: "SCMP_ACT_ALLOW" }]), "no names"],
  ["a large errno", { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 4096 }, "errnoRet 4096"],
  [
    "an unknown flag",
    { defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_X"] },
    'flag "SECCOMP_FILTER_FLAG_X"',
  ],
];
for (const [name, seccomp, message] of BAD) {
  Deno.test(`compileSeccomp() refuses ${name}`, () => {
    assertThrows(() => compileSeccomp(seccomp, "x86_64"), UserError, message);
  });
}

Deno.test("compileSeccomp() refuses a filter longer than the kernel takes", () => {
  const rules = Array.from({ length: 1200 }, (_, i) => ({
    names: ["read"],
    action: "SCMP_ACT_ALLOW",
    args: [equal(0, i)],
  }));
  assertThrows(
    () => compileSeccomp({ defaultAction: "SCMP_ACT_ERRNO", syscalls: rules }, "x86_64"),
    UserError,
    "the kernel takes 4096",
  );
});
