/** What the monitor does with a chunk of output: a record in the log, a packet to each client. */
import {
  CLOCK_REALTIME,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_WRONLY,
  POLLOUT,
} from "../../ffi/constants.ts";
import { EAGAIN } from "../../ffi/errno.ts";
import {
  addressIn,
  assign,
  branch,
  goTo,
  type Place,
  placeIn,
  type Step,
} from "../../ffi/program.ts";
import { MAX_CLIENTS, type MonitorMemory, NONE } from "./monitor_memory.ts";
import type { MonitorPlan } from "./monitor_plan.ts";
import { FOOTER_BYTES, HEADER_BYTES, MARK, STDOUT } from "./monitor_protocol.ts";
import { lenient, SIGSET_BYTES } from "./monitor_step.ts";

/** Writes a chunk to the log, then to each client, and goes on looking. */
export function recordSteps(plan: MonitorPlan, memory: MonitorMemory): Step[] {
  return [
    lenient({
      call: "clock_gettime",
      args: [CLOCK_REALTIME, addressIn(memory.header)],
      goal: "see the time",
      label: "record",
    }),
    // Each assignment writes 8 bytes: in this order the fields of 4 end up side by side.
    assign(placeIn(memory.header, 12), memory.stream, "note the stream"),
    assign(placeIn(memory.header, 16), memory.chunkLength, "note the length"),
    ...(plan.fds.log < 0 ? [] : logSteps(memory)),
    ...(plan.fds.log < 0 ? [] : rotateSteps(plan, memory)),
    ...memory.clients.flatMap((client, index) => sendSteps(memory, client, index)),
    {
      call: "subtract",
      args: [memory.stream, MARK + STDOUT],
      goal: "go on looking",
      label: `send.${MAX_CLIENTS}`,
      onNegative: "@look.init",
      onZero: "@look.stderr",
      onPositive: "@look.init",
    },
  ];
}

/** Appends the record. One that fails is dropped; one that is torn is cut off again. */
function logSteps(memory: MonitorMemory): Step[] {
  const { log, logSize, recordLength, negative } = memory;
  const frame = HEADER_BYTES + FOOTER_BYTES;
  const count = (result: Place, args: Step["args"], goal: string): Step => ({
    call: "subtract",
    args,
    goal,
    result,
    onNegative: "next",
  });
  return [
    {
      call: "writev",
      args: [log, addressIn(memory.record), 3],
      goal: "write the log",
      result: recordLength,
      onNegative: "@send.0",
    },
    count(negative, [recordLength, frame], "count the text that was written"),
    {
      call: "subtract",
      args: [negative, memory.chunkLength],
      goal: "see whether the record is whole",
      onNegative: "@log.torn",
    },
    count(negative, [0, recordLength], "count the log"),
    count(logSize, [logSize, negative], "count the log"),
    goTo("@log.counted"),
    lenient({
      call: "ftruncate",
      args: [log, logSize],
      goal: "cut off a torn record",
      label: "log.torn",
    }),
    goTo("@send.0"),
    { ...goTo("next"), label: "log.counted" },
  ];
}

/** When the log is full: log.3 becomes log.4 and so on, and a new log is begun. */
function rotateSteps({ fds, logLimit }: MonitorPlan, memory: MonitorMemory): Step[] {
  if (logLimit === undefined || logLimit.maxBytes === Infinity) return [];
  const { maxBytes, maxFiles } = logLimit;
  const name = (index: number) => index === 0 ? "log" : `log.${index}`;
  const full: Step = {
    call: "subtract",
    args: [memory.logSize, maxBytes],
    goal: "see whether the log is full",
    onNegative: "@send.0",
  };
  if (maxFiles <= 1) {
    const empty = { call: "ftruncate", args: [memory.log, 0], goal: "empty the log" } as const;
    return [full, lenient(empty), assign(memory.logSize, 0)];
  }
  const renames = Array.from({ length: maxFiles - 1 }, (_, i) => maxFiles - 1 - i);
  return [
    full,
    lenient({ call: "close", args: [memory.log], goal: "close the log" }),
    ...renames.map((to) =>
      lenient({
        call: "renameat2",
        args: [fds.directory, name(to - 1), fds.directory, name(to), 0],
        goal: "rotate the log",
      })
    ),
    lenient({
      call: "openat",
      args: [fds.directory, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640],
      goal: "begin a new log",
      result: memory.log,
    }),
    assign(memory.logSize, 0),
  ];
}

/**
 * Sends the chunk to a client, as one packet or not at all. A client that does not read makes
 * the container wait, as a pipe would; but should init end meanwhile, that is recorded at once,
 * so that nobody else waits for this client.
 */
function sendSteps(memory: MonitorMemory, client: Place, index: number): Step[] {
  const next = `@send.${index + 1}` as const;
  const events = -(BigInt(POLLOUT) << 32n);
  const initWritable = placeIn(memory.writable, 8);
  return [
    {
      ...branch(client, "see whether there is a client", { onNegative: next }),
      label: `send.${index}`,
    },
    {
      ...memory.send(client, memory.chunkPacket, MSG_DONTWAIT | MSG_NOSIGNAL, "show the output"),
      result: memory.sent,
      onZero: next,
      onPositive: next,
    },
    {
      call: "subtract",
      args: [memory.sent, -EAGAIN],
      goal: "see whether the client is busy",
      onNegative: `@drop.${index}`,
      onPositive: `@drop.${index}`,
    },
    {
      call: "subtract",
      args: [client, events],
      goal: "wait for a client",
      result: placeIn(memory.writable, 0),
    },
    assign(initWritable, memory.initEntry, "wait for init too"),
    lenient({
      call: "ppoll",
      args: [addressIn(memory.writable), 2, 0, 0, SIGSET_BYTES],
      goal: "wait for a client that does not read",
    }),
    {
      call: "subtract",
      args: [initWritable, memory.initEntry],
      goal: "see whether init ended",
      onNegative: `@send.${index}`,
      onZero: `@send.${index}`,
    },
    assign(memory.resume, index),
    goTo("@reap"),
    lenient({ call: "close", args: [client], goal: "forget a client", label: `drop.${index}` }),
    assign(client, NONE),
  ];
}
