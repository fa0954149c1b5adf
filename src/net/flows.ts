/**
 * Flows that the kernel remembers. Rules decide about the first packet of a flow only: a client that
 * goes on sending datagrams would be led for ever where its first one went, to an address that is
 * another container's by now, or to nobody. So what is known of a port is forgotten when it is
 * published or taken back. Source: linux/netfilter/nfnetlink_conntrack.h.
 */
import { AF_NETLINK, IPPROTO_UDP, NETLINK_NETFILTER, NFGENMSG_BYTES } from "../../ffi/constants.ts";
import { ENOENT, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { addressFamily } from "../../ffi/inet.ts";
import { sys } from "../../ffi/libc.ts";
import { Netlink, SOCK_RAW_CLOEXEC } from "../../ffi/netlink.ts";
import {
  BodyWriter,
  type Message,
  NLM_F_DUMP,
  parseAttributes,
} from "../../ffi/netlink_message.ts";
import { isUnspecified, parseIp, sameIp, versionOf } from "./address.ts";
import type { HostPort } from "./ports.ts";

/** NFNL_SUBSYS_CTNETLINK with IPCTNL_MSG_CT_GET and IPCTNL_MSG_CT_DELETE. */
const GET = (1 << 8) | 1, DELETE = (1 << 8) | 2;
const CTA_TUPLE_ORIG = 1, CTA_ID = 12, CTA_FILTER = 25;
const CTA_TUPLE_IP = 1, CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_DST = 2, CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1, CTA_PROTO_DST_PORT = 3;
const CTA_FILTER_ORIG_FLAGS = 1, CTA_FILTER_REPLY_FLAGS = 2;
const FILTER_PROTO_NUM = 1 << 3, FILTER_PROTO_DST_PORT = 1 << 5;

/** A flow as the kernel names it. */
export interface Flow {
  readonly protocol: number;
  /** Where its first packet was sent to. */
  readonly destination: Uint8Array;
  readonly port: number;
  /** The attributes that name it, as the kernel wrote them. */
  readonly tuple: Uint8Array;
  readonly id: Uint8Array | undefined;
}

function request(family: number): BodyWriter {
  return new BodyWriter().u8(family).u8(0).u16(0); // struct nfgenmsg
}

/** Asks for the flows of datagrams to a port; kernels before 5.8 tell of all flows. */
function listFlows(family: number, port: number): Message {
  const body = request(family);
  body.nest(CTA_TUPLE_ORIG, (tuple) => {
    tuple.nest(CTA_TUPLE_PROTO, (proto) => {
      proto.attributeU8(CTA_PROTO_NUM, IPPROTO_UDP);
      proto.attributeBytes(CTA_PROTO_DST_PORT, new Uint8Array([port >> 8, port & 0xff]));
    });
  });
  body.nest(CTA_FILTER, (filter) => {
    filter.attributeU32(CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM | FILTER_PROTO_DST_PORT);
    filter.attributeU32(CTA_FILTER_REPLY_FLAGS, 0);
  });
  return { goal: "list flows", type: GET, flags: NLM_F_DUMP, body: body.done() };
}

/** A flow from the kernel's answer; undefined for what has no ports. */
export function parseFlow(body: Uint8Array): Flow | undefined {
  const attributes = parseAttributes(body.subarray(NFGENMSG_BYTES));
  const tuple = attributes.get(CTA_TUPLE_ORIG);
  const parts = tuple && parseAttributes(tuple);
  const ip = parts?.get(CTA_TUPLE_IP), proto = parts?.get(CTA_TUPLE_PROTO);
  if (tuple === undefined || ip === undefined || proto === undefined) return undefined;
  const addresses = parseAttributes(ip), numbers = parseAttributes(proto);
  const destination = addresses.get(CTA_IP_V4_DST) ?? addresses.get(CTA_IP_V6_DST);
  const port = numbers.get(CTA_PROTO_DST_PORT);
  if (destination === undefined || port === undefined) return undefined;
  const protocol = numbers.get(CTA_PROTO_NUM)?.[0] ?? 0;
  return {
    protocol,
    destination,
    port: port[0] * 256 + port[1],
    tuple,
    id: attributes.get(CTA_ID),
  };
}

/** Is the flow one to a published port of the host? */
export function leadsTo(flow: Flow, { protocol, hostIp, hostPort }: HostPort): boolean {
  const ip = parseIp(hostIp)!;
  return protocol === "udp" && flow.protocol === IPPROTO_UDP && flow.port === hostPort &&
    flow.destination.length === ip.length && (isUnspecified(ip) || sameIp(ip, flow.destination));
}

function deleteFlow(family: number, { tuple, id }: Flow): Message {
  const body = request(family);
  body.nest(CTA_TUPLE_ORIG, (writer) => writer.raw(tuple));
  if (id !== undefined) body.attributeBytes(CTA_ID, id);
  const goal = "forget a flow";
  return { goal, type: DELETE, flags: 0, body: body.done(), allow: [ENOENT] };
}

/**
 * Makes the kernel forget the flows of datagrams to these ports, so that their next packets go
 * where the rules say now. A kernel that does not tell of flows keeps them for 30 seconds of
 * silence.
 */
export function forgetFlows(ports: readonly HostPort[]): void {
  const datagrams = ports.filter(({ protocol }) => protocol === "udp");
  if (datagrams.length === 0) return;
  const raw = sys("socket", AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER);
  if (raw < 0) return;
  using netlink = new Netlink(new Fd(raw));
  for (const port of datagrams) {
    const family = addressFamily(versionOf(port.hostIp));
    try {
      const flows = netlink.ask(listFlows(family, port.hostPort))
        .flatMap((body) => parseFlow(body) ?? []).filter((flow) => leadsTo(flow, port));
      if (flows.length > 0) netlink.batch(flows.map((flow) => deleteFlow(family, flow)));
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error; // it has no list of flows
    }
  }
}
