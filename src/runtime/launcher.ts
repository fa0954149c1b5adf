/**
 * Starts a container's init for an engine that brings its own monitor (OCI's `create`). A program
 * of a few pages clones init as our child and ends; when we end too, init's parent is whoever has
 * asked to be: conmon, containerd-shim, or the first process.
 */
import { CLONE_PARENT, CLOSE_RANGE_CLOEXEC, SOCK_STREAM, WALL } from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { Fd, pipe, readInto } from "../../ffi/fd.ts";
import type { Encoded } from "../../ffi/interp.ts";
import { sys } from "../../ffi/libc.ts";
import {
  addressIn,
  assign,
  block,
  goTo,
  type Place,
  type Program,
  slot,
  STATE,
  type Step,
} from "../../ffi/program.ts";
import { cloneArgs } from "../../ffi/spawn.ts";
import { socketPair } from "../../ffi/unix_socket.ts";
import { execute } from "./execute.ts";
import { type Join, joinSteps } from "./namespaces.ts";
import type { Pause } from "./process_steps.ts";

/** All that decides a launcher's program; descriptors by their numbers. */
export interface LauncherPlan {
  readonly init: {
    /** What the launcher does before all else. */
    readonly first?: readonly Step[];
    readonly steps: readonly Step[];
    readonly flags: bigint;
    readonly cgroup?: number;
    readonly before: readonly Join[];
    readonly preserveFds: number;
  };
  /** Close-on-exec pipe: 16 bytes of a failed step, or nothing. */
  readonly report: number;
  /** Gets init's number, eight bytes. */
  readonly hello: number;
}

/** Joins what counts for children only, clones init, tells its number, ends. Pure. */
export function launcherProgram({ init, report, hello }: LauncherPlan): Program {
  const pid = slot("pid");
  const clone = cloneArgs({ flags: init.flags | BigInt(CLONE_PARENT), cgroupFd: init.cgroup });
  return {
    tail: "launcher.failed",
    steps: [
      ...(init.first ?? []),
      ...joinSteps(init.before),
      {
        call: "clone3",
        args: [addressIn(clone), clone.bytes.length],
        goal: "start the container's first process",
        result: pid,
        onZero: "@launcher.init",
      },
      { call: "write", args: [hello, addressIn(pid), 8], goal: "tell init's number" },
      { call: "exit_group", args: [0], goal: "end" },
      {
        call: "write",
        args: [report, addressIn(STATE), 16],
        goal: "report the failure",
        label: "launcher.failed",
        onNegative: "next",
      },
      { call: "exit_group", args: [127], goal: "end after a failure" },
      { ...goTo("next"), label: "launcher.init" },
      {
        call: "close_range",
        args: [3 + init.preserveFds, 0xffff_ffff, CLOSE_RANGE_CLOEXEC],
        goal: "keep descriptors from the command",
      },
      ...init.steps,
    ],
  };
}

/** Where init waits for this process, and this process for init. */
export class Rendezvous implements Disposable {
  readonly ours: Fd;
  readonly theirs: Fd;
  constructor() {
    [this.ours, this.theirs] = socketPair(SOCK_STREAM);
  }
  /** Init waits for `letGo`. */
  waitSteps(): Step[] {
    const byte = block("go", new Uint8Array(8));
    const goal = "wait for the runtime";
    return [{
      call: "read",
      args: [this.theirs.raw, addressIn(byte), 1],
      goal,
      // The end without a byte: the runtime has given up.
      onZero: "fail",
    }];
  }
  /** Init says that it is here, and waits. */
  meetSteps(): Step[] {
    const goal = "meet the runtime";
    return [{ call: "write", args: [this.theirs.raw, "!", 1], goal }, ...this.waitSteps()];
  }
  /** Waits for `meetSteps`; false when init is gone. */
  arrived(): boolean {
    return readInto(this.ours, new Uint8Array(1)) === 1;
  }
  letGo(): void {
    sys("write", this.ours.raw, "!", 1);
  }
  [Symbol.dispose](): void {
    this.ours[Symbol.dispose]();
    this.theirs[Symbol.dispose]();
  }
}

/** A failure after the pause, as it is written to the file: the step's address and -errno. */
export const FAILURE_BYTES = 16;

/**
 * The pause between `create` and `start`: the report pipe ends, so that the creator knows, then
 * one byte is awaited on `gate`. It is open for writing here as well, so that the wait ends by a
 * byte only; a starter's poll tells of init's execve or end by POLLERR. Failures from now on go to
 * the file `failures`.
 */
export function gatePause(gate: number, failures: number): Pause {
  const gatePlace = slot("gate", gate), failuresPlace = slot("failures", failures);
  const byte = block("go", new Uint8Array(8));
  return {
    keep: [gatePlace, failuresPlace],
    steps: (report: Place) => [
      { call: "close", args: [report], goal: "say that everything is ready" },
      assign(report, failuresPlace),
      {
        call: "read",
        args: [gatePlace, addressIn(byte), 1],
        goal: "wait for the start",
        label: "gate.wait",
        onNegative: "@gate.wait", // a signal came
      },
    ],
  };
}

/** What `launch` starts. */
export interface LaunchOptions {
  readonly init: LauncherPlan["init"];
  /** Made by the caller, because the steps name it. */
  readonly report: { read: Fd; write: Fd };
  /** What init's steps use besides. */
  readonly keep: readonly number[];
  /** While init runs its steps: the moment to write its id maps and to run hooks. */
  readonly whileStarting: (pid: number) => void | Promise<void>;
}

/** An init that is ready: it waits at its gate, or has called execve when it had none. */
export interface Launched {
  readonly pid: number;
  readonly encoded: Encoded;
}

/**
 * Starts init and waits until it has closed the report pipe. Throws SyscallError of the first step
 * that failed, or what `whileStarting` throws; then init is gone.
 */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const { init, report } = options;
  using hello = pipeEnds();
  const { bytes, encoded } = executable(
    launcherProgram({ init, report: report.write.raw, hello: hello.write.raw }),
  );
  const inherited = [report.write.raw, hello.write.raw, ...options.keep];
  if (init.cgroup !== undefined) inherited.push(init.cgroup);
  for (let fd = 3; fd < 3 + init.preserveFds; fd++) inherited.push(fd);
  for (const { from } of init.before) if (typeof from === "number") inherited.push(from);
  const launcher = execute(bytes, inherited, ["diplodock-oci"]);
  report.write[Symbol.dispose]();
  hello.write[Symbol.dispose]();
  const word = new Uint8Array(8);
  const pid = readInto(hello.read, word) === 8 ? new DataView(word.buffer).getInt32(0, true) : 0;
  sys("wait4", launcher, 0, WALL, 0);
  try {
    if (pid > 0) await options.whileStarting(pid);
    const failure = readFailure(report.read, encoded);
    if (failure !== undefined) throw failure;
    if (pid === 0) throw new Error("Cannot start a container: its launcher was killed");
    return { pid, encoded };
  } catch (error) {
    if (pid > 0) {
      sys("kill", pid, 9);
      sys("wait4", pid, 0, WALL, 0);
    }
    throw error;
  }
}

/** A pipe that is closed with its scope. */
export function pipeEnds(): { read: Fd; write: Fd } & Disposable {
  const ends = pipe();
  return {
    ...ends,
    [Symbol.dispose]() {
      ends.read[Symbol.dispose]();
      ends.write[Symbol.dispose]();
    },
  };
}

/** The failure that comes out of a report pipe; undefined when the pipe ends without one. */
export function readFailure(from: Fd, encoded: Encoded): SyscallError | undefined {
  const bytes = new Uint8Array(FAILURE_BYTES);
  if (readInto(from, bytes) < FAILURE_BYTES) return undefined;
  const view = new DataView(bytes.buffer);
  const step = encoded.stepAt(view.getBigUint64(0, true));
  const errno = Number(-view.getBigInt64(8, true));
  return new SyscallError(step?.call ?? "unknown", errno, step?.goal ?? "run a step");
}
