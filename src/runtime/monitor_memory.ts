/** The variables and structures of the monitor's program. */
import { POLLIN, SCM_RIGHTS, SIGKILL, SOL_SOCKET } from "../../ffi/constants.ts";
import { StructWriter } from "../../ffi/bytes.ts";
import {
  addressIn,
  assign,
  type Block,
  block,
  type Place,
  placeIn,
  slot,
  type Step,
} from "../../ffi/program.ts";
import {
  CONSOLE,
  EXIT_BYTES,
  EXITED,
  FOOTER_BYTES,
  HEADER_BYTES,
  HELLO,
  LOST_STATUS,
  MARK,
} from "./monitor_protocol.ts";
import type { MonitorPlan } from "./monitor_plan.ts";

/** Clients that may be attached at once; the first is the one that started the container. */
export const MAX_CLIENTS = 6;
/** Where a header has its length. */
const LENGTH_OFFSET = 16;
/** Descriptor variables hold this while they hold none. */
export const NONE = -1;

/** Enough to empty two pipes of the greatest size a user may give them, 1 MiB. */
const DRAIN_ROUNDS = 256;

/**
 * What the main loop waits for, in the order in which it looks: clients that were there before the
 * container's first process see all that it writes.
 */
export const WATCHED = ["control", "stdout", "stderr", "init", "timer"] as const;
export type Watched = typeof WATCHED[number];

/** struct pollfd of nothing: descriptor -1, no events. poll(2) skips it. */
const NO_ENTRY = 0xffff_ffffn;

function entry(fd: number, events: number): bigint {
  return fd < 0 ? NO_ENTRY : BigInt(fd) | BigInt(events) << 32n;
}

/** struct msghdr of `parts`, whose control data (one descriptor) is `rights`. */
function message(name: string, parts: Block, count: number, rights?: Block): Block {
  const bytes = new StructWriter(56).u64(0).u64(0).u64(0).u64(count).u64(0)
    .u64(rights?.bytes.length ?? 0).u64(0).done();
  const pointers = [{ offset: 16, to: addressIn(parts) }];
  if (rights) pointers.push({ offset: 32, to: addressIn(rights) });
  return block(name, bytes, pointers);
}

/** One part of a message or record: so many bytes of a block, from `offset` on. */
interface Part {
  readonly of: Block;
  readonly length: number;
  readonly offset?: number;
}

/** struct iovec[] of parts. */
function vector(name: string, parts: readonly Part[]): Block {
  const out = new StructWriter(parts.length * 16);
  for (const { length } of parts) out.u64(0).u64(length);
  const pointers = parts.map(({ of, offset }, i) => ({
    offset: i * 16,
    to: addressIn(of, offset),
  }));
  return block(name, out.done(), pointers);
}

/** struct cmsghdr with room for one descriptor, at offset 16. */
function rights(name: string): Block {
  return block(name, new StructWriter(24).u64(20).u32(SOL_SOCKET).u32(SCM_RIGHTS).u64(0).done());
}

/** A packet whose text is the block `text`; its time stays 0. */
function packet(name: string, kind: number, text: Block, withRights?: Block): Block {
  const length = text.bytes.length;
  const header = new StructWriter(HEADER_BYTES).pad(12).u32(MARK + kind).u32(length).done();
  const parts = vector(`${name} parts`, [
    { of: block(`${name} header`, header), length: HEADER_BYTES },
    { of: text, length },
  ]);
  return message(name, parts, 2, withRights);
}

/** All state of one monitor. A new one for each program: blocks are identities. */
export class MonitorMemory {
  readonly pid = slot("pid");
  readonly pidfd = slot("pidfd");
  readonly helper = slot("helper");
  readonly timer = slot("timer", NONE);
  /** The pages that only init's steps are on. */
  readonly initSteps = slot("init's steps");
  readonly initStepsLength = slot("length of init's steps");
  readonly scratchFd = slot("scratch descriptor");
  readonly scratchLength = slot("scratch length");
  readonly timerCount = slot("timer count");
  /** Rounds left for draining, and what a round costs: nothing while init lives. */
  readonly rounds = slot("rounds", DRAIN_ROUNDS);
  readonly roundCost = slot("round cost");

  /** Sockets of attached clients. */
  readonly clients: readonly Place[];
  readonly sent = slot("sent");

  // The chunk that is on its way: header, text, and the length again.
  readonly header: Block = block("header", new Uint8Array(24));
  readonly stream = slot("stream");
  readonly record: Block;
  readonly chunkAddress: Place;
  readonly chunkLength: Place;
  readonly chunkPacket: Block;

  readonly log: Place;
  readonly logSize = slot("log size");
  readonly recordLength = slot("record length");
  readonly negative = slot("negative");

  readonly exit: Block = block(
    "exit record",
    new StructWriter(EXIT_BYTES).u64(LOST_STATUS).u64(0).u64(0).done(),
  );
  readonly reaped = slot("reaped");
  /** Where to go on after init was reaped: number of a client, or MAX_CLIENTS for the end. */
  readonly resume = slot("resume");
  readonly acknowledged = slot("acknowledged");

  readonly poll: Block;
  readonly pollIdle: Block;
  /** The timeout of the main poll: NULL, or the address of `noTime` when draining. */
  readonly pollTimeout = slot("poll timeout");
  readonly noTime: Block = block("no time", new Uint8Array(16));
  readonly writable: Block = block("writable", new Uint8Array(16));
  /** The poll entry of init's pidfd until init is reaped. */
  readonly initEntry = slot("init entry", NO_ENTRY);
  readonly noEntry = NO_ENTRY;

  readonly timerSpec: Block;
  readonly stopSignal: Place;

  readonly hello: Block;
  readonly goodbye: Block;
  readonly sendConsole: Block;
  readonly sentConsole: Place;
  readonly receiveConsole: Block;
  readonly receivedConsole: Place;
  readonly receiveClient: Block;
  readonly receivedClient: Place;

  constructor(plan: MonitorPlan) {
    const { fds, stdio, timeout } = plan;
    this.clients = Array.from(
      { length: MAX_CLIENTS },
      (_, i) => slot(`client ${i}`, i === 0 ? fds.client : NONE),
    );
    const text = block("text", new Uint8Array(0));
    this.record = vector("record", [
      { of: this.header, length: HEADER_BYTES },
      { of: text, length: 0 },
      { of: this.header, length: FOOTER_BYTES, offset: LENGTH_OFFSET },
    ]);
    this.chunkAddress = placeIn(this.record, 16);
    this.chunkLength = placeIn(this.record, 24);
    this.chunkPacket = message("chunk", this.record, 2);
    this.log = slot("log", fds.log);
    const pipes = stdio.kind === "pipes" ? stdio : undefined;
    const entries = [fds.control, pipes?.stdout.read ?? -1, pipes?.stderr.read ?? -1, -1, -1];
    const watched = new StructWriter(8 * WATCHED.length);
    for (const fd of entries) watched.u64(entry(fd, POLLIN));
    this.poll = block("poll", watched.done());
    this.pollIdle = block("poll idle", watched.done().slice());
    this.timerSpec = block(
      "run time",
      new StructWriter(32).u64(timeout?.graceSeconds ?? 0).u64(timeout?.graceSeconds ? 0 : 1)
        .u64(timeout?.seconds ?? 0).u64(0).done(),
    );
    this.stopSignal = slot("stop signal", timeout?.signal ?? SIGKILL);
    this.hello = packet("hello", HELLO, this.pid.block);
    this.goodbye = packet("goodbye", EXITED, this.exit);
    const sent = rights("terminal to send");
    this.sendConsole = packet("terminal", CONSOLE, block("terminal text", new Uint8Array(1)), sent);
    this.sentConsole = placeIn(sent, 16);
    [this.receiveConsole, this.receivedConsole] = receiver("terminal to receive", 256);
    [this.receiveClient, this.receivedClient] = receiver("client to receive", 8);
  }

  /** The poll entry of `what`, and what it is without events. */
  entries(what: Watched): [entry: Place, idle: Place] {
    const offset = WATCHED.indexOf(what) * 8;
    return [placeIn(this.poll, offset), placeIn(this.pollIdle, offset)];
  }

  /** From here on the main loop waits for `fd` to become readable; two steps. */
  watch(what: Watched, fd: Place): Step[] {
    const [now, idle] = this.entries(what);
    const goal = `wait for ${what}`;
    // fd - (-(POLLIN << 32)): the entry's two fields at once.
    const events = -(BigInt(POLLIN) << 32n);
    const step = (result: Place): Step => ({
      call: "subtract",
      args: [fd, events],
      goal,
      result,
      onNegative: "next",
    });
    return [step(now), step(idle)];
  }

  /** Takes `what` out of the poll; two steps. */
  unwatch(what: Watched): Step[] {
    const goal = `wait no longer for ${what}`;
    return this.entries(what).map((place) => assign(place, NO_ENTRY, goal));
  }

  /** Sends one packet; a failure changes nothing. */
  send(client: Place, packet: Block, flags: number, goal: string): Step {
    return {
      call: "sendmsg",
      args: [client, addressIn(packet), flags],
      goal,
      onNegative: "next",
    };
  }
}

/** struct msghdr that receives up to `size` bytes and one descriptor, and where that will be. */
function receiver(name: string, size: number): [Block, Place] {
  const received = rights(name);
  const text = block(`${name} text`, new Uint8Array(size));
  const made = message(name, vector(`${name} parts`, [{ of: text, length: size }]), 1, received);
  return [made, placeIn(received, 16)];
}
