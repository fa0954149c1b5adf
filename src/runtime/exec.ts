/**
 * Runs one more process in a container that runs: joins its namespaces by its first process's
 * pidfd, all at once, enters its cgroup, takes the identity, calls execve.
 */
import {
  AT_FDCWD,
  CLONE_INTO_CGROUP,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  PR_SET_PDEATHSIG,
  WALL,
} from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { EINVAL, EPERM } from "../../ffi/errno.ts";
import { ownerSteps } from "./identity.ts";
import { Fd, readInto } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import {
  addressIn,
  block,
  type Place,
  type Program,
  slot,
  type Step,
  type Value,
} from "../../ffi/program.ts";
import { cpuMask } from "./cpu_list.ts";
import { execute as executeFile } from "./execute.ts";
import { cgroupSteps } from "./init.ts";
import { launcherProgram, pipeEnds, readFailure } from "./launcher.ts";
import { type Joined, joinFlags } from "./namespaces.ts";
import {
  beginSteps,
  type Failure,
  hostProcSteps,
  processSteps,
  tailSteps,
} from "./process_steps.ts";
import type { SeccompFilter } from "./seccomp_compile.ts";
import type { Process } from "./spec_types.ts";
import { openTerminal, sendDescriptor, takeTerminal, terminalSlots } from "./terminal.ts";

/** A process to be run in a running container. */
export interface ExecPlan extends Joined {
  /** Of the container's first process. */
  readonly pidfd: number;
  readonly process: Process;
  readonly filter?: SeccompFilter;
  /** Open files of the container's v1 cgroups: "0" written there moves the writer. */
  readonly cgroupTasks: readonly number[];
  /** What become streams 0 to 2; with a terminal they come from there. */
  readonly streams: readonly [Value, Value, Value];
  /** Those of them that become the user's: pipes and sockets; a terminal does so anyway. */
  readonly ownedStreams?: readonly number[];
  /** Does that instead, where it is not known yet which. */
  readonly ownStreams?: readonly Step[];
  /** As in ProcessPlan. */
  readonly command?: readonly Step[];
  /** The socket that receives the terminal's master. */
  readonly consoleSocket?: Value;
  /** The signal for the process when its parent dies; 0: none. */
  readonly deathSignal: number;
  /** Descriptors 3 to 2+N of ours go to the process. */
  readonly preserveFds?: number;
  /** Takes the listener of a filter with SCMP_ACT_NOTIFY. */
  readonly handover?: { readonly theirs: Fd; readonly place: Place; hand(pid: number): void };
}

/** What the parent of a process in the container's pid namespace does first. */
export function joinContainer(plan: ExecPlan): Step[] {
  return [
    ...affinitySteps(plan.process.execCPUAffinity?.initial),
    ...cgroupSteps(plan.cgroupTasks),
    ...affinitySteps(plan.process.execCPUAffinity?.final),
    ...hostProcSteps(plan.process),
    { call: "setns", args: [plan.pidfd, joinFlags(plan)], goal: "join the container's namespaces" },
  ];
}

/** What the process itself does, born inside. `failure` says where its failures go. */
export function insideSteps(
  plan: ExecPlan,
  failure: Failure,
  report: Place = slot("report"),
): Step[] {
  const { process } = plan;
  const terminal = terminalSlots(), root = slot("root");
  const withTerminal = process.terminal === true && plan.consoleSocket !== undefined;
  const goal = "set up the streams";
  return [
    ...beginSteps(failure, report),
    { call: "setsid", args: [], goal: "start a session", allow: [EPERM] },
    ...(plan.deathSignal === 0 ? [] : [deathSignalStep(plan.deathSignal)]),
    ...(withTerminal
      ? [
        {
          call: "openat",
          args: [AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC],
          goal,
          result: root,
        } satisfies Step,
        ...openTerminal(root, terminal.master, terminal.slave, process.consoleSize),
        ...sendDescriptor(plan.consoleSocket!, terminal.master),
        ...takeTerminal(terminal.slave),
      ]
      : plan.streams.flatMap((fd, stream): Step[] =>
        fd === stream ? [] : [{
          call: "dup3",
          args: [fd, stream, 0],
          goal,
          ...(typeof fd !== "number" && { allow: [EINVAL] }), // it may be that one
        }]
      )),
    ...(plan.ownStreams ??
      ownerSteps(withTerminal ? [0] : plan.ownedStreams ?? [], process.user.uid)),
    ...processSteps({
      process,
      filter: plan.filter,
      failure,
      report,
      preserveFds: plan.preserveFds ?? 0,
      mayDenyGroups: plan.userNamespace || plan.shared !== undefined,
      reaper: false,
      agent: plan.handover?.place,
      command: plan.command,
    }),
  ];
}

/** Which CPUs may run the process. sched_setaffinity(2). */
function affinitySteps(cpus: string | undefined): Step[] {
  if (!cpus) return [];
  const mask = cpuMask(cpus);
  return [{
    call: "sched_setaffinity",
    args: [0, mask.length, addressIn(block("CPUs", mask))],
    goal: `run on the CPUs ${cpus}`,
  }];
}

function deathSignalStep(signal: number): Step {
  return {
    call: "prctl",
    args: [PR_SET_PDEATHSIG, signal, 0, 0, 0],
    goal: "end with the process that started it",
  };
}

/** What starts the program that joins the container; its parent becomes that of the process. */
export interface Starter {
  start(bytes: Uint8Array<ArrayBuffer>, inherited: readonly number[], name: string): void;
  /** Called when that program has done its work. */
  joined?(): void;
}

/** A process that runs in a container; this process is its parent. */
export interface Executed {
  readonly pid: number;
  readonly pidfd: Fd;
}

/**
 * The program of an exec: join the container, clone the process, tell its number on `hello`, end;
 * and what that process does. Failures go to the pipe `report`. Pure.
 */
export function execProgram(
  plan: ExecPlan,
  report: number,
  hello: number,
  cgroup?: number,
): Program {
  const failure: Failure = { report, label: "inside.failed" };
  const place = slot("report");
  return launcherProgram({
    init: {
      first: joinContainer(plan),
      steps: [...insideSteps(plan, failure, place), ...tailSteps(failure, place)],
      flags: cgroup === undefined ? 0n : BigInt(CLONE_INTO_CGROUP),
      cgroup,
      before: [],
      preserveFds: plan.preserveFds ?? 0,
    },
    report,
    hello,
  });
}

/**
 * Starts the process, as our child. What joins the container is a program of its own, from sealed
 * memory, and never this one: whoever is in the container may look at /proc/PID of the newcomer
 * before it calls execve, may have it execute /proc/self/exe (CVE-2019-5736), may even trace it
 * once its rights are as small as theirs. Throws SyscallError of the step that failed.
 */
export function execute(plan: ExecPlan, cgroup?: number): Executed {
  const pid = executeBy(new Waiter(), plan, cgroup);
  return { pid, pidfd: new Fd(check("watch the process", "pidfd_open", pid, 0)) };
}

/** Starts it as a child of this process. */
class Waiter implements Starter {
  #between = 0;
  start(bytes: Uint8Array<ArrayBuffer>, inherited: readonly number[], name: string): void {
    this.#between = executeFile(bytes, inherited, [name]);
  }
  /** Reaps the program that joined. */
  joined(): void {
    sys("wait4", this.#between, 0, WALL, 0);
  }
}

/** The same as a child of whom `starter` starts; its number, which may be nobody's any more. */
export function executeBy(starter: Starter, plan: ExecPlan, cgroup?: number): number {
  using report = pipeEnds();
  using hello = pipeEnds();
  const { bytes, encoded } = executable(
    execProgram(plan, report.write.raw, hello.write.raw, cgroup),
  );
  const { consoleSocket } = plan;
  const inherited = [
    ...[report.write.raw, hello.write.raw, plan.pidfd, ...plan.cgroupTasks],
    ...plan.streams.filter((stream) => typeof stream === "number"),
    ...(cgroup === undefined ? [] : [cgroup]),
    ...(typeof consoleSocket === "number" ? [consoleSocket] : []),
    ...(plan.handover ? [plan.handover.theirs.raw] : []),
    ...Array.from({ length: plan.preserveFds ?? 0 }, (_, i) => 3 + i),
  ];
  starter.start(bytes, inherited.filter((fd) => fd > 2), "diplodock-exec");
  report.write[Symbol.dispose]();
  hello.write[Symbol.dispose]();
  const word = new Uint8Array(8);
  const born = readInto(hello.read, word) === word.length;
  const pid = new DataView(word.buffer).getInt32(0, true);
  starter.joined?.();
  if (born) plan.handover?.hand(pid);
  const failure = readFailure(report.read, encoded);
  if (failure !== undefined) {
    if (born) sys("wait4", pid, 0, WALL, 0);
    throw failure;
  }
  if (!born) throw new Error("Cannot start a process in the container: its starter was killed");
  return pid;
}
