import { assert, assertEquals } from "@std/assert";
import { PR_SET_NO_NEW_PRIVS } from "../../ffi/constants.ts";
import { EFAULT, EINVAL, ENOSYS, EPERM } from "../../ffi/errno.ts";
import { slot, type Step, type Value } from "../../ffi/program.ts";
import { reap, spawn } from "../../ffi/spawn.ts";
import type { SyscallName } from "../../ffi/syscalls.ts";
import { ALL_CAPABILITIES, DEFAULT_CAPABILITIES } from "../../src/runtime/capabilities.ts";
import { seccompSteps } from "../../src/runtime/identity.ts";
import { defaultSeccomp } from "../../src/runtime/seccomp.ts";
import { compileSeccomp } from "../../src/runtime/seccomp_compile.ts";
import type { Arch } from "../../src/runtime/seccomp_machine.ts";
import type { Seccomp } from "../../src/runtime/spec_types.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

type Call = [call: SyscallName, ...args: Value[]];

/** What the kernel answers to `calls` in a process that has the filter of `seccomp`. */
function answers(seccomp: Seccomp, calls: readonly Call[]): number[] {
  const results = calls.map((_, i) => slot(`result ${i}`));
  const steps = calls.map(([call, ...args], i): Step => ({
    call,
    args,
    goal: `try ${call}`,
    result: results[i],
    onNegative: "next",
  }));
  const child = spawn([
    { call: "prctl", args: [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], goal: "drop privileges" },
    ...seccompSteps(compileSeccomp(seccomp, Deno.build.arch as Arch)),
    ...steps,
    { call: "exit_group", args: [0], goal: "end" },
  ]);
  assertEquals(reap(child), 0);
  return results.map(({ block }) => {
    return Number(new DataView(child.ran.read(block).buffer).getBigInt64(0, true));
  });
}

function profile(caps: readonly string[]): Seccomp {
  const arch = Deno.build.arch as Arch;
  return defaultSeccomp({ caps, arch, kernelRelease: Deno.osRelease() });
}

/** Calls with arguments that do no harm where they are allowed. */
const REFUSED: [call: Call, error: number][] = [
  [["unshare", 0x20000], EPERM],
  [["mount", 0, 0, 0, 0, 0], EPERM],
  [["umount2", 0, 0], EPERM],
  [["setns", -1, 0], EPERM],
  [["bpf", 0, 0, 0], EPERM],
  [["keyctl", 0, -3, 0], EPERM],
  [["io_uring_setup", 0, 0], EPERM],
  [["userfaultfd", 0], EPERM],
  [["perf_event_open", 0, 0, 0, 0, 0], EPERM],
  [["open_by_handle_at", 0, 0, 0], EPERM],
  [["init_module", 0, 0, 0], EPERM],
  [["kexec_load", 0, 1000, 0, 0], EPERM],
  [["clone3", 0, 0], ENOSYS],
  [["socket", 38, 5, 0], EPERM],
  [["socket", 40, 1, 0], EPERM],
  [["socket", (1n << 32n) | 40n, 1, 0], EPERM],
  [["personality", 0x40000], EPERM],
];

Deno.test({
  name: "the default filter refuses what it should refuse, in a process that is root",
  ...skipUnless(isRoot(), "needs root: else the kernel refuses by itself"),
  fn() {
    const results = answers(profile(DEFAULT_CAPABILITIES), REFUSED.map(([call]) => call));
    REFUSED.forEach(([call, error], i) => assertEquals(results[i], -error, call.join(" ")));
  },
});

Deno.test("the default filter lets the rest through", () => {
  const [pid, unix, personality, landlock, futex] = answers(profile(DEFAULT_CAPABILITIES), [
    ["getpid"],
    ["socket", 1, 1, 0],
    ["personality", 0xffffffff],
    ["landlock_create_ruleset", 0, 0, 0],
    ["futex", 0, 99, 0, 0, 0, 0],
  ]);
  assert(pid > 1 && unix >= 0 && personality >= 0);
  assert(landlock !== -EPERM && futex !== -EPERM, `${landlock} ${futex}`);
});

Deno.test({
  name: "the default filter lets calls through that a capability opens",
  ...skipUnless(isRoot(), "needs root"),
  fn() {
    const calls: Call[] = [["mount", 0, 0, 0, 0, 0], ["clone3", 0, 0], ["unshare", 0]];
    assertEquals(answers(profile(ALL_CAPABILITIES), calls), [-EFAULT, -EINVAL, 0]);
  },
});

Deno.test("the kernel takes a filter of the most instructions there can be", () => {
  const rule = (value: number) => ({
    names: ["getpid"],
    action: "SCMP_ACT_ERRNO",
    errnoRet: 77,
    args: [{ index: 5, value, op: "SCMP_CMP_EQ" }],
  });
  const syscalls = Array.from({ length: 810 }, (_, i) => rule(i + 1));
  const seccomp: Seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls };
  const { program } = compileSeccomp(seccomp, Deno.build.arch as Arch);
  assert(program.length / 8 > 4000);
  const [last, none] = answers(seccomp, [
    ["getpid", 0, 0, 0, 0, 0, 810],
    ["getpid", 0, 0, 0, 0, 0, 811],
  ]);
  assertEquals(last, -77);
  assert(none > 1);
});
