/**
 * The monitor as a syscall program: it clones the container's init, copies its output to the log
 * and to attached clients, and records how it ended. Docs: docs/ARCHITECTURE.md, "The monitor".
 *
 * Failure policy: until the clone every failed call ends the monitor and is reported to the
 * client. From the clone on nothing ends it: a container must not lose its parent because the
 * disk is full or a client went away, so every step says where to go on.
 */
import {
  AT_FDCWD,
  CLOCK_MONOTONIC,
  CLONE_FILES,
  CLONE_PARENT,
  CLONE_PIDFD,
  CLONE_VFORK,
  CLONE_VM,
  CLOSE_RANGE_CLOEXEC,
  F_SETFD,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MSG_CMSG_CLOEXEC,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  O_NOCTTY,
  O_RDWR,
  PR_SET_NAME,
  PROT_READ,
  PROT_WRITE,
  SEEK_END,
  SIGCHLD,
  TIOCGPTPEER,
  WALL,
} from "../../ffi/constants.ts";
import {
  addressIn,
  assign,
  goTo,
  type Program,
  slot,
  STATE,
  type Step,
  stepAddress,
  stringArray,
  TAIL,
  type Value,
} from "../../ffi/program.ts";
import { cloneArgs, restoreSignals } from "../../ffi/spawn.ts";
import { endSteps, pollSteps, reapSteps } from "./monitor_loop.ts";
import { MonitorMemory } from "./monitor_memory.ts";
import type { Cleanup, MonitorPlan } from "./monitor_plan.ts";
import { CHUNK_BYTES } from "./monitor_protocol.ts";
import { recordSteps } from "./monitor_record.ts";
import { joinSteps } from "./namespaces.ts";
import { REPORT_PIPE } from "./report.ts";

/** The monitor's program. Pure. */
export function monitorProgram(plan: MonitorPlan): Program {
  const memory = new MonitorMemory(plan);
  return {
    tail: "monitor.failed",
    spent: {
      from: "init.start",
      address: memory.initSteps,
      length: memory.initStepsLength,
    },
    steps: [
      ...startSteps(plan, memory),
      ...handOverSteps(plan, memory),
      ...pollSteps(plan, memory),
      ...recordSteps(plan, memory),
      ...reapSteps(plan, memory),
      ...endSteps(plan, memory),
      ...cleanupSteps(plan.cleanup),
      ...failureSteps("monitor", plan.fds.report),
      ...initSteps(plan, memory),
    ],
  };
}

/** Up to the clone: what may fail. */
function startSteps(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  const access = PROT_READ | PROT_WRITE, kind = MAP_PRIVATE | MAP_ANONYMOUS;
  return [
    { call: "prctl", args: [PR_SET_NAME, "diplodock-mon"], goal: "name the monitor" },
    {
      call: "mmap",
      args: [0, CHUNK_BYTES, access, kind, -1, 0],
      goal: "get memory for the container's output",
      result: memory.chunkAddress,
    },
    ...timerSteps(plan, memory),
    ...(plan.init.before.length > 0 ? cloneBetween(plan, memory) : [cloneInit(plan, memory)]),
  ];
}

function cloneInit({ init }: MonitorPlan, memory: MonitorMemory, more = 0): Step {
  const flags = init.flags | BigInt(CLONE_PIDFD | more);
  // With CLONE_PARENT the signal at the end is that of the process in between: none (clone(2)).
  const exitSignal = more === 0 ? SIGCHLD : 0;
  const clone = cloneArgs({ flags, pidfd: memory.pidfd, exitSignal, cgroupFd: init.cgroup });
  return {
    call: "clone3",
    args: [addressIn(clone), clone.bytes.length],
    goal: "start the container's first process",
    result: memory.pid,
    onZero: "@init.start",
  };
}

/**
 * A process in between joins what counts for children only, clones init as its own sibling, and
 * ends. It shares the monitor's memory and descriptors, so that init's number and pidfd arrive,
 * and the monitor waits meanwhile (CLONE_VFORK).
 */
function cloneBetween(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  const clone = cloneArgs({ flags: BigInt(CLONE_VM | CLONE_FILES | CLONE_VFORK) });
  const between = slot("process in between");
  const goal = "start a process between the monitor and the container";
  return [
    {
      call: "clone3",
      args: [addressIn(clone), clone.bytes.length],
      goal,
      result: between,
      onZero: "@between",
      onPositive: "@joined",
    },
    { ...goTo("next"), label: "between" },
    ...prefixLabels(joinSteps(plan.init.before), "between."),
    cloneInit(plan, memory, CLONE_PARENT),
    { call: "exit_group", args: [0], goal },
    { call: "wait4", args: [between, 0, WALL, 0], goal, label: "joined", onNegative: "next" },
    // Without init's number the process in between failed, and has reported it.
    {
      call: "subtract",
      args: [memory.pid, 1],
      goal,
      onNegative: "@between.failed",
    },
    goTo("@between.done"),
    { call: "exit_group", args: [127], goal, label: "between.failed" },
    { ...goTo("next"), label: "between.done" },
  ];
}

function timerSteps(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  if (plan.timeout === undefined) return [];
  return [
    {
      call: "timerfd_create",
      args: [CLOCK_MONOTONIC, O_CLOEXEC],
      goal: "make the timer of the run time",
      result: memory.timer,
    },
    {
      call: "timerfd_settime",
      args: [memory.timer, 0, addressIn(memory.timerSpec), 0],
      goal: "start the timer of the run time",
    },
    ...memory.watch("timer", memory.timer),
  ];
}

/** Right after the clone: tell the client, let go of what is init's alone. */
function handOverSteps(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  const { fds, stdio } = plan;
  const preserved = Array.from({ length: plan.init.preserveFds }, (_, i) => 3 + i);
  const inits = [...preserved, ...plan.init.keep, fds.report, fds.stat];
  if (plan.init.cgroup !== undefined) inits.push(plan.init.cgroup);
  if (stdio.kind === "pipes") inits.push(stdio.stdin, stdio.stdout.write, stdio.stderr.write);
  if (stdio.kind === "given") inits.push(stdio.stdin, stdio.stdout, stdio.stderr);
  if (stdio.kind === "terminal") inits.push(stdio.console.init);
  const closed = [...new Set(inits)].filter((fd) => fd > 2 && fd !== fds.nullFile);
  const on = (step: Step): Step => ({ ...step, onNegative: "next" });
  return [
    assign(TAIL, stepAddress("drain.start")),
    ...memory.watch("init", memory.pidfd),
    assign(memory.initEntry, memory.entries("init")[1]),
    memory.send(memory.clients[0], memory.hello, MSG_NOSIGNAL, "tell the client init's number"),
    ...closed.map((fd) => on({ call: "close", args: [fd], goal: "leave a descriptor to init" })),
    ...[0, 1, 2].map((fd) =>
      on({ call: "dup3", args: [fds.nullFile, fd, 0], goal: "let go of the client's streams" })
    ),
    on({ call: "chdir", args: ["/"], goal: "let go of the working directory" }),
    ...(stdio.kind === "terminal" ? consoleSteps(stdio.console.monitor, memory) : []),
    ...(fds.log < 0 ? [] : [
      on({
        call: "lseek",
        args: [memory.log, 0, SEEK_END],
        goal: "see how long the log is",
        result: memory.logSize,
      }),
    ]),
    // Init has its own copy, and is most of the program: it need not stay in this process.
    on({
      call: "munmap",
      args: [memory.initSteps, memory.initStepsLength],
      goal: "let go of init's steps",
    }),
    goTo("@poll"),
  ];
}

/**
 * Takes the terminal's master from init. A slave stays open here: else the master reports the
 * end whenever the container closes its last one, and a later one could not be waited for.
 */
function consoleSteps(socket: number, memory: MonitorMemory): Step[] {
  return [
    {
      call: "recvmsg",
      args: [socket, addressIn(memory.receiveConsole), MSG_CMSG_CLOEXEC],
      goal: "receive the terminal",
      onNegative: "@console.none",
      onZero: "@console.none",
    },
    {
      call: "ioctl",
      args: [memory.receivedConsole, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC],
      goal: "keep the terminal open",
      onNegative: "next",
    },
    ...memory.watch("stdout", memory.receivedConsole),
    assign(memory.sentConsole, memory.receivedConsole),
    memory.send(
      memory.clients[0],
      memory.sendConsole,
      MSG_NOSIGNAL,
      "give the client the terminal",
    ),
    {
      call: "close",
      args: [socket],
      goal: "close the terminal's socket",
      label: "console.none",
      onNegative: "next",
    },
  ];
}

function cleanupSteps(cleanup: Cleanup): Step[] {
  return [
    { ...goTo("next"), label: "cleanup" },
    ...restoreSignals(),
    {
      call: "execve",
      args: [cleanup.file, stringArray("argv", cleanup.argv), stringArray("envp", cleanup.env)],
      goal: "clean up",
      onNegative: "next",
    },
    { call: "exit_group", args: [0], goal: "end the monitor" },
  ];
}

/** Where the first failure of a part leads: its step's address and errno go to the client. */
function failureSteps(part: string, report: number): Step[] {
  return [
    {
      call: "write",
      args: [report, addressIn(STATE), 16],
      goal: "report the failure",
      label: `${part}.failed`,
      onNegative: "next",
    },
    { call: "exit_group", args: [127], goal: "end after a failure" },
  ];
}

/** The container's first process: says who it is, takes its streams, does what it was given. */
function initSteps(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  const { stdio, fds } = plan;
  const streams = stdio.kind === "given"
    ? [stdio.stdin, stdio.stdout, stdio.stderr]
    : stdio.kind === "pipes"
    ? [stdio.stdin, stdio.stdout.write, stdio.stderr.write]
    : [];
  const failed: Value = stepAddress("init.failed");
  return [
    { ...assign(TAIL, failed), label: "init.start" },
    // They were made inheritable for the monitor; the command gets none but the user's.
    {
      call: "close_range",
      args: [3 + plan.init.preserveFds, 0xffff_ffff, CLOSE_RANGE_CLOEXEC],
      goal: "keep descriptors from the command",
    },
    ...statSteps(fds.stat, memory),
    ...streams.flatMap((fd, target): Step[] =>
      fd === target
        ? [{ call: "fcntl", args: [fd, F_SETFD, 0], goal: "keep a standard stream" }]
        : [{ call: "dup3", args: [fd, target, 0], goal: "set up a standard stream" }]
    ),
    ...(stdio.kind === "terminal" ? [assign(plan.consoleSocket, stdio.console.init)] : []),
    assign(REPORT_PIPE, fds.report),
    ...prefixLabels(plan.init.steps, "init."),
    { call: "exit_group", args: [0], goal: "end" },
    ...failureSteps("init", fds.report),
  ];
}

/**
 * Init writes who it is before all else, so that a container whose client and monitor were
 * killed can still be found: its number and its start time as the machine's /proc has them.
 */
function statSteps(stat: number, memory: MonitorMemory): Step[] {
  return [
    {
      call: "openat",
      args: [AT_FDCWD, "/proc/self/stat", O_CLOEXEC],
      goal: "read the process's own number",
      result: memory.scratchFd,
    },
    {
      call: "read",
      args: [memory.scratchFd, memory.chunkAddress, CHUNK_BYTES],
      goal: "read the process's own number",
      result: memory.scratchLength,
    },
    {
      call: "write",
      args: [stat, memory.chunkAddress, memory.scratchLength],
      goal: "record the container's first process",
    },
  ];
}

/** Whether a step has a label, jumps to one, or has one as an argument. */
function names({ label, onNegative, onZero, onPositive, args }: Step): boolean {
  return (label ?? onNegative ?? onZero ?? onPositive) !== undefined ||
    args.some((arg) => arg !== null && typeof arg === "object" && arg.kind === "step");
}

/** The same steps with `prefix` before every label, so that two lists may use the same ones. */
function prefixLabels(steps: readonly Step[], prefix: string): Step[] {
  const target = <T extends string | undefined>(to: T): T =>
    (to?.startsWith("@") ? `@${prefix}${to.slice(1)}` : to) as T;
  return steps.map((step) =>
    !names(step) ? step : ({
      ...step,
      args: step.args.map((arg) =>
        arg !== null && typeof arg === "object" && arg.kind === "step"
          ? stepAddress(prefix + arg.label)
          : arg
      ),
      label: step.label === undefined ? undefined : prefix + step.label,
      onNegative: target(step.onNegative),
      onZero: target(step.onZero),
      onPositive: target(step.onPositive),
    })
  );
}
