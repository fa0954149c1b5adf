/**
 * Runs one more process in a container that runs: joins its namespaces by its first process's
 * pidfd, all at once, enters its cgroup, takes the identity, calls execve.
 */
import {
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_PARENT,
  CLONE_PIDFD,
  CLONE_VFORK,
  CLONE_VM,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  PR_SET_PDEATHSIG,
} from "../../ffi/constants.ts";
import { EPERM } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { addressIn, type Place, slot, type Step, type Value } from "../../ffi/program.ts";
import { type Child, cloneArgs, reap, spawn } from "../../ffi/spawn.ts";
import { beginSteps, type Failure, oomScoreSteps, processSteps } from "./process_steps.ts";
import type { SeccompFilter } from "./seccomp_compile.ts";
import type { Process } from "./spec_types.ts";
import { cgroupSteps } from "./init.ts";
import { openTerminal, sendDescriptor, takeTerminal, terminalSlots } from "./terminal.ts";

/** A process to be run in a running container. */
export interface ExecPlan {
  /** Of the container's first process. */
  readonly pidfd: number;
  /** The container has a user namespace of its own: it is joined too. */
  readonly userNamespace: boolean;
  readonly process: Process;
  readonly filter?: SeccompFilter;
  /** Open files of the container's v1 cgroups: "0" written there moves the writer. */
  readonly cgroupTasks: readonly number[];
  /** What become streams 0 to 2; with a terminal they come from there. */
  readonly streams: readonly [number, number, number];
  /** The socket that receives the terminal's master. */
  readonly consoleSocket?: Value;
  /** The signal for the process when its parent dies; 0: none. */
  readonly deathSignal: number;
  /** Descriptors 3 to 2+N of ours go to the process. */
  readonly preserveFds?: number;
}

const ALL = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
  CLONE_NEWCGROUP;

/** What a process that will be in the container's pid namespace's parent does first. */
export function joinContainer(plan: ExecPlan): Step[] {
  const flags = ALL | (plan.userNamespace ? CLONE_NEWUSER : 0);
  return [
    ...cgroupSteps(plan.cgroupTasks),
    { call: "setns", args: [plan.pidfd, flags], goal: "join the container's namespaces" },
  ];
}

/** What the process itself does, born inside. `failure` says where its failures go. */
export function insideSteps(plan: ExecPlan, failure: Failure): Step[] {
  const { process } = plan;
  const report = slot("report"), terminal = terminalSlots(), root = slot("root");
  const withTerminal = process.terminal === true && plan.consoleSocket !== undefined;
  const goal = "set up the streams";
  return [
    ...beginSteps(failure, report),
    { call: "setsid", args: [], goal: "start a session", allow: [EPERM] },
    ...(plan.deathSignal === 0 ? [] : [deathSignalStep(plan.deathSignal)]),
    ...(process.oomScoreAdj === undefined ? [] : oomScoreSteps(process.oomScoreAdj)),
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
        fd === stream ? [] : [{ call: "dup3", args: [fd, stream, 0], goal }]
      )),
    ...processSteps({
      process,
      filter: plan.filter,
      failure,
      report,
      preserveFds: plan.preserveFds ?? 0,
      mayDenyGroups: plan.userNamespace,
      reaper: false,
    }),
  ];
}

function deathSignalStep(signal: number): Step {
  return {
    call: "prctl",
    args: [PR_SET_PDEATHSIG, signal, 0, 0, 0],
    goal: "end with the process that started it",
  };
}

/** A process that runs in a container; this process is its parent. */
export interface Executed {
  readonly pid: number;
  readonly pidfd: Fd;
}

/** The program of an exec, and where it leaves the number and the pidfd of the process. */
export interface ExecProgram {
  readonly steps: Step[];
  readonly pid: Place;
  readonly pidfd: Place;
}

/** What a child of ours does: join the container, clone the process, end; and what that does. */
export function execProgram(plan: ExecPlan): ExecProgram {
  const pid = slot("pid"), pidfd: Place = slot("pidfd", -1);
  const args = cloneArgs({
    flags: BigInt(CLONE_VM | CLONE_VFORK | CLONE_PARENT | CLONE_PIDFD),
    pidfd,
  });
  const failure: Failure = { report: null, label: "inside.failed" };
  const steps: Step[] = [
    ...joinContainer(plan),
    {
      call: "clone3",
      args: [addressIn(args), args.bytes.length],
      goal: "start the process",
      result: pid,
      onZero: "@inside",
    },
    { call: "exit_group", args: [0], goal: "end" },
    { call: "getpid", args: [], goal: "be inside", label: "inside" },
    ...insideSteps(plan, failure),
    { call: "exit_group", args: [127], goal: "end after a failure", label: failure.label },
  ];
  return { steps, pid, pidfd };
}

/**
 * Starts the process. A child of ours joins the container, clones the process as our child
 * (CLONE_PARENT) and ends; all three share memory until execve, none of it is JavaScript's.
 * Throws SyscallError of the step that failed.
 */
export function execute(plan: ExecPlan, cgroupFd?: number): Executed {
  const { steps, pid, pidfd } = execProgram(plan);
  const between: Child = spawn(steps, { flags: CLONE_FILES, cgroupFd });
  const read = (place: Place) =>
    Number(new DataView(between.ran.read(place.block).buffer).getBigInt64(0, true));
  reap(between);
  return { pid: read(pid), pidfd: new Fd(read(pidfd) | 0) };
}
