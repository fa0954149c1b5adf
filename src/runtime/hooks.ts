/**
 * Hooks: programs of the bundle that run at points of a container's life, with its state on their
 * standard input. Source: runtime-spec config.md, "POSIX-platform Hooks".
 */
import {
  CLONE_FILES,
  CLONE_PARENT,
  CLONE_PIDFD,
  CLONE_VFORK,
  CLONE_VM,
  CLOSE_RANGE_CLOEXEC,
  F_SETFL,
  O_NONBLOCK,
  POLLIN,
  SEEK_SET,
  SIGKILL,
  WALL,
} from "../../ffi/constants.ts";
import { errnoText, SyscallError } from "../../ffi/errno.ts";
import { Fd, pipe, readInto, sealedMemfd } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { pollNow } from "../../ffi/poll.ts";
import { addressIn, type Place, slot, type Step, stringArray } from "../../ffi/program.ts";
import { cloneArgs, reap, restoreSignals, spawn } from "../../ffi/spawn.ts";
import { UserError } from "../base/errors.ts";
import { type Joined, joinFlags } from "./namespaces.ts";
import type { PrintedState } from "./oci_state.ts";
import type { Hook } from "./spec_types.ts";

/** Of what a hook writes, this much is kept for the error message. */
const OUTPUT_BYTES = 64 << 10;

/** A process that runs a hook. */
export interface HookProcess {
  readonly pid: number;
  readonly pidfd: Fd;
}

/** The streams of a hook: the state, and one pipe for all it writes. */
export interface HookStreams {
  readonly stdin: Fd;
  readonly output: Fd;
}

/** How a hook is started: in our namespaces, in the container's, as the container's process. */
export type HookStarter = (hook: Hook, streams: HookStreams) => HookProcess;

/**
 * Runs `hooks` one after the other and waits for each. Throws UserError at the first that fails,
 * or takes longer than its timeout (seconds).
 */
export function runHooks(
  hooks: readonly Hook[],
  state: PrintedState,
  kind: string,
  start: HookStarter = startHere,
): void {
  hooks.forEach((hook, index) => {
    const problem = runHook(hook, state, start);
    if (problem !== undefined) {
      throw new UserError(`error running ${kind} hook #${index}: ${problem}`);
    }
  });
}

function runHook(hook: Hook, state: PrintedState, start: HookStarter): string | undefined {
  using stdin = sealedMemfd("state", new TextEncoder().encode(JSON.stringify(state)));
  check("rewind the state", "lseek", stdin.raw, 0, SEEK_SET);
  const { read, write } = pipe();
  using _read = read;
  check("read without waiting", "fcntl", read.raw, F_SETFL, O_NONBLOCK);
  let process: HookProcess;
  try {
    process = start(hook, { stdin, output: write });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return `${hook.path}: ${errnoText(error.errno)}`;
  } finally {
    write[Symbol.dispose]();
  }
  using pidfd = process.pidfd;
  const { output, inTime } = collect(read, pidfd, hook.timeout);
  if (!inTime) sys("pidfd_send_signal", pidfd.raw, SIGKILL, null, 0);
  const status = new Uint8Array(8);
  check("wait for a hook", "wait4", process.pid, status, WALL, 0);
  const raw = new DataView(status.buffer).getInt32(0, true);
  if (!inTime) return `${hook.path}: still running after ${hook.timeout} s, killed`;
  if (raw === 0) return undefined;
  const end = (raw & 0x7f) === 0 ? `exit status ${(raw >> 8) & 0xff}` : `signal ${raw & 0x7f}`;
  return `${hook.path}: ${end}, output: ${output}`;
}

/** Reads until the process ends or the time is up. */
function collect(
  from: Fd,
  pidfd: Fd,
  timeoutSeconds: number | undefined,
): { output: string; inTime: boolean } {
  const deadline = timeoutSeconds ? performance.now() + timeoutSeconds * 1000 : Infinity;
  const kept = new Uint8Array(OUTPUT_BYTES), spill = new Uint8Array(4096);
  let length = 0, open = true, ended = false;
  const drain = () => {
    for (;;) {
      const room = kept.subarray(length);
      const count = readInto(from, room.length > 0 ? room : spill);
      if (count <= 0) return count;
      if (room.length > 0) length += count;
    }
  };
  while (!ended && performance.now() < deadline) {
    const rest = deadline === Infinity ? -1 : Math.max(1, deadline - performance.now());
    const interests = [{ fd: pidfd.raw, events: POLLIN }];
    if (open) interests.push({ fd: from.raw, events: POLLIN });
    ended = pollNow(interests, rest)[0] !== 0;
    if (open && drain() === 0) open = false;
  }
  return { output: new TextDecoder().decode(kept.subarray(0, length)), inTime: ended };
}

/** In the namespaces of this process. */
function startHere(hook: Hook, streams: HookStreams): HookProcess {
  const { pid, pidfd } = spawn(hookSteps(hook, streams));
  return { pid, pidfd };
}

/** In all namespaces of the process of `pidfd`; paths are those of its mount namespace. */
export function startInside(container: Fd, joined: Joined): HookStarter {
  return (hook, streams) => {
    const pid = slot("pid"), pidfd: Place = slot("pidfd", -1);
    const flags = BigInt(CLONE_VM | CLONE_VFORK | CLONE_PARENT | CLONE_PIDFD);
    const args = cloneArgs({ flags, pidfd });
    const goal = "join the container's namespaces";
    const between = spawn([
      { call: "setns", args: [container.raw, joinFlags(joined)], goal },
      {
        call: "clone3",
        args: [addressIn(args), args.bytes.length],
        goal: "start a hook",
        result: pid,
        onZero: "@hook",
      },
      { call: "exit_group", args: [0], goal: "end" },
      { call: "getpid", args: [], goal: "be inside", label: "hook" },
      ...hookSteps(hook, streams),
    ], { flags: CLONE_FILES });
    const read = (place: Place) =>
      Number(new DataView(between.ran.read(place.block).buffer).getBigInt64(0, true));
    reap(between);
    return { pid: read(pid), pidfd: new Fd(read(pidfd) | 0) };
  };
}

function hookSteps(hook: Hook, { stdin, output }: HookStreams): Step[] {
  const goal = "set up the streams of a hook";
  const streams = [stdin.raw, output.raw, output.raw];
  return [
    { call: "setsid", args: [], goal },
    ...streams.map((fd, stream): Step => ({ call: "dup3", args: [fd, stream, 0], goal })),
    { call: "close_range", args: [3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC], goal },
    ...restoreSignals(),
    {
      call: "execve",
      args: [
        hook.path,
        stringArray("argv", hook.args?.length ? hook.args : [hook.path]),
        stringArray("envp", hook.env ?? []),
      ],
      goal: `start the hook "${hook.path}"`,
    },
  ];
}
