/** `exec -t`: a terminal of the container's own between the user's and the process. */
import { POLLIN } from "../../ffi/constants.ts";
import { Fd, readInto } from "../../ffi/fd.ts";
import { sysAsync } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";
import { isTerminal, rawMode, windowSize } from "../../ffi/tty.ts";
import { spawnKeeper } from "../runtime/keeper.ts";
import { ownConsole } from "../runtime/own_console.ts";
import { waitForExitCode } from "../runtime/wait_child.ts";
import { DetachFilter, parseDetachKeys } from "./detach_keys.ts";
import { execEnded, type ExecRequest, startExec } from "./exec.ts";
import type { ExecClient } from "./exec_client.ts";
import { endOnSignals, forwardWindowSize } from "./forward.ts";
import { Output, writeAllAsync } from "./output_stream.ts";

const STDIN_FD = 0;
const CHUNK_BYTES = 32768;

/**
 * Runs the process on a terminal; its exit code. With the detach keys the process goes on alone
 * and the code is 0.
 */
export async function execTerminal(
  id: string,
  request: ExecRequest,
  client: ExecClient,
): Promise<number> {
  const keys = parseDetachKeys(client.detachKeys);
  using scope = new DisposableStack();
  const consoleSize = windowSize(STDIN_FD) ?? windowSize(1);
  const console = scope.use(ownConsole());
  const process = startExec(
    id,
    { ...request, consoleSize },
    { streams: [-1, -1, -1], consoleSocket: console.socket.raw },
    0, // the hang-up of its terminal tells it of our death
  );
  scope.use(process.pidfd);
  const master = scope.use(console.receive());
  if (client.stdin && isTerminal(STDIN_FD)) {
    const raw = scope.use(rawMode(STDIN_FD));
    scope.use(endOnSignals(() => raw[Symbol.dispose]()));
  }
  scope.use(forwardWindowSize(master, false));
  const stop = { now: false };
  scope.defer(() => stop.now = true);
  const typed = client.stdin ? pumpKeys(master, new DetachFilter(keys), stop) : never();
  const ended = pumpScreen(master).then(() => waitForExitCode(process.pid));
  const detached = typed.then((keysTyped) => keysTyped ? DETACHED : never());
  const code = await Promise.race([detached, ended]);
  if (code === DETACHED) {
    spawnKeeper(master);
    return 0;
  }
  execEnded(id, process.execID, code);
  return code;
}

const DETACHED = -1;

const never = () => new Promise<never>(() => {});

/** What is typed, to the terminal; true when it was the detach keys. */
async function pumpKeys(
  master: Fd,
  filter: DetachFilter,
  stop: { readonly now: boolean },
): Promise<boolean> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  while (!stop.now) {
    const [events] = await poll([{ fd: STDIN_FD, events: POLLIN }]);
    if (events === 0 || stop.now) continue;
    const count = readInto({ raw: STDIN_FD }, buffer);
    if (count <= 0) break;
    const { pass, detach } = filter.push(buffer.subarray(0, count));
    if (!await writeAllAsync(master, pass)) return false;
    if (detach) return true;
  }
  return false;
}

/** The terminal's output to ours, until its last process is gone (the read fails with EIO). */
async function pumpScreen(master: Fd): Promise<void> {
  const output = new Output(1);
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const count = await sysAsync("read", master.raw, buffer, buffer.length);
    if (count <= 0) break;
    await output.add(buffer.subarray(0, count));
    await output.flush();
  }
}
