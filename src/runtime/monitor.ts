/** Starts a container's init under a monitor, and talks to that monitor. */
import {
  F_GETFL,
  F_SETFL,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  S_IFIFO,
  SIGKILL,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  WALL,
} from "../../ffi/constants.ts";
import { cstr } from "../../ffi/bytes.ts";
import { type Executable, executable } from "../../ffi/elf.ts";
import { SyscallError } from "../../ffi/errno.ts";
import {
  Fd,
  memoryFile,
  openAt,
  openDirectory,
  pipe,
  punchHole,
  readInto,
  seal,
} from "../../ffi/fd.ts";
import type { Encoded } from "../../ffi/interp.ts";
import { check, sys } from "../../ffi/libc.ts";
import { type Program, slot, type Step } from "../../ffi/program.ts";
import { bindDatagram, receiveWithFd, sendFdTo, socketPair } from "../../ffi/unix_socket.ts";
import { UserError } from "../base/errors.ts";
import { isAbsent, readIfThere } from "../base/files.ts";
import { executeFile } from "./execute.ts";
import type { Cleanup, MonitorPlan, MonitorStdio, MonitorTimeout } from "./monitor_plan.ts";
import { monitorProgram } from "./monitor_program.ts";
import {
  CHUNK_BYTES,
  CONSOLE,
  type Exit,
  EXITED,
  HEADER_BYTES,
  HELLO,
  type Message,
  parseExit,
  parseStat,
  readHeader,
  STDIN,
} from "./monitor_protocol.ts";
import { handOver, type WaitingEnd } from "./monitor_waiting.ts";
import type { Join } from "./namespaces.ts";

/**
 * The descriptor of the socket on which init sends its terminal's master (SCM_RIGHTS), as an
 * argument of init's steps. It has a value in programs with `stdio: { kind: "terminal" }`.
 */
export const CONSOLE_SOCKET = slot("console socket", -1);

/** Where the container's streams go. */
export type StartStdio =
  /**
   * Through the monitor. `stdin`: nothing; or a named pipe `stdin` in the runtime directory that
   * ends when its last client goes; or one that the monitor holds open.
   */
  | { readonly kind: "pipes"; readonly stdin: "null" | "client" | "hold" }
  /** Straight to these; the monitor sees none of it and nothing is logged. */
  | { readonly kind: "given"; readonly stdin: Fd; readonly stdout: Fd; readonly stderr: Fd }
  /** Init makes a terminal and sends its master to CONSOLE_SOCKET. */
  | { readonly kind: "terminal" };

/** What startMonitored starts. */
export interface MonitoredStart {
  /** Shown in the process list. */
  readonly id: string;
  readonly init: {
    /** Up to execve. Stdio 0-2 is set before them unless `terminal`. Labels are their own. */
    readonly steps: readonly Step[];
    /** CLONE_NEW… flags; CLONE_INTO_CGROUP together with `cgroup`. */
    readonly flags: number | bigint;
    readonly cgroup?: Fd;
    /** Descriptors that the steps use, by the numbers they have here. The command gets none. */
    readonly keep: readonly Fd[];
    /** User and pid namespaces that init is to be born in. */
    readonly before?: readonly Join[];
    /** Descriptors 3 to 2+N stay open in the command. */
    readonly preserveFds?: number;
  };
  /** Clients that have waited for this start: they see all that init writes. */
  readonly waiting?: readonly WaitingEnd[];
  /** Descriptors that the monitor holds as long as init lives: bound ports. */
  readonly held?: readonly Fd[];
  readonly stdio: StartStdio;
  /** The container's directory: gets `log` and `exit`. */
  readonly directory: string;
  /** The container's runtime directory: gets `init`, `control`, `stdin`. */
  readonly runtime: string;
  /** undefined: nothing is logged. */
  readonly log?: { readonly maxBytes: number; readonly maxFiles: number };
  readonly timeout?: MonitorTimeout;
  /** Executed when no client takes over at the end. */
  readonly cleanup: Cleanup;
  /** Called with init's pid while init runs its steps: the moment to write uid_map. */
  readonly onPid?: (pid: number) => void;
  /** Replaces what the monitor does: the test of its faults lets each step fail once. */
  readonly alterProgram?: (program: Program) => Program;
}

/** A container's init that has called execve. */
export interface Started {
  readonly pid: number;
  readonly monitorPid: number;
  /** Dispose it to detach. */
  readonly client: MonitorClient;
}

/** One end of a monitor's socket: the container's output and its end come from here. */
export class MonitorClient implements Disposable {
  /** The terminal's master, once the CONSOLE packet came. */
  master: Fd | undefined;
  /** How init ended, once the EXITED packet came. */
  exit: Exit | undefined;
  readonly #packet = new Uint8Array(HEADER_BYTES + CHUNK_BYTES);
  readonly #view = new DataView(this.#packet.buffer);

  /** `stdin` is the writing end of the container's stdin, where it has one (or a packet brings it). */
  constructor(readonly socket: Fd, public stdin: Fd | undefined) {}

  /**
   * Takes the next packet; waits for it unless `flags` has MSG_DONTWAIT. undefined at the end (or
   * when there is none now). Its bytes are valid until the next call. `master` and `exit` are set
   * by the packets that bring them.
   */
  receive(flags = 0): Message | undefined {
    const { count, fd } = receiveWithFd(this.socket, this.#packet, flags);
    const header = count < HEADER_BYTES ? undefined : readHeader(this.#view, 0);
    if (header === undefined) return undefined;
    const bytes = this.#packet.subarray(HEADER_BYTES, count);
    if (header.kind === EXITED) this.exit = parseExit(bytes);
    if (header.kind === CONSOLE) this.master = fd;
    if (header.kind === STDIN) this.stdin = fd;
    return { timeNs: header.timeNs, kind: header.kind, bytes };
  }

  /**
   * Says that this process has cleaned up after the container, so that the monitor need not.
   * Only the client that started the container has a say; disposing without it makes the
   * monitor execute its clean-up command.
   */
  acknowledge(): void {
    sys("sendto", this.socket.raw, cstr("done"), 4, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
    this.stdin?.[Symbol.dispose]();
    this.master?.[Symbol.dispose]();
  }
}

/**
 * Starts the monitor and, in it, init; returns when init called execve. Throws the SyscallError
 * of the first step that failed, after the monitor has ended: then nothing of it is left but the
 * files in the two directories.
 */
export function startMonitored(start: MonitoredStart): Started {
  const { encoded, monitorPid, report, client, program, spent } = launch(start);
  using undo = new DisposableStack();
  undo.use(client);
  using _report = report;
  using file = program;
  const hello = client.receive();
  const pid = hello?.kind === HELLO ? Number(word(hello.bytes, 0)) : 0;
  let failure: SyscallError | undefined;
  try {
    if (pid > 0) start.onPid?.(pid);
    failure = readReport(report, encoded);
    if (failure !== undefined) throw failure;
    if (pid === 0) throw new UserError("Cannot start a container: its monitor was killed", 125);
    forgetSpent(file, spent, pid);
  } catch (error) {
    if (failure === undefined) endInit(start.runtime);
    endFailed(client, monitorPid, start.directory);
    throw error;
  }
  undo.move();
  return { pid, monitorPid, client };
}

/**
 * Once init has become the command, its steps, the larger part of the monitor's file, are of no use
 * any more: they would be memory for as long as the container runs. Until here nobody could change
 * the file either: the kernel refuses to open one for writing while it is executed.
 */
function forgetSpent(program: Fd, spent: Executable["spent"], pid: number): void {
  if (spent !== undefined && spent.length > 0 && !isExecuting(pid, program)) {
    punchHole(program, spent.offset, spent.length);
  }
  seal(program);
}

/** Whether a process still is this program, as a first process that reaps others is. */
function isExecuting(pid: number, program: Fd): boolean {
  try {
    const [its, ours] = [`/proc/${pid}/exe`, `/proc/self/fd/${program.raw}`].map(Deno.statSync);
    return its.ino === ours.ino && its.dev === ours.dev;
  } catch (error) {
    return !isAbsent(error); // it has ended; or it cannot be seen
  }
}

/** Reads the report to its end: 16 bytes of a failed step, or nothing once init is executed. */
function readReport(report: Fd, encoded: Encoded): SyscallError | undefined {
  const bytes = new Uint8Array(16);
  const count = readInto(report, bytes);
  if (count < 16) return undefined;
  const step = encoded.stepAt(word(bytes, 0));
  const errno = Number(-BigInt.asIntN(64, word(bytes, 8)));
  return new SyscallError(step?.call ?? "unknown", errno, step?.goal ?? "run a step");
}

function word(bytes: Uint8Array<ArrayBuffer>, at: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
}

/** Ends an init that has begun well, where something else has not; its number may be unknown here. */
function endInit(runtime: string): void {
  const init = parseStat(readIfThere(`${runtime}/init`) ?? "");
  const now = parseStat(readIfThere(`/proc/${init?.pid}/stat`) ?? "");
  if (init !== undefined && init.startTime === now?.startTime) sys("kill", init.pid, SIGKILL);
}

/** Waits until the monitor of a failed start is gone: it has nothing to clean up. */
function endFailed(client: MonitorClient, monitorPid: number, directory: string): void {
  for (let packet = client.receive(); packet !== undefined; packet = client.receive()) {
    if (packet.kind === EXITED) break;
  }
  client.acknowledge();
  sys("wait4", monitorPid, 0, WALL, 0);
  sys("unlinkat", -1, `${directory}/exit`, 0);
}

/** What is left here of a monitor that was started. */
interface Launched {
  readonly encoded: Encoded;
  readonly monitorPid: number;
  readonly report: Fd;
  readonly client: MonitorClient;
  /** The monitor's file, and where in it are init's steps. */
  readonly program: Fd;
  readonly spent: Executable["spent"];
}

/** Makes every descriptor, the program and the process. Ends that are the monitor's are closed. */
function launch(start: MonitoredStart): Launched {
  using undo = new DisposableStack();
  using theirs = new DisposableStack();
  const directory = theirs.use(openDirectory(start.directory));
  const runtime = theirs.use(openDirectory(start.runtime));
  const nullFile = theirs.use(openAt(null, "/dev/null", O_RDWR));
  sys("unlinkat", directory.raw, "exit", 0);
  const stat = theirs.use(openAt(runtime, "init", O_WRONLY | O_CREAT | O_TRUNC, 0o600));
  const control = theirs.use(bindDatagram(runtime, "control"));
  const log = start.log === undefined
    ? undefined
    : theirs.use(openAt(directory, "log", O_WRONLY | O_CREAT | O_APPEND, 0o640));
  const [socket, client] = socketPair(SOCK_SEQPACKET);
  const mine = undo.use(new MonitorClient(socket, undefined));
  theirs.use(client);
  const report = pipe();
  undo.use(report.read);
  theirs.use(report.write);
  const streams = makeStreams(start.stdio, runtime, nullFile, theirs);
  mine.stdin = streams.clientStdin;
  handOver(start.waiting ?? [], runtime, streams.clientStdin);
  const plan: MonitorPlan = {
    init: {
      steps: start.init.steps,
      flags: BigInt(start.init.flags),
      cgroup: start.init.cgroup?.raw,
      keep: start.init.keep.map((fd) => fd.raw),
      before: start.init.before ?? [],
      preserveFds: start.init.preserveFds ?? 0,
    },
    fds: {
      report: report.write.raw,
      client: client.raw,
      control: control.raw,
      stat: stat.raw,
      directory: directory.raw,
      log: log?.raw ?? -1,
      nullFile: nullFile.raw,
      stdinHold: streams.stdinHold,
    },
    held: (start.held ?? []).map((fd) => fd.raw),
    stdio: streams.stdio,
    consoleSocket: CONSOLE_SOCKET,
    logLimit: start.log,
    timeout: start.timeout,
    cleanup: start.cleanup,
  };
  const made = monitorProgram(plan);
  const { encoded, bytes, spent } = executable(start.alterProgram?.(made) ?? made);
  const argv = ["diplodock-monitor", start.id];
  const program = undo.use(memoryFile(argv[0], bytes));
  const monitorPid = executeFile(program, descriptors(plan), argv, { outlives: true });
  undo.move();
  return { encoded, monitorPid, report: report.read, client: mine, program, spent };
}

/** The numbers in `plan` that the monitor must have open. */
function descriptors({ fds, held, stdio, init }: MonitorPlan): number[] {
  const list = [...Object.values(fds), ...held, ...init.keep, init.cgroup ?? -1];
  for (let fd = 3; fd < 3 + init.preserveFds; fd++) list.push(fd);
  for (const { from } of init.before) if (typeof from === "number") list.push(from);
  if (stdio.kind === "terminal") list.push(stdio.console.monitor, stdio.console.init);
  if (stdio.kind === "given") list.push(stdio.stdin, stdio.stdout, stdio.stderr);
  if (stdio.kind === "pipes") {
    for (const { read, write } of [stdio.stdout, stdio.stderr]) list.push(read, write);
    list.push(stdio.stdin);
  }
  return list.filter((fd) => fd >= 0);
}

/** The streams of a container as the plan has them, and what the client keeps of them. */
interface Streams {
  readonly stdio: MonitorStdio;
  readonly stdinHold: number;
  readonly clientStdin: Fd | undefined;
}

function makeStreams(
  stdio: StartStdio,
  runtime: Fd,
  nullFile: Fd,
  theirs: DisposableStack,
): Streams {
  if (stdio.kind === "given") {
    const { stdin, stdout, stderr } = stdio;
    const numbers = { stdin: stdin.raw, stdout: stdout.raw, stderr: stderr.raw };
    return { stdio: { kind: "given", ...numbers }, stdinHold: -1, clientStdin: undefined };
  }
  if (stdio.kind === "terminal") {
    const [monitor, init] = socketPair(SOCK_STREAM);
    theirs.use(monitor);
    theirs.use(init);
    const console = { monitor: monitor.raw, init: init.raw };
    return { stdio: { kind: "terminal", console }, stdinHold: -1, clientStdin: undefined };
  }
  const ends = () => {
    const { read, write } = pipe();
    return { read: theirs.use(read).raw, write: theirs.use(write).raw };
  };
  const output = { stdout: ends(), stderr: ends() };
  if (stdio.stdin === "null") {
    const pipes = { kind: "pipes", stdin: nullFile.raw, ...output } as const;
    return { stdio: pipes, stdinHold: -1, clientStdin: undefined };
  }
  const { read, write } = stdinPipe(runtime);
  theirs.use(read);
  const stdinHold = stdio.stdin === "hold" ? theirs.use(write.duplicate()).raw : -1;
  return { stdio: { kind: "pipes", stdin: read.raw, ...output }, stdinHold, clientStdin: write };
}

/** The named pipe `stdin`, so that other clients can write to the container as well. */
function stdinPipe(runtime: Fd): { read: Fd; write: Fd } {
  sys("unlinkat", runtime.raw, "stdin", 0);
  check("make the container's stdin", "mknodat", runtime.raw, "stdin", S_IFIFO | 0o600, 0);
  // Without O_NONBLOCK each end would wait for the other one.
  const read = openAt(runtime, "stdin", O_RDONLY | O_NONBLOCK);
  const write = openAt(runtime, "stdin", O_WRONLY);
  const flags = check("see the flags of a pipe", "fcntl", read.raw, F_GETFL);
  check("make reads wait", "fcntl", read.raw, F_SETFL, flags & ~O_NONBLOCK);
  return { read, write };
}

/**
 * A further client of a running container: sees the output from now on, and may write to its
 * stdin. undefined when the monitor is gone or has no room for one more client.
 */
export function attachMonitored(runtimeDirectory: string): MonitorClient | undefined {
  using runtime = openDirectory(runtimeDirectory);
  const [socket, theirs] = socketPair(SOCK_SEQPACKET);
  using undo = new DisposableStack();
  const stdin = sys("openat", runtime.raw, "stdin", O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
  const client = undo.use(new MonitorClient(socket, stdin < 0 ? undefined : new Fd(stdin)));
  const sent = sendFdTo(runtime, "control", theirs);
  theirs[Symbol.dispose]();
  if (sent < 0 || client.receive()?.kind !== HELLO) return undefined;
  undo.move();
  return client;
}
