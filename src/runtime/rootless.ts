/**
 * The user namespace of an ordinary user's containers. All his commands and monitors are in the
 * same one, or a second command could not join what the first one made. A holder, a process of a
 * few pages, keeps it (with a mount namespace, where mounts are allowed) as long as anybody is in
 * it; the last command to leave ends the holder.
 *
 * A command enters by becoming a tiny program and then itself again: setns(2) wants a process with
 * one thread, which JavaScript's never is and which every process is after execve(2). Its number,
 * streams, terminal and working directory stay what they are.
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  F_SETFD,
  MS_REC,
  MS_SLAVE,
  O_RDWR,
  PR_SET_NAME,
  SIGKILL,
  WALL,
} from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { EACCES, EINVAL, ENOSPC, EPERM, SyscallError } from "../../ffi/errno.ts";
import { Fd, lockFile, lockShared, pipe, readInto, sealedMemfd } from "../../ffi/fd.ts";
import type { Encoded } from "../../ffi/interp.ts";
import { check, sys } from "../../ffi/libc.ts";
import { addressIn, block, type Program, slot, STATE, stringArray } from "../../ffi/program.ts";
import { restoreSignals, run } from "../../ffi/spawn.ts";
import { UserError } from "../base/errors.ts";
import { namesIn, readIfThere, removeIfThere, writeAtomic } from "../base/files.ts";
import { execute } from "./execute.ts";
import { parseStat } from "./monitor_protocol.ts";
import type { UserMaps } from "./subordinate_ids.ts";

/** The process that keeps the namespaces. */
interface Holder {
  readonly pid: number;
  readonly startTime: string;
}

/** What a command becomes once it is inside. */
export interface InnerCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const holderPath = (directory: string) => `${directory}/holder`;
const lockPath = (directory: string) => `${directory}/lock`;

/** The holder, if it is alive. */
function readHolder(directory: string): Holder | undefined {
  const [pid, startTime] = (readIfThere(holderPath(directory)) ?? "").split(" ");
  if (startTime === undefined) return undefined;
  const stat = parseStat(readIfThere(`/proc/${pid}/stat`) ?? "");
  if (stat?.state === "Z") return undefined;
  return stat?.startTime === startTime ? { pid: Number(pid), startTime } : undefined;
}

/** The number of the process that keeps the namespaces; undefined where there is none. */
export function holderOf(directory: string): number | undefined {
  return readHolder(directory)?.pid;
}

/**
 * Enters the namespaces that `directory` tells of, which are made where there are none, and becomes
 * `command` there. Does not return. `makeMaps` is called for new ones. Throws UserError.
 */
export function enterNamespaces(
  directory: string,
  command: InnerCommand,
  makeMaps: () => UserMaps,
  write: (pid: number, maps: UserMaps) => void,
): never {
  for (;;) {
    {
      // Nobody ends the holder while this is held, and that is until we are inside.
      using lock = lockShared(lockPath(directory));
      const holder = readHolder(directory);
      if (holder !== undefined) becomeInner(holder, lock, command);
    }
    using _exclusive = lockFile(lockPath(directory));
    if (readHolder(directory) === undefined) makeHolder(directory, makeMaps(), write);
  }
}

/** This process becomes `command` inside. */
function becomeInner(holder: Holder, lock: Fd, command: InnerCommand): never {
  using pidfd = new Fd(check("find the user namespace's holder", "pidfd_open", holder.pid, 0));
  const { bytes } = executable(innerProgram(pidfd.raw, lock.raw, Deno.cwd(), command));
  using file = sealedMemfd("diplodock-enter", bytes);
  for (const { raw } of [pidfd, lock]) check("keep a descriptor", "fcntl", raw, F_SETFD, 0);
  const nothing = stringArray("envp", []), argv = stringArray("argv", ["diplodock-enter"]);
  const { error } = run({
    steps: [{
      call: "execveat",
      args: [file.raw, "", argv, nothing, AT_EMPTY_PATH],
      goal: "enter the user namespace",
    }],
  });
  throw error ?? new Error("Cannot enter the user namespace: execveat returned");
}

const ENTER_FAILED = "diplodock: Cannot enter the user namespace of this user's containers\n";

/** Joins the namespaces of `pidfd`, closes the lock, calls execve. Pure. */
export function innerProgram(
  pidfd: number,
  lock: number,
  cwd: string,
  { argv, env }: InnerCommand,
): Program {
  const goal = "enter the user namespace";
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return {
    tail: "failed",
    steps: [
      { call: "setns", args: [pidfd, CLONE_NEWUSER | CLONE_NEWNS], goal },
      { call: "close", args: [pidfd], goal },
      // From here on this process is found in the namespace; the lock has done its work.
      { call: "close", args: [lock], goal },
      // setns puts it at the root of the mount namespace.
      { call: "chdir", args: [cwd], goal, onNegative: "next" },
      ...restoreSignals(),
      {
        call: "execve",
        args: [argv[0], stringArray("argv", argv), stringArray("envp", variables)],
        goal,
      },
      {
        call: "write",
        args: [2, ENTER_FAILED, ENTER_FAILED.length],
        goal,
        label: "failed",
        onNegative: "next",
      },
      { call: "exit_group", args: [125], goal },
    ],
  };
}

/** Makes the namespaces and their holder; the exclusive lock is held. */
function makeHolder(
  directory: string,
  maps: UserMaps,
  write: (pid: number, maps: UserMaps) => void,
): void {
  const ready = pipe(), go = pipe();
  using ends = new DisposableStack();
  for (const end of [ready.read, ready.write, go.read, go.write]) ends.use(end);
  const { bytes, encoded } = executable(holderProgram(ready.write.raw, go.read.raw));
  const pid = execute(bytes, [ready.write.raw, go.read.raw], ["diplodock-userns"]);
  ready.write[Symbol.dispose]();
  go.read[Symbol.dispose]();
  try {
    readReport(ready.read, encoded);
    write(pid, maps);
    sys("write", go.write.raw, "!", 1);
    readReport(ready.read, encoded);
    const stat = parseStat(readIfThere(`/proc/${pid}/stat`) ?? "");
    writeAtomic(holderPath(directory), `${pid} ${stat?.startTime}`);
  } catch (error) {
    sys("kill", pid, SIGKILL);
    sys("wait4", pid, null, WALL, 0);
    throw error;
  }
}

/** Makes the namespaces, waits for the maps, sees that it may mount, waits for its end. Pure. */
function holderProgram(report: number, go: number): Program {
  const goal = "make a user namespace", byte = addressIn(block("byte", new Uint8Array(24)));
  const nothing = slot("null file");
  return {
    tail: "failed",
    steps: [
      { call: "unshare", args: [CLONE_NEWUSER | CLONE_NEWNS], goal },
      { call: "write", args: [report, byte, 1], goal },
      { call: "read", args: [go, byte, 1], goal: "wait for the id maps", onZero: "fail" },
      // Where a security module takes the rights in the namespace away, this is what fails.
      { call: "mount", args: [null, "/", null, MS_REC | MS_SLAVE, null], goal: "mount in it" },
      { call: "prctl", args: [PR_SET_NAME, "diplodock-userns"], goal: "name the process" },
      { call: "chdir", args: ["/"], goal: "let go of the working directory" },
      {
        call: "openat",
        args: [AT_FDCWD, "/dev/null", O_RDWR, 0],
        goal: "let go of the streams",
        result: nothing,
      },
      ...[0, 1, 2].map((fd) => ({
        call: "dup3" as const,
        args: [nothing, fd, 0],
        goal: "let go of the streams",
      })),
      { call: "close", args: [nothing], goal },
      { call: "write", args: [report, byte, 1], goal },
      { call: "close_range", args: [3, 0xffff_ffff, 0], goal },
      { call: "ppoll", args: [null, 0, null, null, 8], goal: "hold the namespaces" },
      {
        call: "write",
        args: [report, addressIn(STATE), 16],
        goal: "report the failure",
        label: "failed",
        onNegative: "next",
      },
      { call: "exit_group", args: [1], goal: "end" },
    ],
  };
}

/** One byte: all is well. Sixteen: the step that failed, which is thrown. */
function readReport(from: Fd, encoded: Encoded): void {
  const bytes = new Uint8Array(16);
  const count = readInto(from, bytes);
  if (count === 1) return;
  const view = new DataView(bytes.buffer);
  const step = encoded.stepAt(view.getBigUint64(0, true));
  const errno = count < 16 ? EINVAL : Number(-view.getBigInt64(8, true));
  const error = new SyscallError(step?.call ?? "unshare", errno, step?.goal ?? "run a step");
  throw new UserError(error.message, 125, namespaceHint(step?.call ?? "unshare", errno));
}

/** What to do where this machine gives ordinary users no user namespaces. */
export function namespaceHint(
  call: string,
  errno: number,
  setting: (path: string) => string | undefined = (path) => readIfThere(`/proc/sys/${path}`),
): string {
  const is = (path: string, value: string) => setting(path)?.trim() === value;
  if (is("user/max_user_namespaces", "0") || errno === ENOSPC) {
    return "user namespaces are off or used up: sysctl -w user.max_user_namespaces=15000";
  }
  if (is("kernel/unprivileged_userns_clone", "0")) {
    return "user namespaces are for root only: sysctl -w kernel.unprivileged_userns_clone=1";
  }
  const isRefusal = errno === EPERM || errno === EACCES;
  if (isRefusal && is("kernel/apparmor_restrict_unprivileged_userns", "1")) {
    return "AppArmor restricts user namespaces: give diplodock a profile with `userns,`, or " +
      "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
  }
  return isRefusal && call === "unshare"
    ? "a seccomp filter, a chroot or a security module refuses user namespaces to this process"
    : "a security module or a kernel setting restricts user namespaces";
}

/**
 * Ends the holder if this process, which ends as well, is the only other one in its namespaces.
 * The lock is kept until it has ended: of several that end together the last one finds no other.
 * Newcomers wait meanwhile, and make new namespaces.
 */
export function leaveNamespaces(directory: string): void {
  if (readHolder(directory) === undefined) return;
  lockFile(lockPath(directory)).release();
  const holder = readHolder(directory);
  const own = namespaceOf("self");
  if (holder === undefined || namespaceOf(String(holder.pid)) !== own) return;
  const stay = [String(Deno.pid), String(holder.pid)];
  const others = namesIn("/proc").some((name) =>
    /^\d+$/.test(name) && !stay.includes(name) && namespaceOf(name) === own && counts(name)
  );
  if (others) return;
  removeIfThere(holderPath(directory));
  sys("kill", holder.pid, SIGKILL);
  sys("wait4", holder.pid, null, WALL, 0); // if this is the process that made it
}

/**
 * Whether a process needs the namespaces: not what is left of one that has ended, which gives up
 * its memory before its locks, and not the monitor of a container, the proxy of a port or the program
 * that shows the root, which end with their container: the caller has seen that there is none.
 */
function counts(pid: string): boolean {
  const line = readIfThere(`/proc/${pid}/cmdline`) ?? "";
  return line !== "" && !/^diplodock-(monitor|proxy)\0/.test(line) &&
    !/^[^\0]*fuse-overlayfs\0/.test(line);
}

function namespaceOf(pid: string): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/user`);
  } catch {
    return undefined; // it has ended, or is not ours to look at
  }
}
