/** `exec` for somebody whose streams are not this program's: a client of the API. */
import { POLLIN, SOCK_DGRAM } from "../../ffi/constants.ts";
import { Fd, openDirectory, pipe, readInto } from "../../ffi/fd.ts";
import { sysAsync } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";
import { setWindowSize, type WindowSize } from "../../ffi/tty.ts";
import { bindDatagram, connectAt, sendBytes } from "../../ffi/unix_socket.ts";
import { UserError } from "../base/errors.ts";
import { STDERR, STDOUT } from "../runtime/monitor_protocol.ts";
import { ownConsole } from "../runtime/own_console.ts";
import { waitForExitCode } from "../runtime/wait_child.ts";
import type { ClientStream } from "./attach_stream.ts";
import { DetachFilter, parseDetachKeys } from "./detach_keys.ts";
import { execEnded, type ExecStreams, startExec } from "./exec.ts";
import { wide } from "./exec_client.ts";
import { type ExecRecord, execsDirectory, noteExecEnd, noteExecStart } from "./exec_records.ts";
import { writeAllAsync } from "./output_stream.ts";

const CHUNK_BYTES = 64 * 1024;
const SIZE_BYTES = 4;

/** What `exec` needs of its client. */
export interface ExecClientStream extends ClientStream {
  /** Lets the client go: it typed the detach keys. */
  end(): void;
}

/**
 * Starts the process and passes bytes until it ends; a client that goes away does not end it.
 * Throws UserError with docker's text, exit code 126 or 127, when it cannot be started.
 */
export async function execStream(exec: ExecRecord, client: ExecClientStream): Promise<void> {
  const code = await (exec.request.tty ? onTerminal : onPipes)(exec, quietly(client))
    .catch((error) => {
      if (error instanceof UserError) noteExecEnd(exec.container, exec.id, error.exitCode);
      throw error;
    });
  execEnded(exec.container, exec.id, code);
  noteExecEnd(exec.container, exec.id, code);
}

/** What a client does not read any more is nobody's. */
function quietly(client: ExecClientStream): ExecClientStream {
  let isThere = true;
  return {
    read: () => client.read(),
    end: () => client.end(),
    write: async (stream, bytes) => {
      if (!isThere) return;
      await client.write(stream, bytes).catch((error) => {
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
        isThere = false;
      });
    },
  };
}

async function onPipes(exec: ExecRecord, client: ExecClientStream): Promise<number> {
  const { attach, container, request } = exec;
  using own = new DisposableStack();
  const ends = (wanted: boolean) => {
    if (!wanted) return undefined;
    const { read, write } = wide(pipe());
    return { read: own.use(read), write: own.use(write) };
  };
  const stdin = ends(attach.stdin), stdout = ends(attach.stdout), stderr = ends(attach.stderr);
  const streams: ExecStreams["streams"] = [
    stdin?.read.raw ?? -1,
    stdout?.write.raw ?? -1,
    stderr?.write.raw ?? -1,
  ];
  const process = startExec(
    container,
    request,
    { streams },
    0,
  );
  own.use(process.pidfd);
  noteExecStart(exec, process.pid);
  for (const end of [stdin?.read, stdout?.write, stderr?.write]) end?.[Symbol.dispose]();
  if (stdin !== undefined) void feed(client, stdin.write);
  const copied = Promise.all([
    stdout && copy(stdout.read, client, STDOUT),
    stderr && copy(stderr.read, client, STDERR),
  ]);
  const code = await waitForExitCode(process.pid);
  await copied;
  return code;
}

/** What the client sends, to the process: until the end of it, or of the process. */
async function feed(client: ExecClientStream, target: Fd): Promise<void> {
  for (let bytes = await client.read(); bytes !== undefined; bytes = await client.read()) {
    if (!await writeAllAsync(target, bytes)) break;
  }
  target[Symbol.dispose]();
}

/** Until the last who writes is gone. A terminal's read fails then, with EIO. */
async function copy(from: Fd, client: ExecClientStream, stream: number): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const count = await sysAsync("read", from.raw, buffer, buffer.length);
    if (count <= 0) return;
    await client.write(stream, buffer.slice(0, count));
  }
}

async function onTerminal(exec: ExecRecord, client: ExecClientStream): Promise<number> {
  const { attach, container, id, request, detachKeys } = exec;
  const filter = new DetachFilter(parseDetachKeys(detachKeys));
  using own = new DisposableStack();
  const console = own.use(ownConsole());
  using directory = openDirectory(execsDirectory(container));
  const sizes = own.use(bindDatagram(directory, `${id}.size`));
  const io = { streams: [-1, -1, -1], consoleSocket: console.socket.raw } as const;
  const process = startExec(container, request, io, 0);
  own.use(process.pidfd);
  noteExecStart(exec, process.pid);
  const master = own.use(console.receive());
  void takeSizes(sizes, master);
  if (attach.stdin) void type(client, master, filter);
  await copy(master, client, STDOUT);
  return await waitForExitCode(process.pid);
}

/** What is typed, to the terminal. At the detach keys the client is let go. */
async function type(client: ExecClientStream, master: Fd, filter: DetachFilter): Promise<void> {
  for (let typed = await client.read(); typed !== undefined; typed = await client.read()) {
    const { pass, detach } = filter.push(typed);
    if (!await writeAllAsync(master, pass)) return;
    if (detach) return client.end();
  }
}

async function takeSizes(sizes: Fd, master: Fd): Promise<void> {
  const bytes = new Uint8Array(SIZE_BYTES);
  const view = new DataView(bytes.buffer);
  for (;;) {
    await poll([{ fd: sizes.raw, events: POLLIN }]);
    if (master.raw < 0 || readInto(sizes, bytes) !== SIZE_BYTES) return;
    setWindowSize(master, { height: view.getUint16(0), width: view.getUint16(2) });
  }
}

/** Gives a running process's terminal a size. Throws UserError where there is none. */
export function resizeExec({ container, id }: ExecRecord, { height, width }: WindowSize): void {
  using directory = openDirectory(execsDirectory(container));
  using socket = connectAt(directory, `${id}.size`, SOCK_DGRAM);
  if (socket === undefined) throw new UserError(`Exec instance ${id} is not running on a terminal`);
  const bytes = new Uint8Array(SIZE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, height);
  view.setUint16(2, width);
  sendBytes(socket, bytes);
}
