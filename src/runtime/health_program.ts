/**
 * The health checks of a container as a syscall program: it sleeps, runs the check inside the
 * container, keeps its result, and calls `diplodock` only when the health changes. No JavaScript
 * stays resident for it. The rules are docker's (moby, daemon/health.go).
 */
import {
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLONE_INTO_CGROUP,
  CLONE_PARENT,
  CLONE_VFORK,
  CLONE_VM,
  O_CLOEXEC,
  O_NONBLOCK,
  PR_SET_NAME,
  SIGCHLD,
  SIGKILL,
  WALL,
  WNOHANG,
} from "../../ffi/constants.ts";
import { launchSteps } from "../../ffi/launch_steps.ts";
import {
  addressIn,
  assign,
  branch,
  goTo,
  type Place,
  placeIn,
  type Program,
  type Step,
  stepAddress,
  TAIL,
} from "../../ffi/program.ts";
import { cloneArgs } from "../../ffi/spawn.ts";
import { insideSteps, joinContainer } from "./exec.ts";
import { HealthMemory } from "./health_memory.ts";
import type { HealthPlan } from "./health_plan.ts";
import { OUTPUT_BYTES, RECORD_COUNT, RECORD_SIZE, STATUS } from "./health_records.ts";
import { lenient } from "./monitor_step.ts";
import type { Command } from "../base/self.ts";

/** The program. Pure. */
export function healthProgram(plan: HealthPlan): Program {
  const memory = new HealthMemory(plan);
  return {
    tail: "over",
    steps: [
      ...beginSteps(plan, memory),
      ...waitSteps(plan, memory),
      ...startCheckSteps(plan, memory),
      ...readSteps(memory),
      ...resultSteps(plan, memory),
      ...recordSteps(plan, memory),
      ...changeSteps(plan, memory),
      { call: "exit_group", args: [0], goal: "end with the container", label: "over" },
      ...betweenSteps(plan, memory),
    ],
  };
}

function beginSteps(plan: HealthPlan, memory: HealthMemory): Step[] {
  const goal = "let go of the client's streams";
  return [
    { call: "prctl", args: [PR_SET_NAME, "diplodock-check"], goal: "name the process" },
    ...[0, 1, 2].map((fd): Step => ({ call: "dup3", args: [plan.nullFile, fd, 0], goal })),
    { call: "chdir", args: ["/"], goal: "let go of the working directory" },
    ...(plan.times.startPeriodNs > 0
      ? [
        {
          call: "timerfd_create",
          args: [CLOCK_MONOTONIC, O_CLOEXEC | O_NONBLOCK],
          goal: "measure the start period",
          result: memory.timer,
        },
        {
          call: "timerfd_settime",
          args: [memory.timer, 0, addressIn(memory.startPeriod), 0],
          goal: "measure the start period",
        },
      ] satisfies Step[]
      : []),
  ];
}

/** Sleeps until the next check is due; ends with the container. Nothing is checked while paused. */
function waitSteps({ freezer }: HealthPlan, memory: HealthMemory): Step[] {
  const choose = (seconds: Place, nanoseconds: Place, label?: string): Step[] => [
    { ...assign(placeIn(memory.sleep, 0), seconds), label },
    assign(placeIn(memory.sleep, 8), nanoseconds),
  ];
  const normal = memory.interval, starting = memory.startInterval;
  return [
    lenient({
      call: "wait4",
      args: [-1, 0, WNOHANG | WALL, 0],
      goal: "reap who told of a change",
      label: "wait",
    }),
    ...memory.endStartPeriod(),
    branch(memory.inStart, "choose the interval", { onZero: "@wait.normal" }),
    ...choose(placeIn(starting, 0), placeIn(starting, 8)),
    goTo("@wait.sleep"),
    ...choose(placeIn(normal, 0), placeIn(normal, 8), "wait.normal"),
    {
      call: "ppoll",
      args: [addressIn(memory.initOnly), 1, addressIn(memory.sleep), 0, 8],
      goal: "wait for the next check",
      label: "wait.sleep",
      onNegative: "@wait",
      onPositive: "@over",
    },
    ...(freezer === undefined ? [] : [
      assign(memory.frozen, 0),
      lenient({
        call: "pread64",
        args: [freezer.fd, addressIn(memory.frozen), freezer.thawed.length, 0],
        goal: "see whether the container is paused",
      }),
      {
        call: "subtract",
        args: [memory.frozen, memory.thawed],
        goal: "see whether the container is paused",
        onNegative: "@wait",
        onPositive: "@wait",
      } satisfies Step,
    ]),
  ];
}

/** Starts the check with a pipe for its output. */
function startCheckSteps(plan: HealthPlan, memory: HealthMemory): Step[] {
  const flags = BigInt(CLONE_VM | CLONE_VFORK) |
    (plan.cgroup === undefined ? 0n : CLONE_INTO_CGROUP);
  const clone = cloneArgs({ flags, exitSignal: SIGCHLD, cgroupFd: plan.cgroup });
  const { record } = memory;
  return [
    ...memory.endStartPeriod(),
    ...memory.clearRecord(),
    lenient({
      call: "clock_gettime",
      args: [CLOCK_REALTIME, addressIn(record, 8)],
      goal: "see the time",
    }),
    {
      call: "pipe2",
      args: [addressIn(memory.pipe), O_CLOEXEC],
      goal: "make a pipe for the check's output",
      onNegative: "@wait",
    },
    // Two numbers of 4 bytes: the second one is taken away, then the first one stands alone.
    assign(memory.writeEnd, placeIn(memory.pipe, 4)),
    assign(placeIn(memory.pipe, 4), 0),
    assign(memory.pid, 0),
    assign(TAIL, stepAddress("between.failed")),
    lenient({
      call: "clone3",
      args: [addressIn(clone), clone.bytes.length],
      goal: "start a process that joins the container",
      result: memory.between,
      onZero: "@between",
    }),
    assign(TAIL, stepAddress("over")),
    lenient({ call: "close", args: [memory.writeEnd], goal: "leave the pipe to the check" }),
    lenient({ call: "wait4", args: [memory.between, 0, WALL, 0], goal: "reap the process" }),
    branch(memory.pid, "see whether the check runs", {
      onNegative: "@check.none",
      onZero: "@check.none",
    }),
    lenient({
      call: "pidfd_open",
      args: [memory.pid, 0],
      goal: "watch the check",
      result: memory.pidfd,
    }),
    ...memory.watchCheck(),
    goTo("@read"),
    lenient({
      call: "close",
      args: [memory.readEnd],
      goal: "close the pipe",
      label: "check.none",
    }),
    // The container is just ending, or the check cannot be started: which one, the next poll says.
    assign(placeIn(record, 40), 126 << 8),
    goTo("@failed"),
  ];
}

/** Takes the output until the check and its pipe have ended or the time is up. */
function readSteps(memory: HealthMemory): Step[] {
  const { pollOutput, pollCheck, pollInit } = memory;
  const goal = "read the check's output";
  return [
    {
      call: "ppoll",
      args: [addressIn(memory.polled), 3, addressIn(memory.left), 0, 8],
      goal: "wait for the check",
      label: "read",
      onNegative: "@read",
      onZero: "@read.nothing",
    },
    memory.happened(pollInit, "@read.output", "@over"),
    memory.happened(pollOutput, "@read.end", "next", "read.output"),
    {
      call: "read",
      args: [memory.readEnd, memory.outputAt, memory.room],
      goal,
      result: memory.count,
      onNegative: "@read.closed",
      onZero: "@read.full",
    },
    {
      call: "subtract",
      args: [0, memory.count],
      goal,
      result: memory.negative,
      onNegative: "next",
    },
    { call: "subtract", args: [memory.outputAt, memory.negative], goal, result: memory.outputAt },
    { call: "subtract", args: [memory.room, memory.count], goal, result: memory.room },
    goTo("@read.end"),
    // Without room a read of 0 bytes says nothing: the rest is read and thrown away.
    { ...branch(memory.room, goal, { onPositive: "@read.closed" }), label: "read.full" },
    {
      call: "read",
      args: [memory.readEnd, addressIn(memory.waste), memory.waste.bytes.length],
      goal,
      onNegative: "@read.closed",
      onZero: "@read.closed",
      onPositive: "@read.end",
    },
    ...memory.unwatch(pollOutput, "read.closed"),
    memory.happened(pollCheck, "@read", "next", "read.end"),
    ...memory.unwatch(pollCheck),
    ...memory.noTimeLeft(),
    assign(memory.ended, 1),
    goTo("@read"),
    {
      call: "subtract",
      args: [memory.ended, 1],
      goal: "see whether the check ended",
      label: "read.nothing",
      onNegative: "next",
      onZero: "@ended",
    },
    lenient({
      call: "pidfd_send_signal",
      args: [memory.pidfd, SIGKILL, 0, 0],
      goal: "end a check whose time is up",
    }),
    assign(placeIn(memory.record, 48), 1, "note that the time was up"),
  ];
}

/** What the result means: docker's rules. */
function resultSteps({ times }: HealthPlan, memory: HealthMemory): Step[] {
  const { record } = memory;
  return [
    lenient({
      call: "wait4",
      args: [memory.pid, addressIn(record, 40), WALL, 0],
      goal: "reap the check",
      label: "ended",
    }),
    ...[memory.pidfd, memory.readEnd].map((fd) =>
      lenient({ call: "close", args: [fd], goal: "let go of the check" })
    ),
    branch(placeIn(record, 48), "see whether the time was up", { onPositive: "@failed" }),
    branch(placeIn(record, 40), "see whether it succeeded", { onPositive: "@failed" }),
    assign(memory.streak, 0),
    assign(memory.newStatus, STATUS.healthy),
    goTo("@record"),
    {
      ...branch(memory.inStart, "see whether failures count", { onPositive: "@record" }),
      label: "failed",
    },
    { call: "subtract", args: [memory.streak, -1], goal: "count", result: memory.streak },
    {
      call: "subtract",
      args: [memory.streak, times.retries],
      goal: "see whether it failed too often",
      onNegative: "@record",
    },
    assign(memory.newStatus, STATUS.unhealthy),
  ];
}

/** Keeps the result: of the last five, the oldest one is overwritten. */
function recordSteps(plan: HealthPlan, memory: HealthMemory): Step[] {
  const { record, sequence, offset } = memory;
  return [
    lenient({
      call: "clock_gettime",
      args: [CLOCK_REALTIME, addressIn(record, 24)],
      goal: "see the time",
      label: "record",
    }),
    { call: "subtract", args: [sequence, -1], goal: "count", result: sequence },
    assign(placeIn(record, 0), sequence),
    assign(placeIn(record, 56), memory.streak),
    assign(placeIn(record, 64), memory.newStatus),
    {
      call: "subtract",
      args: [OUTPUT_BYTES, memory.room],
      goal: "count the output",
      result: placeIn(record, 72),
    },
    lenient({
      call: "pwrite64",
      args: [plan.file, addressIn(record), RECORD_SIZE, offset],
      goal: "keep the result",
    }),
    { call: "subtract", args: [offset, -RECORD_SIZE], goal: "go on", result: offset },
    {
      call: "subtract",
      args: [offset, RECORD_SIZE * RECORD_COUNT],
      goal: "go on",
      onNegative: "@changed",
    },
    assign(offset, 0),
  ];
}

/** Calls `diplodock` when the health is another one than before. */
function changeSteps(plan: HealthPlan, memory: HealthMemory): Step[] {
  return [
    {
      call: "subtract",
      args: [memory.newStatus, memory.status],
      goal: "see whether the health changed",
      label: "changed",
      onNegative: "next",
      onZero: "@wait",
    },
    assign(memory.status, memory.newStatus),
    assign(memory.inStart, 0),
    {
      call: "subtract",
      args: [memory.status, STATUS.healthy],
      goal: "see which it is",
      onPositive: "@unhealthy",
    },
    ...tellSteps("healthy", plan.onHealthy),
    ...tellSteps("unhealthy", plan.onUnhealthy),
  ];
}

/**
 * Calls `diplodock`, without our descriptors: with the file it would keep its lock, and wait for
 * itself when it restarts the container.
 */
function tellSteps(label: string, command: Command): Step[] {
  const goal = "tell of the new health";
  const session: Step = { call: "setsid", args: [], goal, onNegative: "next" };
  const [clone, ...rest] = launchSteps(command, goal, { failed: "@wait", started: "@wait" }, [
    session,
  ]);
  return [{ ...clone, label }, ...rest];
}

/** The process that joins the container, and the check, born inside as our child. */
function betweenSteps({ exec }: HealthPlan, memory: HealthMemory): Step[] {
  const clone = cloneArgs({ flags: BigInt(CLONE_PARENT) });
  const text = "OCI runtime exec failed: exec failed: unable to start container process\n";
  const plan = { ...exec, deathSignal: SIGKILL };
  return [
    { ...goTo("next"), label: "between" },
    ...joinContainer(plan),
    {
      call: "clone3",
      args: [addressIn(clone), clone.bytes.length],
      goal: "start the check",
      result: memory.pid,
      onZero: "@inside",
    },
    { call: "exit_group", args: [0], goal: "end", label: "between.failed" },
    { ...goTo("next"), label: "inside" },
    ...[1, 2].map((fd): Step => ({
      call: "dup3",
      args: [memory.writeEnd, fd, 0],
      goal: "set up the streams",
    })),
    ...insideSteps({ ...plan, streams: [0, 1, 2] }, { report: null, label: "inside.failed" }),
    {
      call: "write",
      args: [2, text, text.length],
      goal: "say that the check cannot be started",
      label: "inside.failed",
      onNegative: "next",
    },
    { call: "exit_group", args: [126], goal: "end after a failure" },
  ];
}
