/**
 * The rtnetlink requests about packets on a link's way: queueing disciplines and programs. Pure;
 * names and numbers as in linux/pkt_sched.h and linux/pkt_cls.h.
 */
import { AF_UNSPEC } from "./constants.ts";
import { EEXIST } from "./errno.ts";
import {
  BodyWriter,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from "./netlink_message.ts";

const RTM_NEWQDISC = 36;
const RTM_NEWTFILTER = 44;
const TC_H_ROOT = 0xffffffff;
const TC_H_CLSACT = 0xfffffff1;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;

function qdisc(index: number, handle: number, parent: number, kind: string): BodyWriter {
  const body = new BodyWriter().u8(AF_UNSPEC).u8(0).u16(0).u32(index).u32(handle).u32(parent).u32(
    0,
  );
  return body.attributeText(TCA_KIND, kind);
}

/** A queueing discipline at `parent` (default: the root), replacing what is there. */
export function setQdisc(options: {
  goal: string;
  index: number;
  kind: string;
  handle: number;
  parent?: number;
  /** Fills TCA_OPTIONS; `netem` has its structure there, others attributes. */
  fill?: (writer: BodyWriter) => void;
}): Message {
  const body = qdisc(options.index, options.handle, options.parent ?? TC_H_ROOT, options.kind);
  if (options.fill !== undefined) body.attribute(TCA_OPTIONS, options.fill);
  const flags = NLM_F_CREATE | NLM_F_REPLACE;
  return { goal: options.goal, type: RTM_NEWQDISC, flags, body: body.done() };
}

/** The hook for programs on a link's way in and out. */
export function addClsact(index: number): Message {
  const body = qdisc(index, 0xffff0000, TC_H_CLSACT, "clsact").done();
  const flags = NLM_F_CREATE | NLM_F_EXCL;
  return { goal: "hook into an interface", type: RTM_NEWQDISC, flags, body, allow: [EEXIST] };
}

const TC_H_MIN = { in: 0xfff2, out: 0xfff3 };
const ETH_P_ALL_BE = 0x0300;
const TCA_CHAIN = 11;
const TCA_BPF_CLASSID = 3;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
const TCA_BPF_FLAG_ACT_DIRECT = 1;

/** A BPF program on a link's way. */
export interface LinkProgram {
  readonly index: number;
  readonly way: "in" | "out";
  readonly programFd: number;
  readonly name: string;
  /** A number of 16 bits that the program can read (`tc_classid`). */
  readonly number?: number;
  /** The chain of filters; packets come to the first, 0, only. */
  readonly chain?: number;
}

/** Runs a BPF program on every packet that comes in or goes out by a link; `addClsact` first. */
export function addProgram(program: LinkProgram): Message {
  const { index, way, programFd, name, number, chain } = program;
  const parent = ((0xffff << 16) | TC_H_MIN[way]) >>> 0;
  const info = ((1 << 16) | ETH_P_ALL_BE) >>> 0; // priority 1, every protocol
  const body = new BodyWriter().u8(AF_UNSPEC).u8(0).u16(0).u32(index).u32(1).u32(parent).u32(info);
  body.attributeText(TCA_KIND, "bpf");
  if (chain !== undefined) body.attributeU32(TCA_CHAIN, chain);
  body.nest(TCA_OPTIONS, (w) => {
    w.attributeU32(TCA_BPF_FD, programFd).attributeText(TCA_BPF_NAME, name);
    w.attributeU32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    if (number !== undefined) w.attributeU32(TCA_BPF_CLASSID, number);
  });
  const flags = NLM_F_CREATE | NLM_F_REPLACE;
  return { goal: "set a program on an interface", type: RTM_NEWTFILTER, flags, body: body.done() };
}
