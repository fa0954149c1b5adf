/** Attaching somebody whose streams are not this program's: a client of the API. */
import type { Fd } from "../../ffi/fd.ts";
import { setWindowSize, type WindowSize } from "../../ffi/tty.ts";
import { UserError } from "../base/errors.ts";
import { containerRunDirectory, waitingDirectory, waitingPrefix } from "../base/places.ts";
import { attachMonitored, MonitorClient } from "../runtime/monitor.ts";
import { CONSOLE, EXITED, HELLO, STDERR, STDOUT } from "../runtime/monitor_protocol.ts";
import { waitForStarts, type WaitingClient } from "../runtime/monitor_waiting.ts";
import { lockContainer, readRecord } from "./containers.ts";
import { DetachFilter } from "./detach_keys.ts";
import { emitContainerEvent } from "./events.ts";
import { nextPacket } from "./next_packet.ts";
import { writeAllAsync } from "./output_stream.ts";
import { restartingText } from "./restart_policy.ts";
import { stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Chunks that are there together are passed on together, up to so many bytes. */
const GATHERED_BYTES = 64 * 1024;

/** The client's two directions. */
export interface ClientStream {
  /** What the client sends; undefined when it sends no more. */
  read(): Promise<Bytes | undefined>;
  /** Output of stream 1 or 2. Throws when nobody reads any more. */
  write(stream: number, bytes: Bytes): Promise<void>;
}

/** Which streams a client wants. */
export interface StreamWish {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Bytes that mean "let me go" when they are typed on a terminal. */
  readonly detachKeys: readonly number[];
}

/**
 * Attaches a client to container `id`: now if it runs, else as soon as it starts, and then nothing
 * that it writes is missed. Throws UserError with docker's texts.
 */
export function attachClient(id: string, wish: StreamWish): Attachment {
  using _lock = lockContainer(id);
  const record = readRecord(id);
  const state = stateOf(id);
  if (state.kind === "running" && state.paused) {
    throw new UserError(
      `container ${record.Name.slice(1)} is paused, unpause the container before attach`,
    );
  }
  if (state.kind === "restarting") throw new UserError(restartingText(id));
  const source = state.kind === "running"
    ? attachMonitored(containerRunDirectory(id))
    : waitForStarts(waitingDirectory(), waitingPrefix(id), wish.stdin && record.Config.OpenStdin);
  if (source === undefined) {
    throw new UserError(`Cannot attach to "${id}": its monitor is gone or has too many clients`);
  }
  emitContainerEvent(record, "attach");
  return new Attachment(record, wish, source);
}

/** Gives a running container's terminal a size. Throws UserError where there is none. */
export function resizeTerminal(id: string, size: WindowSize): void {
  const record = readRecord(id);
  if (stateOf(id).kind !== "running") throw new UserError(`Container ${id} is not running`);
  if (!record.Config.Tty) return; // docker's daemon does not mind
  using client = attachMonitored(containerRunDirectory(id));
  while (client !== undefined && client.master === undefined) {
    if (client.receive() === undefined) break;
  }
  if (client?.master === undefined) {
    throw new UserError(`Cannot resize the terminal of "${id}": its monitor is gone or busy`);
  }
  setWindowSize(client.master, size);
  emitContainerEvent(record, "resize", {
    height: String(size.height),
    width: String(size.width),
  });
}

/** A client that is in, or will be as soon as the container starts. */
class Attachment implements Disposable {
  #target = Promise.withResolvers<Fd | undefined>();
  #client: MonitorClient | undefined;

  constructor(
    readonly record: ContainerRecord,
    readonly wish: StreamWish,
    readonly source: MonitorClient | WaitingClient,
  ) {}

  /**
   * Passes bytes until the container ends, or the client detaches by its keys. Output from before
   * `since` is left out: it has been shown from the log. Throws what `stream` throws.
   */
  async pump(stream: ClientStream, since = 0n): Promise<void> {
    const shown = this.#show(stream, since);
    const typed = this.wish.stdin ? this.#type(stream) : new Promise<boolean>(() => {});
    // Of the two only the input tells of detach keys; its plain end is no end of ours.
    const detached = typed.then((byKeys) => byKeys || new Promise<boolean>(() => {}));
    if (await Promise.race([shown.then(() => false), detached])) {
      emitContainerEvent(this.record, "detach");
    }
  }

  async #show(stream: ClientStream, since: bigint): Promise<void> {
    for (;;) {
      const isThere = this.source instanceof MonitorClient;
      const client = this.source instanceof MonitorClient
        ? this.source
        : new MonitorClient(await this.source.next(), undefined);
      this.#client = client;
      if (await this.#showOne(client, stream, since) || isThere) return;
      // A start that failed: another one may come.
      client[Symbol.dispose]();
      this.#target = Promise.withResolvers();
    }
  }

  /** Whether the container ran, and ended. */
  async #showOne(client: MonitorClient, stream: ClientStream, since: bigint): Promise<boolean> {
    const { stdout, stderr } = this.wish;
    const gathered = new Gatherer(stream);
    const isTerminal = this.record.Config.Tty;
    // One that was there had its greeting before, and its stdin with it.
    if (this.source === client && !isTerminal) this.#target.resolve(client.stdin);
    for (;;) {
      const packet = await nextPacket(client, () => gathered.flush());
      if (packet === undefined) return false;
      const { kind, bytes, timeNs } = packet;
      if (kind === HELLO && !isTerminal) this.#target.resolve(client.stdin);
      if (kind === CONSOLE) this.#target.resolve(client.master);
      if (kind === EXITED) break;
      const isWanted = (kind === STDOUT && stdout) || (kind === STDERR && stderr);
      if (isWanted && timeNs > since) await gathered.add(kind, bytes);
    }
    await gathered.flush();
    return true;
  }

  /** What the client sends, to the container: true at the detach keys, false at the end. */
  async #type(stream: ClientStream): Promise<boolean> {
    const isTerminal = this.record.Config.Tty;
    const filter = new DetachFilter(isTerminal ? this.wish.detachKeys : []);
    for (;;) {
      const typed = await stream.read();
      if (typed === undefined) break;
      const { pass, detach } = filter.push(typed);
      const target = await this.#target.promise;
      if (target !== undefined && !await writeAllAsync(target, pass)) break;
      if (detach) return true;
    }
    // The end of the input is the container's too; a terminal has none.
    if (!isTerminal) (await this.#target.promise)?.[Symbol.dispose]();
    return false;
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
    this.source[Symbol.dispose]();
  }
}

/** Puts chunks of one stream together; streams keep their order among one another. */
class Gatherer {
  readonly #bytes = new Uint8Array(GATHERED_BYTES);
  #length = 0;
  #stream = STDOUT;
  constructor(readonly stream: ClientStream) {}

  async add(stream: number, bytes: Bytes): Promise<void> {
    if (stream !== this.#stream || this.#length + bytes.length > GATHERED_BYTES) await this.flush();
    this.#stream = stream;
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  async flush(): Promise<void> {
    if (this.#length === 0) return;
    const bytes = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    await this.stream.write(this.#stream, bytes);
  }
}
