/** The calling side of `exec`: streams, signals, the exit code. */
import { F_SETPIPE_SZ, SIGKILL } from "../../ffi/constants.ts";
import { Fd, pipe } from "../../ffi/fd.ts";
import { sys, sysAsync } from "../../ffi/libc.ts";
import { ownCommand } from "../base/self.ts";
import { executeBy } from "../runtime/exec.ts";
import { PASSED_ON } from "../base/signals.ts";
import { waitForExitCode } from "../runtime/wait_child.ts";
import { execEnded, type ExecRequest, startBy, startExec } from "./exec.ts";
import { Output, writeAllAsync } from "./output_stream.ts";
import { wantsQuickExec } from "./quick_exec_file.ts";

/** The device number of /dev/null: 1, 3. */
const NULL_DEVICE = 0x103;
const CHUNK_BYTES = 128 * 1024;

/** What is connected to the process. */
export interface ExecClient {
  /** `-i`: the process reads what this program is given. */
  readonly stdin: boolean;
  readonly detachKeys: string;
}

/** Starts the process and leaves it; it outlives this program, and its end is told all the same. */
export async function execDetached(id: string, request: ExecRequest): Promise<number> {
  const { Watcher } = await import("../runtime/exec_watch.ts");
  startBy(id, request, { streams: [-1, -1, -1] }, 0, (plan, execID, cgroup) => {
    using watcher = new Watcher(ownCommand("__exec_ended", id, execID));
    executeBy(watcher, plan, cgroup);
    watcher.confirm();
  });
  return 0;
}

/** Runs the process with this program's streams; its exit code. */
export async function execForeground(
  id: string,
  request: ExecRequest,
  client: ExecClient,
): Promise<number> {
  if (request.tty) {
    const { execTerminal } = await import("./exec_terminal.ts");
    return await execTerminal(id, request, client);
  }
  using own = new DisposableStack();
  const stdin = client.stdin ? inputFor(own) : { fd: -1 };
  const stdout = outputFor(own, 1), stderr = outputFor(own, 2);
  const streams = [stdin.fd, stdout.fd, stderr.fd] as const;
  // Before the start: a signal that comes right after it would end this program instead.
  own.use(passSignals(() => process.pidfd));
  const process = startExec(id, request, { streams }, SIGKILL);
  own.use(process.pidfd);
  stdin.started?.();
  const copied = Promise.allSettled([stdout.started?.(), stderr.started?.()]);
  await leaveProgram(id, request);
  const code = await waitForExitCode(process.pid);
  const failed = (await copied).find((copy) => copy.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  execEnded(id, process.execID, code);
  return code;
}

/** While the process runs: the next one starts sooner. */
async function leaveProgram(id: string, request: ExecRequest): Promise<void> {
  if (!wantsQuickExec(id, request)) return;
  const { leaveQuickExec } = await import("./quick_exec.ts");
  try {
    leaveQuickExec(id);
  } catch {
    // The disk is full, or the process has ended its container: that is no failure of the process.
  }
}

/** A stream for the process, and what to do once it runs. */
interface Stream {
  readonly fd: number;
  readonly started?: () => Promise<void> | void;
}

/**
 * Whether a stream of this program may be the container's own: a pipe, a socket, /dev/null. The
 * bytes of anything else go through a pipe. A terminal could be read and typed into; a file could
 * be opened anew through /proc/self/fd, for writing too and by root of the container, wherever on
 * the host it lies; a directory would be a way out (CVE-2024-21626).
 */
function mayHandOver(fd: number): boolean {
  const { isFifo, isSocket, isCharDevice, rdev } = Deno.statSync(`/proc/self/fd/${fd}`);
  return isFifo === true || isSocket === true || (isCharDevice === true && rdev === NULL_DEVICE);
}

function outputFor(own: DisposableStack, fd: number): Stream {
  if (mayHandOver(fd)) return { fd };
  const output = new Output(fd);
  const { read, write } = wide(pipe());
  own.use(read);
  own.use(write);
  return {
    fd: write.raw,
    started: () => {
      write[Symbol.dispose]();
      return copy(read, output);
    },
  };
}

/** Room for a whole chunk: each turn through the thread pool costs more than its bytes. */
export function wide<T extends { write: Fd }>(ends: T): T {
  sys("fcntl", ends.write.raw, F_SETPIPE_SZ, CHUNK_BYTES); // refused where the user has too many
  return ends;
}

function inputFor(own: DisposableStack): Stream {
  if (mayHandOver(0)) return { fd: 0 };
  const { read, write } = wide(pipe());
  own.use(read);
  own.use(write);
  return { fd: read.raw, started: () => void feed(read, write) };
}

/** What this program is given, to the process: until the end of it, or of the process. */
async function feed(read: Fd, write: Fd): Promise<void> {
  read[Symbol.dispose]();
  const bytes = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const count = await Deno.stdin.read(bytes).catch(() => null); // a directory: EISDIR
    if (count === null || !await writeAllAsync(write, bytes.slice(0, count))) break;
  }
  write[Symbol.dispose]();
}

/** Where our stream takes no more, the process is told by the end of its pipe. */
async function copy(from: Fd, to: Output): Promise<void> {
  using _closed = from;
  const bytes = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const count = await sysAsync("read", from.raw, bytes, bytes.length);
    if (count <= 0) return;
    await to.add(bytes.subarray(0, count));
    await to.flush();
  }
}

/** Passes on what this program gets; nothing arrives before the next await. */
function passSignals(process: () => Fd): Disposable {
  const remove = PASSED_ON.map(([name, number]) => {
    const pass = () => void sys("pidfd_send_signal", process().raw, number, null, 0);
    Deno.addSignalListener(name, pass);
    return () => Deno.removeSignalListener(name, pass);
  });
  return { [Symbol.dispose]: () => remove.forEach((undo) => undo()) };
}
