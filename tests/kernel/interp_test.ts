import { assertEquals, assertThrows } from "@std/assert";
import { executable } from "../../ffi/elf.ts";
import { EEXIST, ENOENT, EROFS, SyscallError } from "../../ffi/errno.ts";
import { INTERPRETER, interpreterBytes } from "../../ffi/interp.ts";
import { SIGCHLD, SIGHUP, SIGINT, SIGQUIT } from "../../ffi/constants.ts";
import {
  addressIn,
  assign,
  block,
  branch,
  goTo,
  placeIn,
  type Program,
  slot,
  type Step,
  stepAddress,
  stringArray,
  TAIL,
} from "../../ffi/program.ts";
import { reap, restoreSignals, run, spawn } from "../../ffi/spawn.ts";
import type { Arch } from "../../ffi/syscalls.ts";
import { testAssembly } from "../lib/assembled.ts";
import { hasProgram, skipUnless } from "../lib/skip.ts";

for (const arch of Object.keys(INTERPRETER) as Arch[]) {
  testAssembly(`ffi/interp_${arch}.s`, arch, () => interpreterBytes(arch));
}

const EXIT = (code: number, label?: string): Step => ({
  call: "exit_group",
  args: [code],
  goal: "end",
  label,
});
const MAKE_ROOT = { call: "mkdirat", args: [-100, "/", 0o755], goal: "make /" } as const;

/** Programs that end with the code 7 if the interpreter does what it should. */
const PROGRAMS: [name: string, program: Program][] = [
  ["allow lets an error pass", { steps: [{ ...MAKE_ROOT, allow: [EEXIST] }, EXIT(7)] }],
  ["a negative result branches", {
    steps: [{ ...MAKE_ROOT, onNegative: "@bad" }, EXIT(1), EXIT(7, "bad")],
  }],
  ["an error leads to the tail", {
    tail: "failed",
    steps: [MAKE_ROOT, EXIT(1), EXIT(7, "failed")],
  }],
  ["the tail can be chosen by a step", {
    tail: "first",
    steps: [
      assign(TAIL, stepAddress("second")),
      MAKE_ROOT,
      EXIT(1),
      EXIT(2, "first"),
      EXIT(7, "second"),
    ],
  }],
  ["a jump skips", { steps: [goTo("@there"), EXIT(1), EXIT(7, "there")] }],
  ["a loop counts", {
    steps: ((count = slot("count", 1000), sum = slot("sum")): Step[] => [
      { call: "subtract", args: [sum, -1], goal: "add", result: sum, label: "loop" },
      { call: "subtract", args: [count, 1], goal: "count", result: count, onPositive: "@loop" },
      { call: "subtract", args: [sum, 993], goal: "compare", result: sum },
      { call: "exit_group", args: [sum], goal: "end" },
    ])(),
  }],
  ["a place inside a structure is an argument", {
    steps: ((of = block("b", new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]))) => [
      branch(placeIn(of, 0), "test", { onNegative: "@bad", onPositive: "@bad" }),
      { call: "exit_group", args: [placeIn(of, 8)], goal: "end" } as Step,
      EXIT(1, "bad"),
    ])(),
  }],
  ["all six arguments arrive, as values and as addresses", {
    steps: ((at = slot("address"), length = slot("length", 8192), fd = slot("fd", -1)): Step[] => [
      { call: "mmap", args: [0, length, 3, 0x22, fd, 0], goal: "map", result: at },
      { call: "munmap", args: [at, 8192], goal: "unmap" },
      EXIT(7),
    ])(),
  }],
];

for (const arch of Object.keys(INTERPRETER) as Arch[]) {
  const native = arch === Deno.build.arch;
  const emulator = `qemu-${arch}`;
  for (const [name, program] of PROGRAMS) {
    Deno.test({
      name: `executable() on ${arch}: ${name}`,
      ...skipUnless(native || hasProgram(emulator), `needs ${emulator} (qemu-user)`),
      fn() {
        const path = Deno.makeTempFileSync();
        try {
          Deno.writeFileSync(path, executable(program, arch).bytes, { mode: 0o755 });
          Deno.chmodSync(path, 0o755);
          const command = native ? new Deno.Command(path) : new Deno.Command(emulator, {
            args: [path],
          });
          assertEquals(command.outputSync().code, 7);
        } finally {
          Deno.removeSync(path);
        }
      },
    });
  }
}

Deno.test("run() gives results back", () => {
  const pid = slot("pid");
  const ran = run({ steps: [{ call: "getpid", args: [], goal: "ask", result: pid }] });
  assertEquals(ran.error, undefined);
  assertEquals(new DataView(ran.read(pid.block).buffer).getInt32(0, true), Deno.pid);
});

Deno.test("run() names the step that failed", () => {
  const { error } = run({ steps: [{ ...MAKE_ROOT, allow: [ENOENT, EROFS] }, EXIT(99)] });
  assertEquals(String(error), "SyscallError: Cannot make /: mkdirat: EEXIST");
});

Deno.test("spawn() starts a process and reap() tells how it ended", () => {
  const argv = stringArray("argv", ["sh", "-c", "exit 3"]), envp = stringArray("envp", []);
  const child = spawn([
    ...restoreSignals(),
    { call: "execve", args: ["/bin/sh", argv, envp], goal: "start sh" },
  ]);
  assertEquals(reap(child), 3 << 8);
});

Deno.test("spawn() throws what failed in the child", () => {
  const argv = stringArray("argv", ["x"]), envp = stringArray("envp", []);
  assertThrows(
    () => spawn([{ call: "execve", args: ["/nope", argv, envp], goal: 'start "/nope"' }]),
    SyscallError,
    'Cannot start "/nope": execve: ENOENT',
  );
});

Deno.test("a process started by restoreSignals() has no blocked and no ignored signals", () => {
  const argv = stringArray("argv", ["sh", "-c", 'grep -E "Sig(Blk|Ign)" /proc/self/status >&3']);
  const envp = stringArray("envp", ["PATH=/usr/bin:/bin"]);
  const path = Deno.makeTempFileSync();
  try {
    const child = spawn([
      ...[SIGHUP, SIGINT, SIGQUIT, SIGCHLD].map((signal): Step => (
        { call: "rt_sigaction", args: [signal, addressIn(IGNORE), 0, 8], goal: "ignore a signal" }
      )),
      ...restoreSignals(),
      { call: "openat", args: [-100, path, 1, 0], goal: "open", result: FILE },
      { call: "dup3", args: [FILE, 3, 0], allow: [22], goal: "dup" },
      { call: "execve", args: ["/bin/sh", argv, envp], goal: "start sh" },
    ]);
    assertEquals(reap(child), 0);
    assertEquals(
      Deno.readTextFileSync(path),
      "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n",
    );
  } finally {
    Deno.removeSync(path);
  }
});
const FILE = slot("file");
/** struct sigaction with SIG_IGN. */
const IGNORE = block("ignore", Uint8Array.from({ length: 32 }, (_, at) => at === 0 ? 1 : 0));

Deno.test("spawn() leaves descriptors here when the table is shared", () => {
  const CLONE_FILES = 0x400;
  const made = slot("made");
  const child = spawn(
    [{ call: "openat", args: [-100, "/dev/null", 0o2000000, 0], goal: "open", result: made }],
    { flags: CLONE_FILES },
  );
  const fd = new DataView(child.ran.read(made.block).buffer).getInt32(0, true);
  reap(child);
  assertEquals(Deno.readLinkSync(`/proc/self/fd/${fd}`), "/dev/null");
  run({ steps: [{ call: "close", args: [fd], goal: "close" }] });
});
