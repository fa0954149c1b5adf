/**
 * The parent of a process that nobody waits for: a program of a few pages that stays beside it and
 * at its end executes what was asked for, which reads the status from its stdin.
 */
import { AT_EMPTY_PATH, AT_FDCWD, O_RDWR, PR_SET_NAME, WALL } from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { sealedMemfd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { addressIn, block, type Program, slot, type Step, stringArray } from "../../ffi/program.ts";
import { cloneArgs, restoreSignals } from "../../ffi/spawn.ts";
import type { Command } from "../base/self.ts";
import { execute } from "./execute.ts";
import type { Starter } from "./exec.ts";
import { pipeEnds } from "./launcher.ts";

/** All that decides the program; descriptors by their numbers. */
export interface WatchPlan {
  /** The file of the program that starts the process as its sibling, and its name. */
  readonly launcher: { readonly fd: number; readonly name: string };
  /** What the launcher is given. */
  readonly inherited: readonly number[];
  /** A byte comes here when the process runs; an end without one: it does not. */
  readonly go: number;
  /** A pipe for the status. */
  readonly status: { readonly read: number; readonly write: number };
  readonly ended: Command;
}

/** Starts the launcher, waits for it and for the process, executes `ended`. Pure. */
function watchProgram(plan: WatchPlan): Program {
  const { launcher, inherited, go, status, ended } = plan;
  const child = slot("launcher"), nothing = slot("null file");
  const word = block("status", new Uint8Array(8));
  const clone = cloneArgs({ flags: 0n });
  const streams = "let go of the streams";
  const close = (fd: number): Step => ({ call: "close", args: [fd], goal: "let go of a file" });
  return {
    steps: [
      { call: "prctl", args: [PR_SET_NAME, "diplodock-watch"], goal: "name the process" },
      {
        call: "clone3",
        args: [addressIn(clone), clone.bytes.length],
        goal: "start the launcher",
        result: child,
        onZero: "@launch",
      },
      ...[...new Set([...inherited, launcher.fd])].map(close),
      { call: "openat", args: [AT_FDCWD, "/dev/null", O_RDWR, 0], goal: streams, result: nothing },
      ...[0, 1, 2].map((fd): Step => ({ call: "dup3", args: [nothing, fd, 0], goal: streams })),
      { call: "close", args: [nothing], goal: streams },
      { call: "chdir", args: ["/"], goal: "let go of the working directory" },
      { call: "wait4", args: [child, 0, WALL, 0], goal: "wait for the launcher" },
      // The process is our child as well: the launcher made it so. No child: there is none.
      { call: "wait4", args: [-1, addressIn(word), WALL, 0], goal: "wait for the process" },
      {
        call: "read",
        args: [go, addressIn(block("go", new Uint8Array(8))), 1],
        goal: "hear that it was started",
        onZero: "end",
      },
      { call: "write", args: [status.write, addressIn(word), 8], goal: "hand on the status" },
      { call: "dup3", args: [status.read, 0, 0], goal: "hand on the status" },
      ...[go, status.read, status.write].map(close),
      ...restoreSignals(),
      {
        call: "execve",
        args: [ended.file, stringArray("argv", ended.argv), stringArray("envp", ended.env)],
        goal: "tell of the end",
      },
      ...[go, status.read, status.write].map((fd, i): Step => ({
        ...close(fd),
        ...(i === 0 && { label: "launch" }),
      })),
      {
        call: "execveat",
        args: [
          launcher.fd,
          "",
          stringArray("launcher's argv", [launcher.name]),
          stringArray("launcher's envp", []),
          AT_EMPTY_PATH,
        ],
        goal: `start ${launcher.name}`,
      },
    ],
  };
}

/** Starts a process with a parent that stays. `confirm` when it runs; else its end is not told. */
export class Watcher implements Starter, Disposable {
  readonly #go = pipeEnds();

  constructor(readonly ended: Command) {}

  start(bytes: Uint8Array<ArrayBuffer>, inherited: readonly number[], name: string): void {
    using file = sealedMemfd(name, bytes);
    using status = pipeEnds();
    const [go, pipe] = [this.#go.read.raw, { read: status.read.raw, write: status.write.raw }];
    const launcher = { fd: file.raw, name };
    const program = watchProgram({ launcher, inherited, go, status: pipe, ended: this.ended });
    const all = [...inherited, file.raw, go, pipe.read, pipe.write];
    execute(executable(program).bytes, all, ["diplodock-watch"], { outlives: true });
  }

  confirm(): void {
    sys("write", this.#go.write.raw, "!", 1);
  }

  [Symbol.dispose](): void {
    this.#go[Symbol.dispose]();
  }
}
