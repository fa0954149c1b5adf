/** Bundles, seccomp profiles and a container's state files: read, or refused in words. */
import { assert } from "@std/assert";
import { UserError } from "../../src/base/errors.ts";
import { checkSpec } from "../../src/runtime/check.ts";
import { initProgram } from "../../src/runtime/init.ts";
import { parseExit, parseStat } from "../../src/runtime/monitor_protocol.ts";
import { planStart } from "../../src/runtime/plan.ts";
import { parseProfile, resolveProfile } from "../../src/runtime/seccomp.ts";
import { compileSeccomp } from "../../src/runtime/seccomp_compile.ts";
import { defaultProfile } from "../../src/runtime/seccomp_profile.ts";
import { parseSpec } from "../../src/runtime/spec.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { fuzzTest, type Json, mutateBytes, mutateJson, mutateText } from "../lib/fuzz.ts";
import { pick } from "../lib/random.ts";

/** Runs `body`; an error that is an answer to bad input is one. */
function answered(body: () => unknown, also: (error: Error) => boolean = () => false): void {
  try {
    body();
  } catch (error) {
    const known = error instanceof UserError || error instanceof SyntaxError ||
      error instanceof SyscallError;
    if (!known && !also(error as Error)) throw error;
    assert((error as Error).message !== "");
  }
}

const SPEC: Json = JSON.parse(Deno.readTextFileSync("tests/golden/bundle_everything.json"));

fuzzTest({
  name: "config.json: any document becomes a program or a refusal",
  rounds: 150,
  make: (random) => JSON.stringify(mutateJson(random, SPEC)),
  check: (text) =>
    answered(() => {
      const spec = parseSpec(text);
      checkSpec(spec);
      if (spec.process === undefined) return;
      initProgram(planStart(spec, {
        failure: { report: 3, label: "failed" },
        cgroupProcs: [],
        cgroupHierarchies: [],
        ownedStreams: [],
        isDirectory: () => true,
        warn: () => {},
      }));
    }),
});

fuzzTest({
  name: "config.json: any bytes are a document or a refusal",
  rounds: 150,
  make: (random) => mutateText(random, JSON.stringify(SPEC)),
  check: (text) => answered(() => parseSpec(text)),
});

const PROFILE = JSON.parse(JSON.stringify(defaultProfile())) as { syscalls: Json[] };
const SMALL: Json = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 1,
  architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
  flags: ["SECCOMP_FILTER_FLAG_LOG"],
  syscalls: [
    ...PROFILE.syscalls.slice(-8),
    {
      names: ["clone", "personality"],
      action: "SCMP_ACT_ALLOW",
      args: [{ index: 0, value: 18446744073709551615, valueTwo: 8, op: "SCMP_CMP_MASKED_EQ" }],
      includes: { caps: ["CAP_SYS_ADMIN"], arches: ["amd64"], minKernel: "4.8" },
    },
    { names: ["openat"], action: "SCMP_ACT_LOG", excludes: { caps: ["CAP_CHOWN"] } },
  ],
};

fuzzTest({
  name: "seccomp profiles: any document becomes a filter the kernel can take, or a refusal",
  rounds: 120,
  make: (random) => JSON.stringify(mutateJson(random, SMALL)),
  check: (text) =>
    answered(() => {
      const arch = "x86_64";
      const target = { caps: ["CAP_CHOWN"], arch, kernelRelease: "6.1.0" } as const;
      const filter = compileSeccomp(resolveProfile(parseProfile(text), target), arch);
      assert(filter.program.length % 8 === 0 && filter.program.length / 8 <= 4096);
    }),
});

const STAT = "123 (a b) c) S 1 123 123 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0 0 0 0\n";

fuzzTest({
  name: "state files: any bytes are a process and an exit, or nothing",
  rounds: 2000,
  make: (random) => ({
    stat: mutateText(random, STAT),
    exit: mutateBytes(random, new Uint8Array(pick(random, [0, 8, 23, 24, 25, 64]))),
  }),
  check: ({ stat, exit }) => {
    const found = parseStat(stat);
    assert(found === undefined || Number.isInteger(found.pid));
    const end = parseExit(exit);
    assert(end === undefined || Number.isInteger(end.code));
  },
});
