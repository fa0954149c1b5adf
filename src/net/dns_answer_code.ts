/** The code that turns a question into its answer: records after it, and other headers. Pure. */
import {
  type Assembler,
  FP,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R9,
} from "../../ffi/bpf_assembler.ts";
import { NAME_VALUE } from "./dns_layout.ts";
import {
  DNS,
  ETHERNET,
  field,
  HEADER_BYTES,
  IP,
  network16,
  PORTS,
  STACK,
  storeBytes,
  TC_ACT_OK,
  UDP_FIELD,
} from "./dns_packet.ts";

export type RecordKind = "A" | "AAAA" | "PTR";

/** How long who asked may believe it; docker's number. */
const TTL_SECONDS = 600;
/** "The name that stands at the 12th byte", which is that of the question. */
const QUESTIONS_NAME = 0xc00c;
const TYPE: Record<RecordKind, number> = { A: 1, PTR: 12, AAAA: 28 };
const CLASS_IN = 1;
/** A record up to its data: name, type, class, time to live, length. */
const RECORD_HEAD = 12;

/** Writes the head of a record on the stack. */
function recordHead(a: Assembler, kind: RecordKind, dataLength: number): void {
  const pair = (high: number, low: number) => network16(high) | (network16(low) << 16);
  a.storeImm(4, FP, STACK.record, pair(QUESTIONS_NAME, TYPE[kind]))
    .storeImm(4, FP, STACK.record + 4, pair(CLASS_IN, TTL_SECONDS >> 16))
    .storeImm(4, FP, STACK.record + 8, pair(TTL_SECONDS & 0xffff, dataLength));
}

/**
 * The records of one kind from the value at R8, from R7 on, where the question ends; then on to
 * "answer". All is read of the value before the packet changes but the addresses, which are of the
 * map and not of the packet.
 */
export function recordsCode(a: Assembler, kind: RecordKind): void {
  if (kind === "PTR") pointerCode(a);
  else addressesCode(a, kind);
}

/** R2: the length the packet is to have. */
function resize(a: Assembler): void {
  a.store(8, FP, STACK.count, R9)
    .store(8, FP, STACK.total, R2)
    .opReg("mov", R1, R6)
    .op("mov", R3, 0)
    .call("skb_change_tail")
    .jumpIf(R0, "!=", 0, "pass");
}

/** Addresses begin with another one each time, so that clients spread over those who serve. */
function addressesCode(a: Assembler, kind: "A" | "AAAA"): void {
  const [size, countAt, addressesAt, most] = kind === "A"
    ? [4, NAME_VALUE.count4, NAME_VALUE.addresses4, NAME_VALUE.most4]
    : [16, NAME_VALUE.count6, NAME_VALUE.addresses6, NAME_VALUE.most6];
  const width = kind === "A" ? 4 : 8;
  a.load(1, R9, R8, countAt)
    .jumpIf(R9, ">", most, "pass") // never: for the checker
    .opReg("mov", R2, R9).op("mul", R2, RECORD_HEAD + size).opReg("add", R2, R7);
  resize(a);
  recordHead(a, kind, size);
  a.call("get_prandom_u32")
    .store(8, FP, STACK.first, R0)
    .label(`next ${kind}`)
    .jumpIf(R9, "<", 1, "answer") // Linux 6.1 checks: from "==" it learns nothing
    // The address: (first + what is left) modulo the count.
    .load(8, R1, FP, STACK.first).opReg("add", R1, R9)
    .load(1, R2, R8, countAt)
    .opReg("mod", R1, R2)
    .jumpIf(R1, ">=", most, "pass") // never: for the checker
    .op("mul", R1, size)
    .opReg("add", R1, R8);
  for (let at = 0; at < size; at += width) {
    a.load(width, R2, R1, addressesAt + at)
      .store(width, FP, STACK.record + RECORD_HEAD + at, R2);
  }
  a.opReg("mov", R1, R6)
    .opReg("mov", R2, R7)
    .opReg("mov", R3, FP).op("add", R3, STACK.record)
    .op("mov", R4, RECORD_HEAD + size)
    .op("mov", R5, 0)
    .call("skb_store_bytes")
    .op("add", R7, RECORD_HEAD + size)
    .op("sub", R9, 1)
    .jump(`next ${kind}`);
}

/** The one name of an address. */
function pointerCode(a: Assembler): void {
  a.load(1, R9, R8, NAME_VALUE.pointerLength)
    .opReg("mov", R2, R7)
    .jumpIf(R9, "==", 0, "answer without records")
    .jumpIf(R9, ">", NAME_VALUE.mostPointer, "pass") // never: for the checker
    .opReg("mov", R4, R9)
    .op("mov", R9, 1)
    .op("add", R2, RECORD_HEAD).opReg("add", R2, R4);
  resize(a);
  recordHead(a, "PTR", 0);
  // The length again: a call loses what the registers of arguments had.
  a.load(1, R9, R8, NAME_VALUE.pointerLength)
    .opReg("mov", R1, R9).swap16(R1)
    .store(2, FP, STACK.record + RECORD_HEAD - 2, R1)
    .opReg("mov", R1, R6)
    .opReg("mov", R2, R7)
    .opReg("mov", R3, FP).op("add", R3, STACK.record)
    .op("mov", R4, RECORD_HEAD)
    .op("mov", R5, 0)
    .call("skb_store_bytes")
    .jumpIf(R9, "<", 1, "pass") // never: for the checker
    .jumpIf(R9, ">", NAME_VALUE.mostPointer, "pass")
    .opReg("mov", R1, R6)
    .opReg("mov", R2, R7).op("add", R2, RECORD_HEAD)
    .opReg("mov", R3, R8).op("add", R3, NAME_VALUE.addresses4)
    .opReg("mov", R4, R9)
    .op("mov", R5, 0)
    .call("skb_store_bytes")
    .jump("answer");
}

const RESPONSE = 0x80, RECURSION_DESIRED = 0x01;
const RECURSION_AVAILABLE = 0x80, CHECKING_DISABLED = 0x10;

/** The headers of the answer; the records are in their place. */
export function answerCode(a: Assembler): void {
  a.label("answer without records").op("mov", R9, 0);
  resize(a);
  a.label("answer")
    // The way back.
    .load(4, R1, FP, field(IP.source))
    .load(4, R2, FP, field(IP.destination))
    .store(4, FP, field(IP.source), R2)
    .store(4, FP, field(IP.destination), R1)
    .load(2, R1, FP, field(PORTS.source))
    .load(2, R2, FP, field(PORTS.destination))
    .store(2, FP, field(PORTS.source), R2)
    .store(2, FP, field(PORTS.destination), R1)
    // The lengths; R8 and R9 are for the checksum of the IP header.
    .load(8, R7, FP, STACK.total)
    .load(2, R9, FP, field(IP.totalLength))
    .opReg("mov", R8, R7).op("sub", R8, ETHERNET).swap16(R8)
    .store(2, FP, field(IP.totalLength), R8)
    .op("sub", R7, ETHERNET + PORTS.source).swap16(R7)
    .store(2, FP, field(UDP_FIELD.length), R7)
    .storeImm(2, FP, field(UDP_FIELD.checksum), 0) // none: it never leaves this machine
    // The header of DNS. What followed the question (EDNS) is cut off.
    .load(1, R1, FP, field(DNS.flags))
    .op("and", R1, RECURSION_DESIRED).op("or", R1, RESPONSE)
    .store(1, FP, field(DNS.flags), R1)
    .load(1, R1, FP, field(DNS.moreFlags))
    .op("and", R1, CHECKING_DISABLED).op("or", R1, RECURSION_AVAILABLE)
    .load(8, R2, FP, STACK.responseCode).opReg("or", R1, R2)
    .store(1, FP, field(DNS.moreFlags), R1)
    .load(8, R1, FP, STACK.count).swap16(R1)
    .store(2, FP, field(DNS.answers), R1)
    .storeImm(2, FP, field(DNS.authorities), 0)
    .storeImm(2, FP, field(DNS.additional), 0);
  storeBytes(a, ETHERNET, STACK.packet, HEADER_BYTES);
  a.opReg("mov", R1, R6)
    .op("mov", R2, ETHERNET + IP.checksum)
    .opReg("mov", R3, R9)
    .opReg("mov", R4, R8)
    .op("mov", R5, 2)
    .call("l3_csum_replace")
    .answer(TC_ACT_OK);
}
