/** The monitor from its first poll to its end. From here on no failure ends it. */
import {
  CLOCK_REALTIME,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  O_CREAT,
  O_TRUNC,
  O_WRONLY,
  SIGKILL,
  WALL,
} from "../../ffi/constants.ts";
import {
  addressIn,
  assign,
  branch,
  goTo,
  type Place,
  placeIn,
  type Step,
} from "../../ffi/program.ts";
import { MAX_CLIENTS, type MonitorMemory, NONE, WATCHED, type Watched } from "./monitor_memory.ts";
import { CHUNK_BYTES, EXIT_BYTES, LOST_STATUS, MARK, STDERR, STDOUT } from "./monitor_protocol.ts";
import type { MonitorPlan } from "./monitor_plan.ts";
import { lenient, SIGSET_BYTES } from "./monitor_step.ts";

/** The main loop: waits for anything, then looks at each descriptor in turn. */
export function pollSteps(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  return [
    {
      call: "subtract",
      args: [memory.rounds, memory.roundCost],
      goal: "count the rounds since init ended",
      label: "poll",
      result: memory.rounds,
      onNegative: "@finish",
      onZero: "@finish",
    },
    {
      call: "ppoll",
      args: [addressIn(memory.poll), WATCHED.length, memory.pollTimeout, 0, SIGSET_BYTES],
      goal: "wait for the container",
      onNegative: "@poll",
      onZero: "@finish",
    },
    ...look(memory, "control", joinSteps(plan, memory)),
    ...look(memory, "stdout", streamSteps(plan, memory, "stdout")),
    ...look(memory, "stderr", streamSteps(plan, memory, "stderr")),
    ...look(memory, "init", initEndedSteps(memory)),
    ...look(memory, "timer", timeUpSteps(memory)),
    goTo("@poll"),
  ];
}

/** The label where the look at `what` starts; the one behind the last starts the next round. */
function lookLabel(index: number): string {
  return index < WATCHED.length ? `look.${WATCHED[index]}` : "poll";
}

function look(memory: MonitorMemory, what: Watched, steps: readonly Step[]): Step[] {
  const next = `@${lookLabel(WATCHED.indexOf(what) + 1)}` as const;
  const [now, idle] = memory.entries(what);
  return [
    {
      call: "subtract",
      args: [now, idle],
      goal: `look at ${what}`,
      label: `look.${what}`,
      onNegative: next,
      onZero: next,
    },
    ...steps,
    goTo(next),
  ];
}

/** Reads a chunk. At the end of the stream its entry is taken out of the poll. */
function streamSteps(
  { stdio }: MonitorPlan,
  memory: MonitorMemory,
  name: "stdout" | "stderr",
): Step[] {
  if (stdio.kind === "given" || (stdio.kind === "terminal" && name === "stderr")) return [];
  const fd = stdio.kind === "terminal" ? memory.receivedConsole : stdio[name].read;
  const end = `@${name}.end` as const;
  return [
    {
      call: "read",
      args: [fd, memory.chunkAddress, CHUNK_BYTES],
      goal: `read the container's ${name}`,
      result: memory.chunkLength,
      onNegative: end,
      onZero: end,
    },
    assign(memory.stream, MARK + (name === "stdout" ? STDOUT : STDERR)),
    goTo("@record"),
    lenient({
      call: "close",
      args: [fd],
      goal: `close the container's ${name}`,
      label: `${name}.end`,
    }),
    ...memory.unwatch(name),
  ];
}

/**
 * Init is dead, and with it (its PID namespace) everybody who could write. What is left in the
 * pipes is read without waiting; in 256 rounds, for with the machine's PID namespace there may
 * be a child that goes on writing.
 */
function initEndedSteps(memory: MonitorMemory): Step[] {
  return [
    { ...assign(memory.pollTimeout, addressIn(memory.noTime)), label: "drain.start" },
    assign(memory.roundCost, 1),
    ...memory.unwatch("init"),
  ];
}

/** The run time is over: the stop signal first, SIGKILL each further time. */
function timeUpSteps(memory: MonitorMemory): Step[] {
  return [
    lenient({
      call: "read",
      args: [memory.timer, addressIn(memory.timerCount), 8],
      goal: "reset the timer",
    }),
    lenient({
      call: "pidfd_send_signal",
      args: [memory.pidfd, memory.stopSignal, 0, 0],
      goal: "stop the container",
    }),
    assign(memory.stopSignal, SIGKILL),
    // wait4 writes the status over the lower half.
    assign(placeIn(memory.exit, 0), 1n << 32n | BigInt(LOST_STATUS), "note that the time was up"),
  ];
}

/**
 * Takes a client's socket from the control socket and gives it the first free place; then the next
 * one, before any output is looked at.
 */
function joinSteps(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  const others = memory.clients.slice(1);
  return [
    assign(placeIn(memory.receiveClient, 40), 24, "make room for a descriptor"),
    assign(memory.receivedClient, 0),
    {
      call: "recvmsg",
      args: [plan.fds.control, addressIn(memory.receiveClient), MSG_CMSG_CLOEXEC | MSG_DONTWAIT],
      goal: "receive a client",
      onNegative: "@look.stdout",
    },
    branch(memory.receivedClient, "see whether there was one", { onZero: "@look.stdout" }),
    ...others.flatMap((client, index) => placeSteps(plan, memory, client, index + 1)),
    lenient({
      call: "close",
      args: [memory.receivedClient],
      goal: "refuse a client",
      label: `join.${MAX_CLIENTS}`,
    }),
    goTo("@poll"),
  ];
}

/** Place `index` is free if it never had a client or its client has gone: then it is taken. */
function placeSteps(
  plan: MonitorPlan,
  memory: MonitorMemory,
  client: Place,
  index: number,
): Step[] {
  const silently = MSG_NOSIGNAL | MSG_DONTWAIT;
  return [
    {
      ...branch(client, "see whether the place is free", { onNegative: `@joined.${index}` }),
      label: `join.${index}`,
    },
    {
      call: "recvfrom",
      args: [client, addressIn(memory.acknowledged), 8, MSG_DONTWAIT, 0, 0],
      goal: "see whether a client is still there",
      onNegative: `@join.${index + 1}`,
    },
    lenient({ call: "close", args: [client], goal: "forget a client" }),
    { ...assign(client, memory.receivedClient), label: `joined.${index}` },
    {
      ...memory.send(client, memory.hello, silently, "greet a client"),
      onNegative: `@ungreeted.${index}`,
    },
    ...(plan.stdio.kind === "terminal"
      ? [memory.send(client, memory.sendConsole, silently, "give a client the terminal")]
      : []),
    goTo("@poll"),
    // It waits for the greeting: better it hears that there is no place.
    lenient({
      call: "close",
      args: [client],
      goal: "forget a client",
      label: `ungreeted.${index}`,
    }),
    assign(client, NONE),
    goTo("@poll"),
  ];
}

/** Records how init ended: a temporary file first, so that the record is whole or absent. */
export function reapSteps(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  const { directory } = plan.fds;
  const { exit, scratchFd } = memory;
  const flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  return [
    { ...assign(memory.resume, MAX_CLIENTS), label: "finish" },
    { ...goTo("next"), label: "reap" },
    {
      call: "subtract",
      args: [memory.reaped, 1],
      goal: "see whether init was reaped",
      onNegative: "next",
      onZero: "@ended",
    },
    lenient({ call: "wait4", args: [memory.pid, addressIn(exit), WALL, 0], goal: "reap init" }),
    lenient({
      call: "clock_gettime",
      args: [CLOCK_REALTIME, addressIn(exit, 8)],
      goal: "see the time",
    }),
    lenient({
      call: "openat",
      args: [directory, "exit.tmp", flags, 0o600],
      goal: "make the exit record",
      result: scratchFd,
    }),
    lenient({
      call: "write",
      args: [scratchFd, addressIn(exit), EXIT_BYTES],
      goal: "write the exit record",
      onNegative: "@reaped",
    }),
    lenient({ call: "close", args: [scratchFd], goal: "close the exit record" }),
    lenient({
      call: "renameat2",
      args: [directory, "exit.tmp", directory, "exit", 0],
      goal: "publish the exit record",
    }),
    { ...assign(memory.reaped, 1), label: "reaped" },
    assign(memory.initEntry, memory.noEntry),
    ...memory.clients.map((_, index): Step => ({
      call: "subtract",
      args: [memory.resume, index],
      goal: "go on where init's end was seen",
      onNegative: "next",
      onZero: `@send.${index}`,
    })),
    goTo("@ended"),
  ];
}

/**
 * Tells everybody. The client that started the container then says that it cleans up; if it does
 * not, because it went away, cleaning up is left to us.
 */
export function endSteps(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  const [first, ...others] = memory.clients;
  const gone = { onNegative: "@cleanup", onZero: "@cleanup" } as const;
  return [
    { ...goTo("next"), label: "ended" },
    // Before anybody hears of it: the next container may want the same ports at once.
    ...plan.held.map((fd) => lenient({ call: "close", args: [fd], goal: "let go of a port" })),
    ...others.flatMap((client) => [
      memory.send(client, memory.goodbye, MSG_DONTWAIT | MSG_NOSIGNAL, "tell a client the end"),
      lenient({ call: "close", args: [client], goal: "let a client go" }),
    ]),
    {
      ...memory.send(first, memory.goodbye, MSG_NOSIGNAL, "tell the first client the end"),
      ...gone,
    },
    {
      call: "read",
      args: [first, addressIn(memory.acknowledged), 8],
      goal: "hear that the first client cleans up",
      ...gone,
    },
    { call: "exit_group", args: [0], goal: "end the monitor" },
  ];
}
