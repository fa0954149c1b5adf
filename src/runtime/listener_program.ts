/**
 * A program that stays and answers nothing itself: for each connection to a socket it starts a
 * process whose stdin and stdout the connection is. What dockerd holds ready all the time are here
 * a few pages. Pure.
 */
import {
  AT_FDCWD,
  CLOCK_MONOTONIC,
  O_CLOEXEC,
  O_NONBLOCK,
  POLLIN,
  PR_SET_NAME,
  SIG_SETMASK,
  SIGCHLD,
  SIGINT,
  SIGTERM,
  SOCK_CLOEXEC,
} from "../../ffi/constants.ts";
import { StructWriter } from "../../ffi/bytes.ts";
import { launchSteps } from "../../ffi/launch_steps.ts";
import {
  addressIn,
  block,
  goTo,
  type Place,
  placeIn,
  type Program,
  slot,
  type Step,
} from "../../ffi/program.ts";
import { restoreSignals } from "../../ffi/spawn.ts";
import type { Command } from "../base/self.ts";
import { SIGSET_BYTES } from "./monitor_step.ts";

/** What decides the program. */
export interface ListenerPlan {
  /** The listening socket, as the number it has in the process. */
  readonly listener: number;
  /** Executed for each connection. */
  readonly command: Command;
  /** Removed at the end; absolute. undefined: the socket is somebody else's. */
  readonly path: string | undefined;
}

/** Signals that end the program in good order. */
const ENDING = [SIGTERM, SIGINT];
/** struct signalfd_siginfo. */
const SIGNAL_BYTES = 128;
const REST_NANOS = 100_000_000;
const ANYWAY = { onNegative: "next", onZero: "next", onPositive: "next" } as const;

/** A kernel sigset. */
function signalSet(signals: readonly number[]) {
  const bits = signals.reduce((set, signal) => set | 1n << BigInt(signal - 1), 0n);
  return block("signals that end", new StructWriter(8).u64(bits).done());
}

/** SIG_IGN for SIGCHLD: connections' processes need no reaping. */
const IGNORE = block("ignore", new StructWriter(32).u64(1).pad(24).done());

/** The program. Ends by SIGTERM and SIGINT; connections that are open then go on. */
export function listenerProgram({ listener, command, path }: ListenerPlan): Program {
  const ending = signalSet(ENDING);
  const signals = slot("signals", -1);
  const client = slot("client", -1);
  return {
    tail: "failed",
    steps: [
      { call: "prctl", args: [PR_SET_NAME, "diplodock-api"], goal: "name the process" },
      { call: "chdir", args: ["/"], goal: "let go of the working directory" },
      ...restoreSignals(),
      { call: "rt_sigaction", args: [SIGCHLD, addressIn(IGNORE), 0, 8], goal: "ignore children" },
      {
        call: "rt_sigprocmask",
        args: [SIG_SETMASK, addressIn(ending), 0, SIGSET_BYTES],
        goal: "hold signals back",
      },
      {
        call: "signalfd4",
        args: [-1, addressIn(ending), SIGSET_BYTES, O_CLOEXEC | O_NONBLOCK],
        goal: "hear of signals",
        result: signals,
      },
      ...waitSteps(listener, signals),
      {
        call: "accept4",
        args: [listener, 0, 0, SOCK_CLOEXEC],
        goal: "take a connection",
        result: client,
        onNegative: "@rest",
      },
      ...serveSteps(command, client),
      goTo("@wait"),
      ...restSteps(),
      { ...goTo("next"), label: "over" },
      ...(path === undefined ? [] : [removal(path)]),
      { call: "exit_group", args: [0], goal: "end" },
      { call: "exit_group", args: [125], goal: "end after a failure", label: "failed" },
    ],
  };
}

/** Goes on below when there may be a connection; to the end when there was a signal. */
function waitSteps(listener: number, signals: Place): Step[] {
  const polled = block(
    "socket and signals",
    new StructWriter(16).u32(listener).u16(POLLIN)
      .u16(0).u64(0).done(),
  );
  const heard = block("signal", new Uint8Array(SIGNAL_BYTES));
  return [
    {
      // A pollfd is a descriptor and, in the upper half of the word, what is asked of it.
      call: "subtract",
      args: [signals, -(BigInt(POLLIN) << 32n)],
      goal: "listen for signals",
      result: placeIn(polled, 8),
    },
    {
      call: "ppoll",
      args: [addressIn(polled), 2, 0, 0, SIGSET_BYTES],
      goal: "wait for a connection",
      label: "wait",
      onNegative: "@wait",
    },
    {
      call: "read",
      args: [signals, addressIn(heard), SIGNAL_BYTES],
      goal: "see whether there was a signal",
      onNegative: "next",
      onPositive: "@over",
    },
  ];
}

/** Starts a process for the client. */
function serveSteps(command: Command, client: Place): Step[] {
  const goal = "start a process for a connection";
  return [
    ...launchSteps(command, goal, { failed: "@leave", started: "@leave" }, [
      { call: "dup3", args: [client, 0, 0], goal },
      { call: "dup3", args: [client, 1, 0], goal },
    ]),
    { call: "close", args: [client], goal: "leave it the connection", label: "leave", ...ANYWAY },
  ];
}

/** Where there is no descriptor left for a connection, there may be one soon. */
function restSteps(): Step[] {
  const rest = block("a moment", new StructWriter(16).u64(0).u64(REST_NANOS).done());
  return [
    {
      call: "clock_nanosleep",
      args: [CLOCK_MONOTONIC, 0, addressIn(rest), 0],
      goal: "leave time to others",
      label: "rest",
      ...ANYWAY,
    },
    goTo("@wait"),
  ];
}

function removal(path: string): Step {
  return { call: "unlinkat", args: [AT_FDCWD, path, 0], goal: "remove the socket", ...ANYWAY };
}
