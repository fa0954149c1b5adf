/**
 * The program that answers containers' questions. It sees every packet that leaves by a
 * container's loopback interface; the filter that runs it there gives the container's number. A
 * question to 127.0.0.11:53 about a neighbour becomes the answer where it stands, and goes on its
 * way through the interface, back to who asked; any other goes to a server of the container's
 * (`dns_forward_code.ts`). Pure.
 */
import type { BpfInsn } from "../../ffi/bpf.ts";
import { Assembler, FP, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9 } from "../../ffi/bpf_assembler.ts";
import { answerCode, type RecordKind, recordsCode } from "./dns_answer_code.ts";
import { type DnsMaps, forwardCode } from "./dns_forward_code.ts";
import { CONTAINER_VALUE, NAME_KEY } from "./dns_layout.ts";
import {
  DNS,
  DNS_PORT,
  DNS_SERVER_LOADED,
  field,
  IP,
  loadHeaders,
  lookUp,
  network16,
  PORTS,
  QUERY_RESPONSE,
  QUESTION_AT,
  SKB_CLASSID,
  SKB_LENGTH,
  STACK,
  TC_ACT_OK,
  TCP,
  UDP,
} from "./dns_packet.ts";

const OPCODE = 0x78;
const CLASS_IN = network16(1);
const TYPE_A = network16(1), TYPE_PTR = network16(12), TYPE_AAAA = network16(28);
const SERVFAIL = 2;

/** The program for containers' loopback interfaces; the kernel counts time in ticks. */
export function questionProgram(maps: DnsMaps, ticksPerSecond: number): BpfInsn[] {
  const a = new Assembler();
  loadHeaders(a);
  a.load(4, R1, FP, field(IP.destination))
    .jumpIf32(R1, "!=", DNS_SERVER_LOADED, "pass")
    .load(2, R1, FP, field(PORTS.destination))
    .jumpIf(R1, "!=", DNS_PORT, "pass")
    .load(4, R1, R6, SKB_CLASSID)
    .store(8, FP, STACK.scratch, R1);
  lookUp(a, maps.containers, STACK.scratch);
  a.jumpIf(R0, "==", 0, "pass")
    .store(8, FP, STACK.container, R0)
    .storeImm(8, FP, STACK.responseCode, 0)
    .load(1, R1, FP, field(IP.protocol))
    .jumpIf(R1, "==", TCP, "forward TCP")
    .jumpIf(R1, "!=", UDP, "pass");
  headCode(a);
  nameCode(a);
  lookUpCode(a, maps.names);
  bareCode(a);
  forwardCode(a, maps.flows, ticksPerSecond);
  knownCode(a);
  answerCode(a);
  return a.label("pass").answer(TC_ACT_OK).done();
}

/** One plain question, or it is for a real server to say what is wrong with it. */
function headCode(a: Assembler): void {
  a.load(1, R1, FP, field(DNS.flags))
    .jumpIf(R1, "set", QUERY_RESPONSE, "pass")
    .jumpIf(R1, "set", OPCODE, "forward UDP")
    .load(2, R1, FP, field(DNS.questions))
    .jumpIf(R1, "!=", network16(1), "forward UDP")
    .load(2, R1, FP, field(DNS.answers))
    .jumpIf(R1, "!=", 0, "forward UDP")
    .load(2, R1, FP, field(DNS.authorities))
    .jumpIf(R1, "!=", 0, "forward UDP");
}

/** Each byte of a word. */
const everyByte = (byte: number) => BigInt(byte) * 0x0101010101010101n;

/**
 * Puts name, type and class on the stack; R7 is the length of the name with its last zero. The
 * first zero is taken for the last: in a name that is known there is no other, and a question that
 * only begins like one is a hostile one that gets what is there by that name.
 */
function nameCode(a: Assembler): void {
  const name = STACK.key + NAME_KEY.name;
  for (let at = 0; at < NAME_KEY.nameBytes; at += 8) a.storeImm(8, FP, name + at, 0);
  a.load(4, R4, R6, SKB_LENGTH)
    .jumpIf(R4, "<", QUESTION_AT + 1, "forward UDP")
    .op("sub", R4, QUESTION_AT)
    .jumpIf(R4, "<", NAME_KEY.nameBytes, "short")
    .op("mov", R4, NAME_KEY.nameBytes)
    .label("short")
    .opReg("mov", R1, R6)
    .op("mov", R2, QUESTION_AT)
    .opReg("mov", R3, FP).op("add", R3, name)
    .call("skb_load_bytes")
    .jumpIf(R0, "!=", 0, "forward UDP");
  wordsCode(a, name);
  a.opReg("mov", R1, R6)
    .opReg("mov", R2, R7).op("add", R2, QUESTION_AT)
    .opReg("mov", R3, FP).op("add", R3, STACK.type)
    .op("mov", R4, 4)
    .call("skb_load_bytes")
    .jumpIf(R0, "!=", 0, "forward UDP")
    .load(2, R1, FP, STACK.type + 2)
    .jumpIf(R1, "!=", CLASS_IN, "forward UDP");
}

/**
 * Cuts the name after its first zero, counts its bytes (R7) and makes it lower case, eight bytes
 * at a time and without a branch: the kernel's checker would follow each.
 */
function wordsCode(a: Assembler, name: number): void {
  const HIGH_BIT = 0x80;
  const [word, alive, high, low] = [R5, R8, R4, R3];
  a.op("mov", R7, 0)
    .op("mov", alive, -1) // all bits as long as there was no zero
    .imm64(high, everyByte(HIGH_BIT))
    .imm64(low, everyByte(1))
    .op("mov", R9, 0)
    .label("next word")
    .opReg("mov", R1, FP).opReg("add", R1, R9)
    .load(8, word, R1, name)
    .opReg("and", word, alive)
    // R0: the highest bit of each byte that is zero; those after the first may be wrong.
    .opReg("mov", R0, word).opReg("sub", R0, low)
    .opReg("mov", R2, word).op("xor", R2, -1)
    .opReg("and", R0, R2).opReg("and", R0, high)
    // R2: all bits up to the end of the first zero, or all there are.
    .opReg("mov", R2, R0).op("sub", R2, 1).opReg("xor", R2, R0)
    .opReg("and", R2, alive).opReg("and", word, R2)
    // How many bytes that is: one bit of each, added up in the highest byte.
    .opReg("and", R2, low).opReg("mul", R2, low).op("rsh", R2, 56)
    .opReg("add", R7, R2)
    // Was there a zero? Then nothing is alive any more.
    .op("mov", R2, 0).opReg("sub", R2, R0).opReg("or", R2, R0)
    .op("rsh", R2, 63).op("sub", R2, 1)
    .opReg("and", alive, R2);
  lowerCaseCode(a, word, high);
  a.store(8, R1, name, word)
    .op("add", R9, 8)
    .jumpIf(R9, "<", NAME_KEY.nameBytes, "next word")
    .jumpIf(alive, "!=", 0, "forward UDP"); // longer than any name of ours
}

/**
 * Eight bytes in lower case: a sum has its highest bit set from "A" on, another one after "Z". A
 * label's length is less than "A" and stays.
 */
function lowerCaseCode(a: Assembler, word: number, high: number): void {
  const FROM_A = 0x80 - "A".charCodeAt(0), AFTER_Z = 0x7f - "Z".charCodeAt(0);
  a.opReg("mov", R0, high).op("xor", R0, -1).opReg("and", R0, word)
    .imm64(R2, everyByte(FROM_A - AFTER_Z))
    .store(8, FP, STACK.scratch, R9)
    .imm64(R9, everyByte(AFTER_Z))
    .opReg("add", R0, R9) // after "Z"
    .opReg("add", R2, R0) // from "A" on
    .opReg("xor", R0, R2)
    .opReg("mov", R2, word).op("xor", R2, -1)
    .opReg("and", R0, R2).opReg("and", R0, high)
    .op("rsh", R0, 2)
    .opReg("or", word, R0)
    .load(8, R9, FP, STACK.scratch);
}

/** Looks the name up in each of the container's scopes; on to "known" with R0. */
function lookUpCode(a: Assembler, names: number): void {
  const { scopeCount, scopes, mostScopes } = CONTAINER_VALUE;
  a.load(8, R8, FP, STACK.container)
    .op("mov", R9, 0)
    .label("next scope")
    .load(1, R1, R8, scopeCount)
    .jumpIfReg(R9, ">=", R1, "unknown")
    .opReg("mov", R1, R9).op("lsh", R1, 3).opReg("add", R1, R8)
    .load(8, R1, R1, scopes)
    .store(8, FP, STACK.key + NAME_KEY.scope, R1);
  lookUp(a, names, STACK.key);
  a.jumpIf(R0, "!=", 0, "known")
    .op("add", R9, 1)
    .jumpIf(R9, "<", mostScopes, "next scope")
    .label("unknown");
}

/** Names without a dot may be for nobody else to know. R8 is the container's value. */
function bareCode(a: Assembler): void {
  a.load(1, R1, R8, CONTAINER_VALUE.keepsBareNames)
    .jumpIf(R1, "==", 0, "forward UDP")
    // Without a dot: the first label's length and two more bytes are all of it.
    .load(1, R1, FP, STACK.key + NAME_KEY.name)
    .op("add", R1, 2)
    .jumpIfReg(R1, "!=", R7, "forward UDP")
    .load(2, R1, FP, STACK.type)
    .jumpIf(R1, "==", TYPE_A, "no records")
    .jumpIf(R1, "==", TYPE_AAAA, "no records");
}

/** A name that a map has (R0): the records of the type that was asked for; there may be none. */
function knownCode(a: Assembler): void {
  const kinds: [type: number, kind: RecordKind][] = [
    [TYPE_A, "A"],
    [TYPE_AAAA, "AAAA"],
    [TYPE_PTR, "PTR"],
  ];
  a.label("known")
    .opReg("mov", R8, R0)
    .load(2, R1, FP, STACK.type);
  for (const [type, kind] of kinds) a.jumpIf(R1, "==", type, kind);
  a.label("no records")
    .opReg("mov", R2, R7).op("add", R2, QUESTION_AT + 4)
    .jump("answer without records")
    // Nobody can be asked. The packet keeps what there is after its question.
    .label("no server")
    .storeImm(8, FP, STACK.responseCode, SERVFAIL)
    .load(4, R2, R6, SKB_LENGTH)
    .jump("answer without records");
  for (const [, kind] of kinds) {
    a.label(kind).op("add", R7, QUESTION_AT + 4);
    recordsCode(a, kind);
  }
}
