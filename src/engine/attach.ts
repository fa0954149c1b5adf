/**
 * The client's side of a container in the foreground: its output to our streams, our input to
 * it, signals, window size, detach keys.
 *
 * Attached clients get the output from the monitor over a socket of their own, one packet a
 * chunk: nothing is lost while they are attached, nothing of the log driver matters, and one
 * message carries a terminal's master (no ptrace rights are needed, as pidfd_getfd would).
 */
import { POLLIN } from "../../ffi/constants.ts";
import { type Fd, readInto } from "../../ffi/fd.ts";
import { poll } from "../../ffi/poll.ts";
import { isTerminal, rawMode } from "../../ffi/tty.ts";
import { UserError } from "../base/errors.ts";
import { containerDirectory, containerRunDirectory } from "../base/places.ts";
import { attachMonitored, type MonitorClient } from "../runtime/monitor.ts";
import { CONSOLE, EXITED, readExit, STDERR, STDOUT } from "../runtime/monitor_protocol.ts";
import { readRecord } from "./containers.ts";
import { DetachFilter, parseDetachKeys } from "./detach_keys.ts";
import { emitContainerEvent } from "./events.ts";
import { endOnSignals, forwardWindowSize, SignalProxy } from "./forward.ts";
import { nextPacket } from "./next_packet.ts";
import { Output, writeAllAsync } from "./output_stream.ts";
import type { StartedContainer } from "./start.ts";
import { shownState } from "./restart_policy.ts";
import { LOST_EXIT_CODE } from "./state.ts";
import type { ClientOptions, ContainerRecord } from "./types.ts";

/** How a client wants to be attached. */
export type AttachOptions = Pick<ClientOptions, "attach" | "tty" | "sigProxy" | "detachKeys">;

const STDIN_FD = 0;
const INPUT_BYTES = 32768;

/** Whether this client's signals are the container's: with a terminal its keys make them. */
export function passesSignals({ sigProxy, tty }: AttachOptions): boolean {
  return sigProxy && !tty;
}

/**
 * Stays with a container that this process has just started, until it ends: its exit code; or
 * undefined when the user typed the detach keys, and then the monitor is on its own. `signals` may
 * have listened since the start began.
 */
export async function attachStarted(
  { record, started }: StartedContainer,
  options: AttachOptions,
  signals: SignalProxy,
): Promise<number | undefined> {
  const detached = await stay(record, started.client, started.pid, options, signals);
  if (detached) {
    emitContainerEvent(record, "detach");
    started.client[Symbol.dispose]();
    return undefined;
  }
  return started.client.exit?.code ?? LOST_EXIT_CODE;
}

/** Joins a container that runs. As attachStarted(). Throws UserError with docker's text. */
export async function attachRunning(
  id: string,
  options: AttachOptions,
): Promise<number | undefined> {
  const record = readRecord(id);
  const state = shownState(record);
  if (state.kind === "restarting") {
    throw new UserError("You cannot attach to a restarting container, wait until it is running");
  }
  if (state.kind !== "running") {
    throw new UserError("You cannot attach to a stopped container, start it first");
  }
  if (state.paused) {
    throw new UserError("You cannot attach to a paused container, unpause it first");
  }
  using client = attachMonitored(containerRunDirectory(id));
  if (client === undefined) {
    throw new UserError(`Cannot attach to "${id}": its monitor is gone or has too many clients`);
  }
  emitContainerEvent(record, "attach");
  using signals = new SignalProxy();
  if (await stay(record, client, state.run.pid, options, signals, true)) {
    emitContainerEvent(record, "detach");
    return undefined;
  }
  return (client.exit ?? readExit(containerDirectory(id)))?.code ?? LOST_EXIT_CODE;
}

/** Pumps until the container ends (false) or the user detaches (true). */
async function stay(
  record: ContainerRecord,
  client: MonitorClient,
  pid: number,
  options: AttachOptions,
  signals: SignalProxy,
  redraw = false,
): Promise<boolean> {
  const { attach, tty } = options;
  const keys = parseDetachKeys(options.detachKeys);
  using scope = new DisposableStack();
  const withTerminal = tty && attach.stdin && isTerminal(STDIN_FD);
  if (withTerminal) {
    const raw = scope.use(rawMode(STDIN_FD));
    scope.use(endOnSignals(() => raw[Symbol.dispose]()));
  }
  if (passesSignals(options)) signals.sendTo(pid);
  const stop = { now: false };
  scope.defer(() => stop.now = true);
  const consoles = Promise.withResolvers<Fd>();
  const input = attach.stdin
    ? pumpInput(client, tty ? consoles.promise : undefined, new DetachFilter(tty ? keys : []), stop)
    : new Promise<boolean>(() => {});
  const output = pumpOutput(client, attach, (master) => {
    scope.use(
      forwardWindowSize(
        master,
        redraw,
        ({ height, width }) =>
          emitContainerEvent(record, "resize", { height: String(height), width: String(width) }),
      ),
    );
    consoles.resolve(master);
  });
  // Of the two only the input tells of detach keys; its plain end is no end of ours.
  const detached = input.then((keysTyped) => keysTyped || new Promise<boolean>(() => {}));
  return await Promise.race([detached, output.then(() => false)]);
}

/** Output of the container to our streams, until it ends or its monitor does. */
async function pumpOutput(
  client: MonitorClient,
  attach: AttachOptions["attach"],
  onMaster: (master: Fd) => void,
): Promise<void> {
  const streams: Partial<Record<number, Output>> = {
    ...(attach.stdout ? { [STDOUT]: new Output(1) } : {}),
    ...(attach.stderr ? { [STDERR]: new Output(2) } : {}),
  };
  for (;;) {
    const packet = await nextPacket(client, () => flushAll(streams));
    if (packet === undefined) break;
    if (packet.kind === CONSOLE && client.master) onMaster(client.master);
    if (packet.kind === EXITED) break;
    const stream = streams[packet.kind];
    if (stream === undefined) continue;
    // In order: what one stream holds is written before the other one gets something.
    for (const other of Object.values(streams)) if (other !== stream) await other?.flush();
    await stream.add(packet.bytes);
  }
  await flushAll(streams);
}

/** Hands a container's output to `take`, until it ends or its monitor does. */
export async function followOutput(
  { started: { client } }: StartedContainer,
  take: (stream: "stdout" | "stderr", bytes: Uint8Array<ArrayBuffer>) => void,
): Promise<void> {
  for (;;) {
    const packet = await nextPacket(client);
    if (packet === undefined || packet.kind === EXITED) return;
    if (packet.kind === STDOUT) take("stdout", packet.bytes);
    else if (packet.kind === STDERR) take("stderr", packet.bytes);
  }
}

async function flushAll(streams: Partial<Record<number, Output>>): Promise<void> {
  for (const stream of Object.values(streams)) await stream?.flush();
}

/**
 * Our stdin to the container's, or to its terminal. Resolves to true when the detach keys were
 * typed, to false at the end of the input.
 */
async function pumpInput(
  client: MonitorClient,
  master: Promise<Fd> | undefined,
  filter: DetachFilter,
  stop: { now: boolean },
): Promise<boolean> {
  const buffer = new Uint8Array(INPUT_BYTES);
  const target = master === undefined ? client.stdin : await master;
  while (target !== undefined && !stop.now) {
    // Waiting apart from reading: what is typed after the container's end is the shell's.
    const [events] = await poll([{ fd: STDIN_FD, events: POLLIN }]);
    if (events === 0 || stop.now) continue;
    const count = readInto({ raw: STDIN_FD }, buffer);
    if (count <= 0) break;
    const { pass, detach } = filter.push(buffer.subarray(0, count));
    if (!await writeAllAsync(target, pass)) break;
    if (detach) return true;
  }
  if (master === undefined && !stop.now) {
    client.stdin?.[Symbol.dispose]();
    client.stdin = undefined;
  }
  return false;
}
