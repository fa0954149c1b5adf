/**
 * Bad networks on demand: what a container sends is slowed down, delayed or lost (--net-rate,
 * --net-delay, --net-loss). Rate and delay are queueing disciplines of the container's end of the
 * veth pair (tc-tbf(8), tc-netem(8)), spoken to the kernel by netlink.
 */
import { type BpfInsn, insn, loadProgram } from "../../ffi/bpf.ts";
import { ENOENT } from "../../ffi/errno.ts";
import type { Netlink } from "../../ffi/netlink.ts";
import type { BodyWriter, Message } from "../../ffi/netlink_message.ts";
import { addClsact, addProgram, setQdisc } from "../../ffi/traffic_control.ts";
import { UserError } from "../base/errors.ts";

/** What becomes of the packets a container sends; absent: nothing of the kind. */
export interface Shaping {
  readonly rateBits?: number;
  readonly delayMicros?: number;
  readonly lossPercent?: number;
}

const ROOT_HANDLE = 0x10000; // 1:
const NETEM_CHILD = 0x10001; // 1:1
const CHILD_HANDLE = 0x100000; // 10:

/** Packets that may wait for their time: 10,000 of 1,500 bytes are 100 ms at 1.2 Gbit/s. */
const NETEM_LIMIT = 10_000;
const TCA_NETEM_LATENCY64 = 10;
/** The kernel's old unit of time: 64 ns. */
const TICK_SHIFT = 6n;
const MAX_U32 = 0xffff_ffff;

/** A part of all 2^32 random numbers. */
function share(percent: number): number {
  return Math.min(MAX_U32, Math.round(percent / 100 * 2 ** 32));
}

/** struct tc_netem_qopt, then the delay again in nanoseconds, for more than 274 s. */
export function netemOptions(shaping: Shaping): (writer: BodyWriter) => void {
  const nanoseconds = BigInt(shaping.delayMicros ?? 0) * 1000n;
  const ticks = nanoseconds >> TICK_SHIFT;
  return (writer) =>
    writer.u32(Number(ticks > BigInt(MAX_U32) ? BigInt(MAX_U32) : ticks))
      .u32(NETEM_LIMIT)
      .u32(share(shaping.lossPercent ?? 0))
      .u32(0).u32(0).u32(0) // gap, duplicate, jitter
      .attribute(TCA_NETEM_LATENCY64, (w) => w.u64(nanoseconds));
}

const TCA_TBF_PARMS = 1;
const TCA_TBF_RATE64 = 4;
const TCA_TBF_BURST = 6;
const TC_LINKLAYER_ETHERNET = 1;
/** At least this much is sent at once: a packet of 64 KiB that the kernel cuts later. */
const MIN_BURST_BYTES = 65_536;
const BURST_SECONDS = 0.01;
const QUEUE_SECONDS = 0.1;

/** The token bucket: a burst of 10 ms, a queue of 100 ms. */
export function tbfOptions(rateBits: number): (writer: BodyWriter) => void {
  const bytesPerSecond = Math.max(1, Math.round(rateBits / 8));
  const clamp = (bytes: number) => Math.min(2 ** 30, Math.round(bytes));
  const burst = clamp(Math.max(MIN_BURST_BYTES, bytesPerSecond * BURST_SECONDS));
  const limit = clamp(burst + Math.max(MIN_BURST_BYTES, bytesPerSecond * QUEUE_SECONDS));
  const rate = (w: BodyWriter, bytes: number) =>
    w.u8(0).u8(bytes > 0 ? TC_LINKLAYER_ETHERNET : 0).u16(0).u16(0).u16(0)
      .u32(Math.min(bytes, MAX_U32));
  return (writer) => {
    writer.attribute(TCA_TBF_PARMS, (w) => {
      rate(w, bytesPerSecond);
      rate(w, 0); // no peak rate
      w.u32(limit).u32(0).u32(0);
    });
    writer.attributeU32(TCA_TBF_BURST, burst);
    if (bytesPerSecond > MAX_U32) {
      writer.attribute(TCA_TBF_RATE64, (w) => w.u64(bytesPerSecond));
    }
  };
}

const BPF_PROG_TYPE_SCHED_CLS = 3;
const GET_PRANDOM_U32 = 7;
const TC_ACT_OK = 0;
const TC_ACT_SHOT = 2;
const CALL = 0x85;
const JGE32_K = 0x36; // BPF_JMP32 | BPF_JGE | BPF_K, unsigned
const MOV64_K = 0xb7;
const EXIT = 0x95;

/** Loses packets where there is no netem: a random number decides about each. */
export function lossProgram(percent: number): BpfInsn[] {
  const answer = (verdict: number) => [insn(MOV64_K, 0, 0, 0, verdict), insn(EXIT, 0, 0, 0, 0)];
  if (percent >= 100) return answer(TC_ACT_SHOT);
  return [
    insn(CALL, 0, 0, 0, GET_PRANDOM_U32),
    insn(JGE32_K, 0, 0, 2, share(percent) | 0),
    ...answer(TC_ACT_SHOT),
    ...answer(TC_ACT_OK),
  ];
}

/** The two ends of a container's interface. */
export interface ShapedLink {
  readonly host: Netlink;
  /** The number of the host's end. */
  readonly hostIndex: number;
  readonly inside: Netlink;
  /** The number of the container's end. */
  readonly index: number;
}

/** Sends one request; false where the kernel does not know the discipline. */
function tryQdisc(netlink: Netlink, message: Message): boolean {
  const refused = netlink.tryBatch([message]);
  if (refused === undefined) return true;
  if (refused.errno === ENOENT) return false;
  throw refused;
}

function limitRate(link: ShapedLink, rateBits: number, parent?: number): void {
  const message = setQdisc({
    goal: "limit the rate of an interface",
    index: link.index,
    kind: "tbf",
    handle: parent === undefined ? ROOT_HANDLE : CHILD_HANDLE,
    parent,
    fill: tbfOptions(rateBits),
  });
  if (tryQdisc(link.inside, message)) return;
  throw new UserError(
    "Cannot limit what a container sends: this kernel has no tbf (CONFIG_NET_SCH_TBF)",
    125,
  );
}

/** On the host's end, where the container cannot take it away. */
function loseByProgram(link: ShapedLink, percent: number): void {
  const goal = "load the program that loses packets";
  using program = loadProgram(goal, BPF_PROG_TYPE_SCHED_CLS, lossProgram(percent));
  link.host.batch([
    addClsact(link.hostIndex),
    addProgram({
      index: link.hostIndex,
      way: "in",
      programFd: program.raw,
      name: "diplodock-loss",
    }),
  ]);
}

/** Makes an interface as bad as asked. Throws UserError where the kernel cannot. */
export function shape(link: ShapedLink, shaping: Shaping): void {
  const { rateBits, delayMicros, lossPercent } = shaping;
  let parent: number | undefined;
  if (delayMicros || lossPercent) {
    const netem = setQdisc({
      goal: "delay the packets of an interface",
      index: link.index,
      kind: "netem",
      handle: ROOT_HANDLE,
      fill: netemOptions(shaping),
    });
    if (tryQdisc(link.inside, netem)) parent = NETEM_CHILD;
    else if (delayMicros) {
      throw new UserError(
        "Cannot delay what a container sends: this kernel has no netem (CONFIG_NET_SCH_NETEM)",
        125,
      );
    } else loseByProgram(link, lossPercent!);
  }
  if (rateBits) limitRate(link, rateBits, parent);
}
