/**
 * Runs syscall programs: on this thread, or in a child that shares our memory until it ends or
 * calls execve. Only the interpreter runs there; no JavaScript ever does.
 *
 * Sharing memory (CLONE_VM) is what makes a start cheap: 17 µs instead of 363 µs for a copy of
 * a V8 process. It is safe because the child runs 187 bytes that use no stack, no allocator and
 * no thread-local storage, with every signal blocked; all it touches is the arena below, which
 * is mmap'ed, so that the collector never moves it. (General code after such a clone would not
 * be safe: the other threads of V8 go on.)
 */
import { Arena, executable } from "./arena.ts";
import {
  CLONE_CLEAR_SIGHAND,
  CLONE_INTO_CGROUP,
  CLONE_PIDFD,
  CLONE_VFORK,
  CLONE_VM,
  P_PIDFD,
  SIG_SETMASK,
  WALL,
  WEXITED,
} from "./constants.ts";
import { SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { DEFAULT_ACTION, heedChildren } from "./ignored_signals.ts";
import { encode, type Encoded, interpreterBytes } from "./interp.ts";
import { check, sys } from "./libc.ts";
import {
  addressIn,
  assign,
  type Block,
  block,
  type Place,
  type Program,
  slot,
  type Step,
  type Value,
} from "./program.ts";

/** Room for a program; only what is used becomes memory. */
const ARENA_BYTES = 8 << 20;

type Interpreter = (firstStep: number, state: number) => bigint;
let interpreter: Interpreter | undefined;

/** The machine code, in memory that is executable and no longer writable. */
export function interpreterFunction(): Interpreter {
  if (interpreter !== undefined) return interpreter;
  const definition = { parameters: ["u64", "u64"], result: "i64" } as const;
  const pointer = Deno.UnsafePointer.create<typeof definition>(executable(interpreterBytes()))!;
  const made = new Deno.UnsafeFnPointer(pointer, definition);
  return interpreter = (firstStep, state) => made.call(BigInt(firstStep), BigInt(state));
}

/** What is left after a program ran: the blocks as the kernel wrote them, and the failure. */
export interface Ran {
  /** The failed step's error, if a step failed. */
  readonly error: SyscallError | undefined;
  /** A copy of a block's bytes after the run. */
  read(of: Block): Uint8Array<ArrayBuffer>;
}

/** Runs `program` on this thread and returns when it ends. */
export function run(program: Program): Ran {
  using arena = new Arena(ARENA_BYTES);
  return begin(program, arena)();
}

/** Runs `program` on this thread; what it left in `arena` is looked at when the result is called. */
function begin(program: Program, arena: Arena): () => Ran {
  const encoded = encode(program, arena.address);
  const size = encoded.bytes.length;
  if (size > ARENA_BYTES) throw new RangeError(`Cannot run a program of ${size} bytes: too large`);
  const memory = arena.bytes();
  memory.set(encoded.bytes);
  interpreterFunction()(encoded.firstStep, encoded.state);
  return () => look(memory.slice(0, size), encoded, arena);
}

function look(after: Uint8Array<ArrayBuffer>, encoded: Encoded, arena: Arena): Ran {
  return {
    error: failureIn(new DataView(after.buffer), encoded),
    read: (of) => {
      const at = encoded.addressOf(of) - arena.address;
      return after.slice(at, at + of.bytes.length);
    },
  };
}

/** The failure that the state words tell of. `view` starts with the state. */
function failureIn(view: DataView, encoded: Encoded): SyscallError | undefined {
  const address = view.getBigUint64(0, true);
  if (address === 0n) return undefined;
  const step = encoded.stepAt(address);
  const errno = Number(-view.getBigInt64(8, true));
  return new SyscallError(step?.call ?? "unknown", errno, step?.goal ?? "run a step");
}

/** Where processes go that outlive the one that starts them. */
export interface Apart {
  /** Files of cgroup v1 to which such a process writes "0". */
  readonly tasks: readonly Fd[];
  /** A cgroup2 directory, for CLONE_INTO_CGROUP. */
  readonly into?: Fd;
}

let apart: Apart | undefined;

/** Says where they go from now on; without a word they stay with their parent. */
export function setApart(place: Apart): void {
  apart = place;
}

/** What a child is born with. */
export interface SpawnOptions {
  /** More clone flags: CLONE_FILES to leave descriptors in our table, namespaces. */
  readonly flags?: number;
  /** A cgroup2 directory's descriptor to be born in. */
  readonly cgroupFd?: number;
  /** It outlives us: see `setApart`. */
  readonly outlives?: boolean;
}

/** A child that was started, by its pidfd. */
export interface Child {
  readonly pid: number;
  readonly pidfd: Fd;
  /** The blocks as they were when the child ended or called execve. */
  readonly ran: Ran;
}

/**
 * Starts a child that shares our memory and runs `steps`, and waits until it ends or calls
 * execve (CLONE_VFORK). Signals are blocked and handlers default in it; before execve put
 * `restoreSignals()` into the steps. Throws SyscallError if the clone fails or if a step fails.
 */
export function spawn(steps: readonly Step[], options: SpawnOptions = {}): Child {
  if (!options.outlives || apart === undefined) return spawnHere(steps, options);
  const enter = apart.tasks.map(({ raw }): Step => ({
    call: "write",
    args: [raw, "0", 1],
    goal: "go apart",
    onNegative: "next", // it does its work from where it is as well
  }));
  const all = [...enter, ...steps];
  try {
    return spawnHere(all, { cgroupFd: apart.into?.raw, ...options });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.call !== "clone3") throw error;
    return spawnHere(all, options);
  }
}

function spawnHere(steps: readonly Step[], options: SpawnOptions): Child {
  heedChildren();
  const flags = BigInt(CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (options.flags ?? 0));
  const pidfd = slot("pidfd", -1);
  const pid = slot("pid");
  const into = options.cgroupFd === undefined ? 0n : CLONE_INTO_CGROUP;
  const clone = cloneArgs({
    flags: flags | into | CLONE_CLEAR_SIGHAND,
    pidfd,
    cgroupFd: options.cgroupFd,
  });
  const ran = run(childProgram(steps, clone, pid));
  if (ran.error) {
    const started = word(ran, pid.block);
    if (started > 0) sys("wait4", started, null, WALL, 0);
    throw ran.error;
  }
  return { pid: word(ran, pid.block), pidfd: new Fd(word(ran, pidfd.block) | 0), ran };
}

/** A child that runs beside this thread; disposing waits for its end as well. */
export interface Aside extends Disposable {
  /** Waits for its end. Throws SyscallError if a step failed. */
  finish(): Ran;
}

/**
 * Starts a child that shares our memory and runs `steps` to their end while this thread goes on:
 * for what the kernel needs time for. No execve: nothing else is waited for here.
 */
export function spawnAside(steps: readonly Step[], flags = 0): Aside {
  heedChildren();
  const pidfd = slot("pidfd", -1);
  const clone = cloneArgs({
    flags: BigInt(CLONE_VM | CLONE_PIDFD | flags) | CLONE_CLEAR_SIGHAND,
    pidfd,
  });
  const arena = new Arena(ARENA_BYTES);
  const result = begin(childProgram(steps, clone, slot("pid")), arena);
  const raw = word(result(), pidfd.block) | 0;
  let ran: Ran | undefined;
  const wait = (): Ran => {
    if (ran !== undefined) return ran;
    using _memory = arena;
    if (raw >= 0) {
      using _pidfd = new Fd(raw);
      // By its descriptor: without CLONE_VFORK parent and child both write the number's slot.
      check("wait for a process", "waitid", P_PIDFD, raw, null, WEXITED | WALL, null);
    }
    return ran = result();
  };
  return {
    finish() {
      const { error } = wait();
      if (error) throw error;
      return ran!;
    },
    [Symbol.dispose]: () => void wait(),
  };
}

/** Blocks signals, clones, and lets the child run `steps` and end. */
function childProgram(
  steps: readonly Step[],
  clone: Block,
  pid: ReturnType<typeof slot>,
): Program {
  const mask: Value = addressIn(OLD_MASK);
  return {
    tail: "failed",
    steps: [
      {
        call: "rt_sigprocmask",
        args: [SIG_SETMASK, addressIn(ALL_SIGNALS), mask, 8],
        goal: "block signals",
      },
      {
        call: "clone3",
        args: [addressIn(clone), clone.bytes.length],
        goal: "start a process",
        result: pid,
        onZero: "@child",
      },
      {
        call: "rt_sigprocmask",
        args: [SIG_SETMASK, mask, 0, 8],
        goal: "restore signals",
        onZero: "end",
      },
      { call: "getpid", args: [], goal: "be a child", label: "child" },
      ...steps,
      { call: "exit_group", args: [0], goal: "end" },
      // A failure in the child leaves its step in the shared state; one of clone3 is ours.
      {
        call: "subtract",
        args: [pid, 0],
        goal: "see who failed",
        label: "failed",
        onPositive: "@failedChild",
        onNegative: "@restore",
      },
      { call: "exit_group", args: [127], goal: "end", label: "failedChild" },
      {
        call: "rt_sigprocmask",
        args: [SIG_SETMASK, mask, 0, 8],
        goal: "restore signals",
        label: "restore",
        onZero: "end",
      },
    ],
  };
}

/** Reaps a child that has ended and returns its raw wait status. wait4(2), __WALL. */
export function reap(child: Child): number {
  const status = new Uint8Array(8);
  check("wait for a process", "wait4", child.pid, status, WALL, 0);
  child.pidfd[Symbol.dispose]();
  return new DataView(status.buffer).getInt32(0, true);
}

/** The descriptor in `place` that a child which shares our table (CLONE_FILES) has opened. */
export function openedBy({ ran }: { readonly ran: Ran }, { block }: Place): Fd {
  return new Fd(word(ran, block));
}

function word(ran: Ran, of: Block): number {
  return Number(new DataView(ran.read(of).buffer).getBigInt64(0, true));
}

/** All signals, as a kernel sigset. */
export const ALL_SIGNALS: Block = block("all signals", new Uint8Array(8).fill(255));
const OLD_MASK = block("signal mask", new Uint8Array(8));
const NO_SIGNALS = block("no signals", new Uint8Array(8));
const GREATEST_SIGNAL = 64;

let restored = 0;

/**
 * Nothing blocked and nothing ignored, as a program expects to find it at execve.
 * CLONE_CLEAR_SIGHAND leaves ignored signals ignored: Deno ignores SIGPIPE, nohup SIGHUP, and a
 * shell SIGINT and SIGQUIT for what it starts in the background.
 */
export function restoreSignals(): Step[] {
  const signal = slot("signal");
  const each = `signal.${restored++}`;
  const goal = "restore every signal's action";
  return [
    assign(signal, GREATEST_SIGNAL, goal),
    {
      call: "rt_sigaction",
      args: [signal, addressIn(DEFAULT_ACTION), 0, 8],
      goal,
      label: each,
      onNegative: "next", // SIGKILL and SIGSTOP have no other one
    },
    { call: "subtract", args: [signal, 1], result: signal, goal, onPositive: `@${each}` },
    {
      call: "rt_sigprocmask",
      args: [SIG_SETMASK, addressIn(NO_SIGNALS), 0, 8],
      goal: "unblock signals",
    },
  ];
}

/** What clone3 is told. `pidfd`, when given, receives the child's pidfd. */
export interface CloneOptions {
  readonly flags: bigint;
  readonly pidfd?: ReturnType<typeof slot>;
  readonly exitSignal?: number;
  /** A cgroup2 directory's descriptor, with CLONE_INTO_CGROUP in flags. */
  readonly cgroupFd?: number;
}

/** struct clone_args of clone3(2), 88 bytes. */
export function cloneArgs(options: CloneOptions): Block {
  const bytes = new Uint8Array(88);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, options.flags, true);
  view.setBigUint64(32, BigInt(options.exitSignal ?? 0), true);
  view.setBigUint64(80, BigInt(options.cgroupFd ?? 0), true);
  const pointers = options.pidfd ? [{ offset: 8, to: addressIn(options.pidfd) }] : [];
  return block("clone arguments", bytes, pointers);
}
