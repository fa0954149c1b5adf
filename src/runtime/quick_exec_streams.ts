/** The part of quick_exec.ts that chooses the process's streams. */
import { F_SETPIPE_SZ, O_CLOEXEC } from "../../ffi/constants.ts";
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
import type { Output } from "./quick_exec_copy.ts";

const NULL_DEVICE = 0x103;
const BLKGETSIZE64 = 0x80081272;
const F_GETPIPE_SZ = F_SETPIPE_SZ + 1;
/** Room for a whole chunk, as in exec_client.ts. */
const PIPE_BYTES = 128 * 1024;

/** A stream of the process: the descriptor that becomes it, and whether that is /dev/null. */
export interface QuickStream {
  readonly from: Place;
  readonly isNull: Place;
}

/** Input, output, errors; by default they are our own. */
export function quickStreams(): [QuickStream, QuickStream, QuickStream] {
  const stream = (fd: number) => ({ from: slot(`stream ${fd}`, fd), isNull: slot(`null ${fd}`) });
  return [stream(0), stream(1), stream(2)];
}

/** What may be the container's own, as `mayHandOver` of exec_client.ts says; else `other`. */
function handOverSteps(fd: number, { isNull }: QuickStream, other: Step[]): Step[] {
  const label = `quick.stream${fd}`;
  const goal = `look at stream ${fd}`;
  const stat = block("stat", new Uint8Array(144));
  const address = block("address", new Uint8Array(128));
  const length = slot("address length", 128), size = slot("size");
  const done = `@${label}.done` as const;
  return [
    { call: "fcntl", args: [fd, F_GETPIPE_SZ, 0], goal, onNegative: "next", onPositive: done },
    {
      call: "getsockname",
      args: [fd, addressIn(address), addressIn(length)],
      goal,
      onNegative: "next",
      onZero: done,
    },
    { call: "fstat", args: [fd, addressIn(stat)], goal },
    {
      call: "subtract",
      args: [placeIn(stat, 40), NULL_DEVICE], // st_rdev
      goal,
      onNegative: `@${label}.other`,
      onPositive: `@${label}.other`,
    },
    // A disk can have this number too.
    {
      call: "ioctl",
      args: [fd, BLKGETSIZE64, addressIn(size)],
      goal,
      onNegative: "next",
      onZero: "fail",
    },
    assign(isNull, 1),
    goTo(done),
    { ...goTo("next"), label: `${label}.other` },
    ...other,
    { ...goTo("next"), label: `${label}.done` },
  ];
}

/**
 * With -i the command reads what we are given, but not here if somebody has to read it for it, as a
 * terminal. Else `nothing`, a descriptor of /dev/null.
 */
export function inputSteps(stream: QuickStream, isInteractive: Place, nothing: number): Step[] {
  const goal = "choose the input";
  return [
    { call: "subtract", args: [isInteractive, 0], goal, onZero: "@quick.no input" },
    ...handOverSteps(0, stream, [goTo("fail")]),
    goTo("@quick.input"),
    { ...assign(stream.from, nothing), label: "quick.no input" },
    assign(stream.isNull, 1),
    { ...goTo("next"), label: "quick.input" },
  ];
}

/** A pipe is made in any case, so that descriptors have the same numbers. */
export function outputSteps({ fd, pipe, poll, awaited }: Output, stream: QuickStream): Step[] {
  return [
    ...pipeSteps(pipe.read, "make a pipe for the output"),
    ...handOverSteps(fd, stream, [
      {
        call: "fcntl",
        args: [pipe.write, F_SETPIPE_SZ, PIPE_BYTES],
        goal: "make room",
        onNegative: "next", // refused where the user has too many
      },
      assign(stream.from, pipe.write),
      assign(poll, awaited),
    ]),
  ];
}

/** Makes a pipe whose ends have to be the descriptors `read` and the next one. */
export function pipeSteps(read: number, goal: string): Step[] {
  const ends = block("pipe", new Uint8Array(8));
  const numbers = BigInt(read) | BigInt(read + 1) << 32n;
  return [
    { call: "pipe2", args: [addressIn(ends), O_CLOEXEC], goal },
    { call: "subtract", args: [placeIn(ends, 0), numbers], goal, onPositive: "fail" },
  ];
}

/** By the process itself: pipes and sockets become its user's, /dev/null does not. */
export function ownSteps(uid: number, streams: readonly QuickStream[]): Step[] {
  if (uid === 0) return [];
  const goal = "give the streams to the user";
  return streams.flatMap(({ isNull }, fd): Step[] => [
    { call: "subtract", args: [isNull, 0], goal, onPositive: `@quick.own${fd}` },
    { call: "fchown", args: [fd, uid, -1], goal, onNegative: "next" },
    { ...goTo("next"), label: `quick.own${fd}` },
  ]);
}
