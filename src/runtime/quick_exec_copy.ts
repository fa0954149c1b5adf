/** The part of quick_exec.ts that waits: output to our streams, signals to the process, its end. */
import { POLLIN, POLLOUT, WALL } from "../../ffi/constants.ts";
import { EAGAIN, EINTR, EIO, ENOSPC, EPIPE } from "../../ffi/errno.ts";
import {
  addressIn,
  assign,
  block,
  goTo,
  type Place,
  placeIn,
  slot,
  type Step,
} from "../../ffi/program.ts";

const CHUNK_BYTES = 64 * 1024;
const PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22;
const SIGINFO_BYTES = 128;

/**
 * struct pollfd read as one number: the descriptor, what is awaited, what has come. If nothing has
 * come it is as it was written, else it is larger; what is not awaited is smaller.
 */
const awaited = (fd: number) => BigInt(fd) | BigInt(POLLIN) << 32n;
const NOT_AWAITED = 0xffff_ffffn;

const POLL = block("poll", new Uint8Array(new BigUint64Array(4).fill(NOT_AWAITED).buffer));
const SIGNAL_POLL = placeIn(POLL, 0), PROCESS_POLL = placeIn(POLL, 8);

/** An output stream of ours, and the pipe to it if the process must not have it itself. */
export interface Output {
  readonly fd: number;
  readonly pipe: { readonly read: number; readonly write: number };
  /** To be set to `awaited` where the pipe is used. */
  readonly poll: Place;
  readonly awaited: bigint;
}

/** Output and errors; the pipes are the first descriptors from 7 on. */
export const OUTPUTS: readonly Output[] = [1, 2].map((fd, i) => ({
  fd,
  pipe: { read: 7 + 2 * i, write: 8 + 2 * i },
  poll: placeIn(POLL, 16 + 8 * i),
  awaited: awaited(7 + 2 * i),
}));

const SIGNAL = "@quick.signal", PROCESS = "@quick.process", WAIT = "@quick.wait";
const ENDED = "@quick.ended";
/** How many of process and pipes have not ended. */
const LEFT = slot("left", 1);
/** The negative error number for which a stream of ours takes no more. */
const REFUSAL = slot("refusal");
const REFUSALS = [
  ...Object.entries({ ENOSPC, EIO, EPIPE }).map(([name, errno]) => ({ errno, why: `: ${name}` })),
  { errno: undefined, why: "" },
];

/** What the waiting needs to know. */
export interface Waiting {
  /** A descriptor of signalfd(2). */
  readonly signals: number;
  readonly pid: Place;
  readonly pidfd: Place;
  /** Gets the process's wait status. */
  readonly status: Place;
}

/** Goes on when the process has ended and nobody can write to our pipes any more. Pure. */
export function copySteps({ signals, pid, pidfd, status }: Waiting): Step[] {
  const goal = "wait for the command";
  const buffer = slot("buffer"), processAwaited = slot("process awaited");
  const map = [0, CHUNK_BYTES, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0];
  return [
    { call: "mmap", args: map, goal, result: buffer },
    assign(SIGNAL_POLL, awaited(signals)),
    { call: "subtract", args: [pidfd, -awaited(0)], goal, result: processAwaited },
    assign(PROCESS_POLL, processAwaited),
    ...OUTPUTS.flatMap(({ fd, poll, awaited }): Step[] => [
      { call: "subtract", args: [poll, awaited], goal, onNegative: `@quick.count${fd}` },
      { call: "subtract", args: [LEFT, -1], goal, result: LEFT },
      { ...goTo("next"), label: `quick.count${fd}` },
    ]),
    {
      call: "ppoll",
      args: [addressIn(POLL), 4, null, null, 8],
      goal,
      label: WAIT.slice(1),
      allow: [EINTR],
    },
    come(SIGNAL_POLL, awaited(signals), SIGNAL),
    ...OUTPUTS.map(({ fd, poll, awaited }) => come(poll, awaited, `@quick.read${fd}`)),
    come(PROCESS_POLL, processAwaited, PROCESS),
    goTo(WAIT),
    ...signalSteps(signals, pidfd),
    ...OUTPUTS.flatMap((output) => chunkSteps(output, buffer)),
    {
      call: "wait4",
      args: [pid, addressIn(status), WALL, 0],
      goal,
      label: PROCESS.slice(1),
    },
    ...noLonger(PROCESS_POLL),
    { ...goTo("next"), label: ENDED.slice(1) },
  ];
}

/** If there is something of it. */
function come(poll: Place, awaited: Place | bigint, to: `@${string}`): Step {
  const goal = "see what has come";
  return { call: "subtract", args: [poll, awaited], goal, onNegative: "next", onPositive: to };
}

/** Waits for the others; after the last of them falls through, or goes to the end. */
function noLonger(poll: Place): Step[] {
  return [
    assign(poll, NOT_AWAITED),
    {
      call: "subtract",
      args: [LEFT, 1],
      goal: "count what is left",
      result: LEFT,
      onZero: ENDED,
      onPositive: WAIT,
    },
  ];
}

/** struct signalfd_siginfo begins with the signal's number and an error, which is 0. */
function signalSteps(signals: number, pidfd: Place): Step[] {
  const goal = "pass a signal on";
  const info = block("signal", new Uint8Array(SIGINFO_BYTES));
  return [
    {
      call: "read",
      args: [signals, addressIn(info), SIGINFO_BYTES],
      goal,
      label: SIGNAL.slice(1),
    },
    {
      call: "pidfd_send_signal",
      args: [pidfd, placeIn(info, 0), null, 0],
      goal,
      onNegative: WAIT,
      onZero: WAIT,
    },
  ];
}

/** One chunk; where our stream takes no more, the process is told by the end of its pipe. */
function chunkSteps({ fd, pipe, poll }: Output, buffer: Place): Step[] {
  const goal = `copy output ${fd}`;
  const count = slot("count"), at = slot("at"), written = slot("written"), less = slot("less");
  const label = (name: string) => `quick.${name}${fd}`;
  const target = (name: string): `@${string}` => `@${label(name)}`;
  const room = block(
    "room",
    new Uint8Array(
      new BigUint64Array([
        BigInt(fd) | BigInt(POLLOUT) << 32n,
      ]).buffer,
    ),
  );
  return [
    {
      call: "read",
      args: [pipe.read, buffer, CHUNK_BYTES],
      goal,
      label: label("read"),
      result: count,
      onNegative: target("end"),
      onZero: target("end"),
    },
    assign(at, buffer),
    {
      call: "write",
      args: [fd, at, count],
      goal,
      label: label("write"),
      result: written,
      onNegative: target("refused"),
    },
    { call: "subtract", args: [0, written], goal, result: less, onNegative: "next" },
    { call: "subtract", args: [at, less], goal, result: at },
    {
      call: "subtract",
      args: [count, written],
      goal,
      result: count,
      onZero: WAIT,
      onPositive: target("write"),
    },
    {
      call: "subtract",
      args: [written, -EINTR],
      goal,
      label: label("refused"),
      onNegative: "next",
      onZero: target("write"),
    },
    {
      call: "subtract",
      args: [written, -EAGAIN],
      goal,
      onNegative: target("lost"),
      onPositive: target("lost"),
    },
    {
      call: "ppoll",
      args: [addressIn(room), 1, null, null, 8],
      goal,
      onNegative: target("write"),
      onPositive: target("write"),
    },
    { ...assign(REFUSAL, written), label: label("lost") },
    { call: "close", args: [pipe.read], goal, label: label("end"), onNegative: "next" },
    ...noLonger(poll),
  ];
}

/** If a stream of ours took no more, that is said, and how it ends. */
export function refusalSteps(): Step[] {
  const goal = "tell of lost output";
  return [
    { call: "subtract", args: [REFUSAL, 0], goal, onNegative: "next", onZero: "@quick.kept" },
    ...REFUSALS.flatMap(({ errno, why }, i): Step[] => {
      const text = `Cannot write the output: write${why}\n`, other = `quick.refusal${i}`;
      return [
        {
          call: "subtract",
          args: [errno === undefined ? 0 : REFUSAL, -(errno ?? 0)],
          goal,
          onNegative: `@${other}`,
          onPositive: `@${other}`,
        },
        { call: "write", args: [2, text, text.length], goal, onNegative: "next" },
        { call: "exit_group", args: [1], goal },
        { ...goTo("next"), label: other },
      ];
    }),
    { ...goTo("next"), label: "quick.kept" },
  ];
}
