/**
 * What the programs of the names have in common: where the fields of a packet are, and where they
 * keep them on their stack. RFC 791, 768, 9293, 1035; linux/bpf.h.
 */
import { type Assembler, FP, R0, R1, R2, R3, R4, R5, R6, R7, R8 } from "../../ffi/bpf_assembler.ts";

/** Two bytes in network order, as a program loads them. */
export const network16 = (value: number) => ((value & 0xff) << 8) | (value >> 8);

/** 127.0.0.11, as a program loads it: the machine's order is the other one. */
export const DNS_SERVER_LOADED = 0x0b00007f;
export const DNS_PORT = network16(53);
/** The number of a namespace's loopback interface. */
export const LOOPBACK_INDEX = 1;
export const UDP = 17;
export const TCP = 6;

/** Answers of a program to the kernel: linux/pkt_cls.h. */
export const TC_ACT_OK = 0;

/** Fields of struct __sk_buff. */
const SKB_PROTOCOL = 16;
/** The number that the filter was given, of 16 bits: who the container is. */
export const SKB_CLASSID = 72;
export const SKB_LENGTH = 0;
const ETH_P_IP = network16(0x0800);

/** Bytes of the Ethernet header, before the packet proper. */
export const ETHERNET = 14;

/** Fields from the IP header on; there are no options in it. */
export const IP = {
  versionAndLength: 0,
  totalLength: 2,
  fragment: 6,
  protocol: 9,
  checksum: 10,
  source: 12,
  destination: 16,
} as const;
export const PORTS = { source: 20, destination: 22 } as const;
export const UDP_FIELD = { length: 24, checksum: 26 } as const;
export const TCP_FIELD = { flags: 33, checksum: 36 } as const;
export const DNS = {
  id: 28,
  /** QR, opcode, AA, TC, RD. */
  flags: 30,
  /** RA, Z, AD, CD, response code. */
  moreFlags: 31,
  questions: 32,
  answers: 34,
  authorities: 36,
  additional: 38,
} as const;
/** The bit of `flags` that an answer has. */
export const QUERY_RESPONSE = 0x80;
/** All of that: also the least that a TCP packet has. */
export const HEADER_BYTES = 40;
/** Where the question is, from the Ethernet header on. */
export const QUESTION_AT = ETHERNET + HEADER_BYTES;

/** The stack below the frame pointer: the headers, and what is made of the question. */
export const STACK = {
  packet: -40,
  /** A key of the map of names: the scope, then the name in lower case, zeros after it. */
  key: -168,
  /** Type and class of the question. */
  type: -172,
  /** A record that is being made; its address lies on 8 bytes. */
  record: -204,
  flowKey: -216,
  flow: -232,
  scratch: -240,
  count: -248,
  total: -256,
  first: -264,
  responseCode: -272,
  /** The address of what the container may ask. */
  container: -280,
} as const;

/** Fields of `STACK.packet`. */
export const field = (offset: number) => STACK.packet + offset;

/**
 * Puts the headers of an IPv4 packet on the stack; R6 becomes the context. Jumps to "pass" for
 * everything that is no whole packet of IPv4 without options.
 */
export function loadHeaders(a: Assembler): void {
  a.opReg("mov", R6, R1)
    .load(4, R2, R6, SKB_PROTOCOL)
    .jumpIf(R2, "!=", ETH_P_IP, "pass")
    .opReg("mov", R1, R6)
    .op("mov", R2, ETHERNET)
    .opReg("mov", R3, FP).op("add", R3, STACK.packet)
    .op("mov", R4, HEADER_BYTES)
    .call("skb_load_bytes")
    .jumpIf(R0, "!=", 0, "pass")
    .load(1, R1, FP, field(IP.versionAndLength))
    .jumpIf(R1, "!=", 0x45, "pass")
    .load(2, R1, FP, field(IP.fragment))
    .jumpIf(R1, "set", network16(0x3fff), "pass");
}

/** R1 = the map, R2 = where the key is. */
export function lookUp(a: Assembler, map: number, key: number): void {
  a.map(R1, map).opReg("mov", R2, FP).op("add", R2, key).call("map_lookup_elem");
}

/** Writes bytes of the stack into the packet; `at` counts from the Ethernet header. */
export function storeBytes(a: Assembler, at: number, stack: number, count: number): void {
  a.opReg("mov", R1, R6)
    .op("mov", R2, at)
    .opReg("mov", R3, FP).op("add", R3, stack)
    .op("mov", R4, count)
    .op("mov", R5, 0)
    .call("skb_store_bytes");
}

const BPF_F_PSEUDO_HDR = 0x10;
const BPF_F_MARK_MANGLED_0 = 0x20;

/**
 * Gives the packet another source (R8) and destination (R7), with both checksums. For UDP a
 * checksum of 0 means that there is none, and it stays so.
 */
export function translate(a: Assembler, name: string): void {
  const replace = (helper: "l3_csum_replace" | "l4_csum_replace", at: number, flags: number) => {
    for (const [from, to] of [[IP.source, R8], [IP.destination, R7]]) {
      a.opReg("mov", R1, R6)
        .op("mov", R2, ETHERNET + at)
        .load(4, R3, FP, field(from))
        .opReg("mov", R4, to)
        .op("mov", R5, flags | 4)
        .call(helper);
    }
  };
  a.load(1, R1, FP, field(IP.protocol)).jumpIf(R1, "==", TCP, `${name} of TCP`);
  replace("l4_csum_replace", UDP_FIELD.checksum, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
  a.jump(`${name} of IP`).label(`${name} of TCP`);
  replace("l4_csum_replace", TCP_FIELD.checksum, BPF_F_PSEUDO_HDR);
  a.label(`${name} of IP`);
  replace("l3_csum_replace", IP.checksum, 0);
  a.store(4, FP, field(IP.source), R8).store(4, FP, field(IP.destination), R7);
  storeBytes(a, ETHERNET + IP.source, field(IP.source), 8);
}
