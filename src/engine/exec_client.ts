/** The calling side of `exec`: streams, signals, the exit code. */
import { WALL } from "../../ffi/constants.ts";
import { Fd, pipe } from "../../ffi/fd.ts";
import { sys, sysAsync } from "../../ffi/libc.ts";
import { SIGKILL } from "../runtime/signals.ts";
import { execEnded, type ExecRequest, startExec } from "./exec.ts";

/** What is connected to the process. */
export interface ExecClient {
  /** `-i`: the process reads what this program is given. */
  readonly stdin: boolean;
  readonly detachKeys: string;
}

/** Signals that are passed on to the process. SIGKILL reaches it as its death signal. */
const FORWARDED: readonly (readonly [Deno.Signal, number])[] = [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
  ["SIGQUIT", 3],
  ["SIGUSR1", 10],
  ["SIGUSR2", 12],
];

/** Starts the process and leaves it; it outlives this program. */
export function execDetached(id: string, request: ExecRequest): number {
  startExec(id, request, { streams: [-1, -1, -1] }, 0).pidfd[Symbol.dispose]();
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
  const stdout = outputFor(own, 1, Deno.stdout), stderr = outputFor(own, 2, Deno.stderr);
  const streams = [stdin.fd, stdout.fd, stderr.fd] as const;
  const process = startExec(id, request, { streams }, SIGKILL);
  own.use(process.pidfd);
  stdin.started?.();
  const copied = [stdout.started?.(), stderr.started?.()];
  const status = await waitForwarding(process.pid, process.pidfd);
  await Promise.all(copied);
  const code = (status & 0x7f) === 0 ? status >> 8 & 0xff : 128 + (status & 0x7f);
  execEnded(id, code);
  return code;
}

/** A stream for the process, and what to do once it runs. */
interface Stream {
  readonly fd: number;
  readonly started?: () => Promise<void> | void;
}

/**
 * A pipe or a file is handed over as it is. A terminal is not: the container could read from it
 * and type into it; its bytes go through a pipe.
 */
function outputFor(own: DisposableStack, fd: number, stream: typeof Deno.stdout): Stream {
  if (!stream.isTerminal()) return { fd };
  const { read, write } = pipe();
  own.use(read);
  own.use(write);
  return {
    fd: write.raw,
    started: () => {
      write[Symbol.dispose]();
      return copy(read, (bytes) => void stream.writeSync(bytes));
    },
  };
}

function inputFor(own: DisposableStack): Stream {
  if (!Deno.stdin.isTerminal()) return { fd: 0 };
  const { read, write } = pipe();
  own.use(read);
  own.use(write);
  return { fd: read.raw, started: () => void feed(read, write) };
}

/** The terminal's lines to the process, until its end of file or the process's. */
async function feed(read: Fd, write: Fd): Promise<void> {
  read[Symbol.dispose]();
  const bytes = new Uint8Array(65536);
  for (;;) {
    const count = await Deno.stdin.read(bytes);
    if (count === null || write.raw < 0) break;
    const chunk = bytes.slice(0, count);
    if (sys("write", write.raw, chunk, count) < 0) break;
  }
  write[Symbol.dispose]();
}

async function copy(from: Fd, to: (bytes: Uint8Array) => void): Promise<void> {
  const bytes = new Uint8Array(65536);
  for (;;) {
    const count = await sysAsync("read", from.raw, bytes, bytes.length);
    if (count <= 0) return;
    to(bytes.subarray(0, count));
  }
}

/** The raw wait status of our child; signals are passed on meanwhile. */
async function waitForwarding(pid: number, pidfd: Fd): Promise<number> {
  const listeners = FORWARDED.map(([name, number]) => {
    const forward = () => void sys("pidfd_send_signal", pidfd.raw, number, null, 0);
    Deno.addSignalListener(name, forward);
    return () => Deno.removeSignalListener(name, forward);
  });
  const status = new Uint8Array(8);
  await sysAsync("wait4", pid, status, WALL, 0);
  for (const remove of listeners) remove();
  return new DataView(status.buffer).getInt32(0, true);
}
