/**
 * All of an `exec` without options as a program, left beside a running container for the head of our
 * executable (build/stub_x86_64.s): the next one then takes a few milliseconds, and no Deno. The head
 * writes the words of the command into the program's memory and passes signals on. Whatever the
 * program does not expect ends it before the command was started, and the usual way is taken
 * (src/engine/exec_client.ts). x86-64 only, as the head is.
 */
import {
  AT_FDCWD,
  CLONE_INTO_CGROUP,
  F_GETFD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_RDWR,
  O_WRONLY,
  PR_SET_NAME,
  PR_SET_PDEATHSIG,
  SIGKILL,
  WALL,
} from "../../ffi/constants.ts";
import { EINVAL } from "../../ffi/errno.ts";
import {
  addressIn,
  assign,
  block,
  goTo,
  type Place,
  placeIn,
  type Program,
  slot,
  type Step,
  stepAddress,
  stringArray,
  TAIL,
} from "../../ffi/program.ts";
import { cloneArgs } from "../../ffi/spawn.ts";
import { PASSED_ON } from "../base/signals.ts";
import type { DoorPaths } from "./cgroup.ts";
import { type ExecPlan, insideSteps, joinContainer } from "./exec.ts";
import { launcherProgram } from "./launcher.ts";
import { candidates, endAs, type Failure, NOT_HERE, tailSteps } from "./process_steps.ts";
import { fewNotesSteps, noteSteps, type QuickNotes } from "./quick_exec_notes.ts";
import { PARAMETERS, withParameters } from "./quick_exec_parameters.ts";
import { copySteps, OUTPUTS, refusalSteps } from "./quick_exec_copy.ts";
import {
  inputSteps,
  outputSteps,
  ownSteps,
  pipeSteps,
  quickStreams,
} from "./quick_exec_streams.ts";

/** The longest command that is looked for along PATH, with its 0. */
const NAME_BYTES = 256;

/** A file that has to have this text: else the container is not as it was, or frozen. */
export interface ExpectedFile {
  readonly path: string;
  readonly text: string;
}

/** All that decides the program. */
export interface QuickExecPlan {
  /** The process; its descriptors are the program's own. */
  readonly exec: Pick<ExecPlan, "process" | "filter" | "userNamespace">;
  /** The container's first process. */
  readonly pid: number;
  readonly expected: readonly ExpectedFile[];
  readonly doors: DoorPaths;
  readonly notes: QuickNotes;
}

/** Descriptors by number: the program closes all others first, and opens in this order. */
const STARTED = 3, SIGNALS = 4, CONTAINER = 5, SCRATCH = 6, NULL_FILE = 6;
const REPORT = { read: 11, write: 12 }, HELLO = { read: 13, write: 14 };
const FIRST_DOOR = 15;

/** Where failures go: before the command is started, at its start, afterwards. */
const FAILED = "quick.failed", NOT_STARTED = "quick.not started", LOST = "quick.lost";
const LOST_TEXT = "Cannot watch over the command: it was ended\n";
const LOST_CODE = 125;

/** The file for the head. Pure. */
export function quickExecFile(plan: QuickExecPlan): Uint8Array<ArrayBuffer> {
  return withParameters(quickExecProgram(plan));
}

/** Starts the command, is its parent, copies its output, ends as it ended. Pure. */
export function quickExecProgram(plan: QuickExecPlan): Program {
  const pid = slot("process"), pidfd = slot("pidfd");
  const status = placeIn(block("status", new Uint8Array(16)), 0);
  const streams = quickStreams();
  const { tasks, into } = plan.doors;
  const notes = noteSteps(plan.notes, {
    words: PARAMETERS.words,
    length: PARAMETERS.wordsLength,
    status,
  });
  const names = candidateBlocks(plan.exec.process.env ?? []);
  const exec: ExecPlan = {
    ...plan.exec,
    pidfd: CONTAINER,
    cgroupTasks: tasks.map((_, i) => FIRST_DOOR + i),
    streams: [streams[0].from, streams[1].from, streams[2].from],
    ownStreams: ownSteps(plan.exec.process.user.uid, streams),
    deathSignal: SIGKILL,
    command: commandSteps(plan.exec.process.env ?? [], names),
  };
  return {
    tail: FAILED,
    steps: [
      ...beginning(),
      ...containerSteps(plan),
      ...inputSteps(streams[0], PARAMETERS.isInteractive, NULL_FILE),
      ...OUTPUTS.flatMap((output) => outputSteps(output, streams[output.fd])),
      ...pipeSteps(REPORT.read, "report"),
      ...pipeSteps(HELLO.read, "hello"),
      ...tasks.map((path) => doorStep(path, O_WRONLY)),
      ...(into === undefined ? [] : [doorStep(into, O_DIRECTORY)]),
      ...nameSteps(names),
      ...startSteps(pid, pidfd),
      ...notes.started,
      ...copySteps({ signals: SIGNALS, pid, pidfd, status }),
      ...notes.died,
      ...refusalSteps(),
      ...endAs(status),
      ...failureSteps(),
      ...launcherSteps(exec, into === undefined ? undefined : FIRST_DOOR + tasks.length),
    ],
  };
}

/** Descriptors and signals as the rest of the program expects them. */
function beginning(): Step[] {
  const goal = "begin";
  const mask = PASSED_ON.reduce((sum, [, signal]) => sum | (1n << BigInt(signal - 1)), 0n);
  const set = block("signals", new Uint8Array(new BigUint64Array([mask]).buffer));
  return [
    ...[0, 1, 2].map((fd): Step => ({ call: "fcntl", args: [fd, F_GETFD, 0], goal })),
    { call: "dup3", args: [PARAMETERS.pipe, STARTED, 0], goal, allow: [EINVAL] },
    { call: "close_range", args: [STARTED + 1, 0xffff_ffff, 0], goal },
    { call: "prctl", args: [PR_SET_NAME, "diplodock-exec"], goal },
    { call: "prctl", args: [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0], goal },
    // Out of the terminal's reach: its signals come to the head, which passes them on.
    { call: "setsid", args: [], goal },
    { call: "signalfd4", args: [-1, addressIn(set), 8, 0], goal },
  ];
}

/** The container is there, the same one, and not frozen. */
function containerSteps({ pid, expected, notes }: QuickExecPlan): Step[] {
  return [
    { call: "pidfd_open", args: [pid, 0], goal: "find the container's process" },
    ...expected.flatMap(expectSteps),
    ...fewNotesSteps(notes),
    { call: "openat", args: [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0], goal: "open null" },
  ];
}

function expectSteps({ path, text }: ExpectedFile): Step[] {
  const goal = `look at ${path}`;
  const bytes = new TextEncoder().encode(text);
  const words = new Uint8Array(Math.ceil((bytes.length + 1) / 8) * 8);
  words.set(bytes);
  const found = block(path, new Uint8Array(words.length));
  const count = slot("length");
  const equal = (place: Place, value: bigint): Step => ({
    call: "subtract",
    args: [place, value],
    goal,
    onPositive: "fail",
  });
  return [
    { call: "openat", args: [AT_FDCWD, path, O_CLOEXEC, 0], goal },
    {
      call: "read",
      args: [SCRATCH, addressIn(found), words.length],
      goal,
      result: count,
    },
    { call: "close", args: [SCRATCH], goal },
    equal(count, BigInt(bytes.length)),
    ...[...new BigInt64Array(words.buffer)].map((word, i) => equal(placeIn(found, i * 8), word)),
  ];
}

function doorStep(path: string, flags: number): Step {
  const args = [AT_FDCWD, path, flags | O_CLOEXEC, 0];
  return { call: "openat", args, goal: "open the cgroup" };
}

/** For each directory of PATH, with room for the command. */
function candidateBlocks(env: readonly string[]) {
  return candidates("", env).map((directory) => {
    const bytes = new TextEncoder().encode(directory);
    const path = new Uint8Array(bytes.length + NAME_BYTES);
    path.set(bytes);
    return { path: block(directory, path), length: bytes.length };
  });
}

type Candidates = ReturnType<typeof candidateBlocks>;

/** Writes the command's word behind each directory, by way of a file: no step copies bytes. */
function nameSteps(names: Candidates): Step[] {
  const goal = "look along PATH", file = slot("name"), done = "@quick.named";
  const MOST = BigInt(NAME_BYTES);
  return [
    { call: "subtract", args: [PARAMETERS.isPath, 0], goal, onPositive: done },
    {
      call: "subtract",
      args: [PARAMETERS.nameLength, MOST],
      goal,
      onNegative: "next",
      onPositive: "fail",
    },
    { call: "memfd_create", args: ["name", 1], goal, result: file },
    { call: "write", args: [file, PARAMETERS.words, PARAMETERS.nameLength], goal },
    ...names.map(({ path, length }): Step => ({
      call: "pread64",
      args: [file, addressIn(path, length), PARAMETERS.nameLength, 0],
      goal,
    })),
    { call: "close", args: [file], goal },
    { ...goTo("next"), label: "quick.named" },
  ];
}

function commandSteps(env: readonly string[], names: Candidates): Step[] {
  const envp = stringArray("envp", env), goal = "start the command";
  return [
    { call: "subtract", args: [PARAMETERS.isPath, 0], goal, onZero: "@quick.search" },
    { call: "execve", args: [PARAMETERS.words, PARAMETERS.argv, envp], goal },
    { ...goTo("next"), label: "quick.search" },
    ...names.map(({ path }, i): Step => ({
      call: "execve",
      args: [addressIn(path), PARAMETERS.argv, envp],
      goal,
      allow: i < names.length - 1 ? NOT_HERE : [],
    })),
  ];
}

/** From here on the head does not take the usual way any more, unless it is told to. */
function startSteps(pid: Place, pidfd: Place): Step[] {
  const goal = "start the command", launcher = slot("launcher");
  const clone = cloneArgs({ flags: 0n });
  const close = (fd: number): Step => ({ call: "close", args: [fd], goal });
  const report = addressIn(block("report", new Uint8Array(16)));
  return [
    { call: "write", args: [STARTED, "!", 1], goal },
    {
      call: "clone3",
      args: [addressIn(clone), clone.bytes.length],
      goal,
      result: launcher,
      onNegative: `@${NOT_STARTED}`,
      onZero: "@quick.launch",
    },
    assign(TAIL, stepAddress(LOST)),
    ...[NULL_FILE, REPORT.write, HELLO.write, ...OUTPUTS.map(({ pipe }) => pipe.write)].map(close),
    { call: "read", args: [HELLO.read, addressIn(pid), 8], goal, onZero: `@${NOT_STARTED}` },
    { call: "wait4", args: [launcher, 0, WALL, 0], goal },
    { call: "read", args: [REPORT.read, report, 16], goal, onPositive: `@${NOT_STARTED}` },
    { call: "pidfd_open", args: [pid, 0], goal, result: pidfd },
  ];
}

/** Nothing of it is left: the usual way says what was wrong. */
function failureSteps(): Step[] {
  const goal = "leave it to the usual way";
  return [
    {
      call: "wait4",
      args: [-1, 0, WALL, 0],
      goal,
      label: NOT_STARTED,
      onNegative: "@quick.none left",
      onZero: `@${NOT_STARTED}`,
      onPositive: `@${NOT_STARTED}`,
    },
    { call: "write", args: [STARTED, "!", 1], goal, label: "quick.none left", onNegative: "next" },
    { call: "exit_group", args: [1], goal, label: FAILED },
    {
      call: "write",
      args: [2, LOST_TEXT, LOST_TEXT.length],
      goal,
      label: LOST,
      onNegative: "next",
    },
    { call: "exit_group", args: [LOST_CODE], goal },
  ];
}

/** Joins the container and starts the process there, as our child. */
function launcherSteps(exec: ExecPlan, cgroup: number | undefined): Step[] {
  const failure: Failure = { report: REPORT.write, label: "inside.failed" };
  const report = slot("report");
  const { steps, tail } = launcherProgram({
    init: {
      first: joinContainer(exec),
      steps: [...insideSteps(exec, failure, report), ...tailSteps(failure, report)],
      flags: cgroup === undefined ? 0n : BigInt(CLONE_INTO_CGROUP),
      cgroup,
      before: [],
      preserveFds: 0,
    },
    report: REPORT.write,
    hello: HELLO.write,
  });
  return [{ ...assign(TAIL, stepAddress(tail!)), label: "quick.launch" }, ...steps];
}
