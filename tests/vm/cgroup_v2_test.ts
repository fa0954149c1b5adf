import { assert, assertEquals } from "@std/assert";
import { PROGRAM } from "../lib/engine.ts";
import { skipUnless } from "../lib/skip.ts";
import { type MachineContents, runMachine, whyNoMachine } from "./machine.ts";

const why = whyNoMachine();
const PROJECT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** What the tests and their scripts call, and what unpacks the binary. */
const PROGRAMS = [
  ..."cat chmod chown cp dd head id ln ls mkdir mknod mktemp mv ps rm sh sleep sync tail".split(
    " ",
  ),
  ..."touch tr true wc losetup mount setpriv setsid umount".split(" "),
].map(pathOf).filter((path) => path !== undefined);

function pathOf(name: string): string | undefined {
  return ["/bin", "/sbin", "/usr/bin", "/usr/sbin"].map((folder) => `${folder}/${name}`)
    .find(exists);
}

/** The tests that prove limits: the same as on this machine, here on cgroup v2. */
const TESTS = [
  "tests/kernel/cgroup_test.ts",
  "tests/kernel/cgroup_bundle_test.ts",
  "tests/e2e/limits_test.ts",
  "tests/e2e/stats_test.ts",
  "tests/e2e/delegation_test.ts",
];

/**
 * Where the binary has unpacked itself, if it is one that does: unpacking takes a minute without
 * KVM, so the machine gets the result.
 */
function unpacked(): string | undefined {
  const { success } = new Deno.Command(PROGRAM, { args: ["--version"] }).outputSync();
  if (!success) throw new Error(`Cannot run ${PROGRAM}`);
  using file = Deno.openSync(PROGRAM);
  const head = new Uint8Array(1024);
  file.readSync(head);
  const path = /\/var\/cache\/diplodock\/[0-9a-f]{32}/.exec(new TextDecoder().decode(head))?.[0];
  return path !== undefined && exists(path) ? path : undefined;
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

/** Programs of this machine, and the project with its tests and its binary. */
function contents(): Omit<MachineContents, "script"> {
  const folder = unpacked();
  return {
    programs: [...PROGRAMS.map((path) => Deno.realPathSync(path)), Deno.execPath()],
    copies: {
      ...Object.fromEntries(PROGRAMS.map((path) => [path, path])),
      [PROGRAM]: "/project/dist/diplodock",
      ...(folder !== undefined && { [folder]: folder }),
      ...Object.fromEntries(
        ["deno.json", "ffi", "src", "tests/lib", ...TESTS]
          .map((path) => [`${PROJECT}/${path}`, `/project/${path}`]),
      ),
    },
    modules: ["drivers/block/loop.ko", "block/bfq.ko", "fs/overlayfs/overlay.ko"],
  };
}

Deno.test({
  name: "limits hold on cgroup v2, in a machine of its own",
  ...skipUnless(why === undefined, `cgroup v2: ${why}`),
  async fn() {
    const { code, output } = await runMachine({
      ...contents(),
      script: `cd /project && NO_COLOR=1 ${Deno.execPath()} test -A --no-check --no-remote \\
        --no-lock ${TESTS.join(" ")} 2>&1`,
    });
    assertEquals(code, 0, output);
    // Tests that are skipped, or not found, would pass as well.
    const [, passed, ignored] =
      /ok \| (\d+) passed \| 0 failed(?: \| (\d+) ignored)?/.exec(output) ?? [];
    assert(Number(passed) >= 38 && ignored === undefined, output);
  },
});
