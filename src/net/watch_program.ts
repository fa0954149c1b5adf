/**
 * The watch over our rules as a syscall program: it sleeps until the kernel tells that somebody
 * changed rules of nf_tables, and calls `diplodock` if that was not the engine itself. It ends with
 * the container it was started for. Pure.
 */
import { StructWriter } from "../../ffi/bytes.ts";
import { MSG_DONTWAIT, POLLIN, PR_SET_NAME, WALL } from "../../ffi/constants.ts";
import { launchSteps } from "../../ffi/launch_steps.ts";
import { encodeBatch } from "../../ffi/netlink_message.ts";
import {
  addressIn,
  assign,
  block,
  goTo,
  placeIn,
  type Program,
  slot,
  type Step,
} from "../../ffi/program.ts";
import { askGeneration, SEEN_AT } from "./rules_mark.ts";

/** What decides the program. Descriptors are numbers as in the process that starts it. */
export interface WatchPlan {
  /** A socket that hears of each change of rules. */
  readonly changes: number;
  /** A socket to ask the kernel by. */
  readonly questions: number;
  /** A pidfd: it is readable when the container is gone. */
  readonly life: number;
  /** The file that starts with what the kernel said when the rules were last seen whole. */
  readonly seen: number;
  readonly nullFile: number;
  /** Executed when somebody else was at the rules. */
  readonly repair: { file: string; argv: readonly string[]; env: readonly string[] };
}

const ANSWER_BYTES = 4096;
/** A reload is many changes: they are looked at together. */
const GATHER_MS = 300;
/** Who changes rules all the time is looked after no more often than this. */
const REST_MS = 2000;

/** struct pollfd, for each descriptor. */
function entries(name: string, fds: readonly number[]) {
  const bytes = new StructWriter(8 * fds.length);
  for (const fd of fds) bytes.u32(fd).u16(POLLIN).u16(0);
  return block(name, bytes.done());
}

const ANYWAY = { onNegative: "next", onZero: "next", onPositive: "next" } as const;

/** The program. */
export function watchProgram(plan: WatchPlan): Program {
  const { changes, life, nullFile } = plan;
  const both = entries("rules and container", [changes, life]);
  const container = entries("container", [life]);
  const heard = block("what was heard", new Uint8Array(ANSWER_BYTES));
  const left = block("time left", new Uint8Array(16)); // the kernel counts it down: ppoll(2)
  const rest = (why: string, ms: number): Step[] => [
    assign(placeIn(left, 0), Math.trunc(ms / 1000)),
    assign(placeIn(left, 8), ms % 1000 * 1e6),
    {
      call: "ppoll",
      args: [addressIn(container), 1, addressIn(left), 0, 8],
      goal: why,
      onNegative: "next",
      onPositive: "@over",
    },
  ];
  const quiet = "let go of the client's streams";
  return {
    tail: "over",
    steps: [
      { call: "prctl", args: [PR_SET_NAME, "diplodock-rules"], goal: "name the process" },
      ...[0, 1, 2].map((fd): Step => ({ call: "dup3", args: [nullFile, fd, 0], goal: quiet })),
      { call: "chdir", args: ["/"], goal: "let go of the working directory" },
      {
        call: "ppoll",
        args: [addressIn(both), 2, 0, 0, 8],
        goal: "wait for a change of rules",
        label: "wait",
        onNegative: "@wait",
      },
      ...rest("wait for what belongs together", GATHER_MS),
      {
        call: "recvfrom",
        args: [changes, addressIn(heard), ANSWER_BYTES, MSG_DONTWAIT, 0, 0],
        goal: "hear of all of them",
        label: "drain",
        onNegative: "next", // nothing more, or more than the socket could hold
        onZero: "@drain",
        onPositive: "@drain",
      },
      ...ownSteps(plan),
      ...repairSteps(plan),
      ...rest("leave time to others", REST_MS),
      goTo("@wait"),
      { call: "exit_group", args: [0], goal: "end with the container", label: "over" },
    ],
  };
}

/** Back to waiting if the rules are those that the engine saw last: it made the change itself. */
function ownSteps({ questions, seen }: WatchPlan): Step[] {
  const request = block("request for the generation", encodeBatch([askGeneration()], 1));
  const answer = block("generation", new Uint8Array(ANSWER_BYTES));
  const noted = slot("noted");
  return [
    {
      call: "sendto",
      args: [questions, addressIn(request), request.bytes.length, 0, 0, 0],
      goal: "ask for the generation of the rules",
      ...ANYWAY,
    },
    {
      call: "recvfrom",
      args: [questions, addressIn(answer), ANSWER_BYTES, MSG_DONTWAIT, 0, 0],
      goal: "ask for the generation of the rules",
      ...ANYWAY,
    },
    assign(noted, 0),
    {
      call: "pread64",
      args: [seen, addressIn(noted), 8, 0],
      goal: "see which one was noted",
      ...ANYWAY,
    },
    {
      call: "subtract",
      args: [placeIn(answer, SEEN_AT), noted],
      goal: "see whether it was the engine",
      onNegative: "next",
      onZero: "@wait",
    },
  ];
}

function repairSteps({ repair }: WatchPlan): Step[] {
  const goal = "have the rules looked at";
  return [
    ...launchSteps(repair, goal, { failed: "@wait", started: "@started" }),
    { call: "wait4", args: [-1, 0, WALL, 0], goal, label: "started", ...ANYWAY },
  ];
}
