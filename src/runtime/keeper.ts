/** Keeps a terminal whose user has gone, so that its processes live on: nobody reads it any more. */
import { AT_FDCWD, O_RDWR, PR_SET_NAME } from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import type { Fd } from "../../ffi/fd.ts";
import { addressIn, block, type Program, slot, type Step } from "../../ffi/program.ts";
import { restoreSignals } from "../../ffi/spawn.ts";
import { execute } from "./execute.ts";

const CHUNK_BYTES = 4096;

/** Reads descriptor `master` to its end and forgets what it reads. Pure. */
function keeperProgram(master: number): Program {
  const nothing = slot("null file");
  const goal = "let go of the streams";
  return {
    steps: [
      { call: "prctl", args: [PR_SET_NAME, "diplodock-keep"], goal: "name the process" },
      { call: "openat", args: [AT_FDCWD, "/dev/null", O_RDWR, 0], goal, result: nothing },
      ...[0, 1, 2].map((fd): Step => ({ call: "dup3", args: [nothing, fd, 0], goal })),
      { call: "close", args: [nothing], goal },
      { call: "chdir", args: ["/"], goal: "let go of the working directory" },
      ...restoreSignals(),
      {
        call: "read",
        args: [master, addressIn(block("bytes", new Uint8Array(CHUNK_BYTES))), CHUNK_BYTES],
        goal: "read what nobody sees",
        label: "read",
        // At the end of the last process the read fails with EIO.
        onNegative: "end",
        onZero: "end",
        onPositive: "@read",
      },
    ],
  };
}

/** Starts a process of a few pages that holds a terminal's master until its last process ends. */
export function spawnKeeper(master: Fd): void {
  execute(executable(keeperProgram(master.raw)).bytes, [master.raw], ["diplodock-keep"]);
}
