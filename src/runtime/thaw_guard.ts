/**
 * A process of a few pages that lets a frozen cgroup go on if the one that froze it is killed: it
 * sleeps on a pipe whose other end only that one has.
 */
import { AT_FDCWD, O_CLOEXEC, O_WRONLY, PR_SET_NAME, SIGKILL, WALL } from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { pipe } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { addressIn, block, type Program, slot } from "../../ffi/program.ts";
import type { Cgroup } from "./cgroup_place.ts";
import { freezerFor } from "./cgroup_processes.ts";
import { execute } from "./execute.ts";

const NAME = "diplodock-thaw";

/** Waits for the end of pipe `waitOn`, then writes `text` to `file`. Pure. */
function thawGuardProgram(waitOn: number, file: string, text: string): Program {
  const byte = block("byte", new Uint8Array(8));
  const fd = slot("freezer");
  const goal = "let the container go on";
  return {
    steps: [
      { call: "prctl", args: [PR_SET_NAME, NAME], goal: "name the process" },
      { call: "read", args: [waitOn, addressIn(byte), 1], goal: "wait for the client's end" },
      { call: "openat", args: [AT_FDCWD, file, O_WRONLY | O_CLOEXEC, 0], goal, result: fd },
      { call: "write", args: [fd, text, text.length], goal },
      { call: "exit_group", args: [0], goal: "end" },
    ],
  };
}

/**
 * Starts the guard of `cgroup`, which this process is about to freeze. Disposed of, once this
 * process has thawed it, the guard ends and does nothing.
 */
export function guardThaw(cgroup: Cgroup): Disposable {
  const { file, thawed } = freezerFor(cgroup);
  const { read, write } = pipe();
  using _read = read;
  const bytes = executable(thawGuardProgram(read.raw, file, thawed)).bytes;
  const pid = execute(bytes, [read.raw], [NAME]);
  return {
    [Symbol.dispose]() {
      sys("kill", pid, SIGKILL);
      sys("wait4", pid, 0, WALL, 0);
      write[Symbol.dispose]();
    },
  };
}
