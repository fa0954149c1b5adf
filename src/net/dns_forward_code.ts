/**
 * Questions about other names: to a server of the container's, and its answers back. A question
 * leaves the loopback interface under the container's own address by the interface that leads to
 * the server; a program on the way in of each interface makes the server's answer one of
 * 127.0.0.11. Between them is a map of the questions under way. Pure.
 */
import type { BpfInsn } from "../../ffi/bpf.ts";
import { Assembler, FP, R0, R1, R2, R3, R4, R6, R7, R8, R9 } from "../../ffi/bpf_assembler.ts";
import { CONTAINER_VALUE, FLOW, FLOW_KEY } from "./dns_layout.ts";
import {
  DNS,
  DNS_PORT,
  DNS_SERVER_LOADED,
  field,
  IP,
  loadHeaders,
  lookUp,
  LOOPBACK_INDEX,
  PORTS,
  QUERY_RESPONSE,
  SKB_CLASSID,
  STACK,
  storeBytes,
  TC_ACT_OK,
  TCP,
  TCP_FIELD,
  translate,
  UDP,
} from "./dns_packet.ts";

/** Descriptors of the maps that the programs share; see `dns_packet.ts` for what is in them. */
export interface DnsMaps {
  readonly names: number;
  readonly containers: number;
  readonly flows: number;
}

const SYN = 0x02, ACK = 0x10;
const BPF_F_INGRESS = 1;

/** The key of a question from the client's port at `port` of the packet. */
function flowKey(a: Assembler, protocol: number, port: number): void {
  const key = (offset: number) => STACK.flowKey + offset;
  a.load(4, R1, R6, SKB_CLASSID)
    .store(2, FP, key(FLOW_KEY.container), R1)
    .load(2, R1, FP, field(port))
    .store(2, FP, key(FLOW_KEY.port), R1)
    .storeImm(2, FP, key(FLOW_KEY.protocol), protocol);
  if (protocol === TCP) a.storeImm(2, FP, key(FLOW_KEY.id), 0);
  else a.load(2, R1, FP, field(DNS.id)).store(2, FP, key(FLOW_KEY.id), R1);
}

/** How long a server may leave questions without an answer until the next one is asked. */
const PATIENCE_SECONDS = 1;
/** How long that one is asked until the first has another chance. */
const CHANGE_SECONDS = 30;

/** From "forward UDP" and "forward TCP" on to a server; R9 becomes its number. */
export function forwardCode(a: Assembler, flows: number, ticksPerSecond: number): void {
  a.label("forward UDP");
  flowKey(a, UDP, PORTS.source);
  lookUp(a, flows, STACK.flowKey);
  a.jumpIf(R0, "==", 0, "choose")
    .load(2, R1, R0, FLOW.answered)
    .jumpIf(R1, "==", 0, "choose")
    .label("to next server") // who asks again had no answer, or none that he liked
    .load(2, R9, R0, FLOW.index)
    .op("add", R9, 1)
    .jump("to server");
  a.label("forward TCP");
  flowKey(a, TCP, PORTS.source);
  lookUp(a, flows, STACK.flowKey);
  a.load(1, R1, FP, field(TCP_FIELD.flags))
    .op("and", R1, SYN | ACK)
    .jumpIf(R1, "==", SYN, "connecting")
    .jumpIf(R0, "==", 0, "pass")
    .load(2, R9, R0, FLOW.index)
    .load(2, R8, R0, FLOW.answered)
    .jump("on the way")
    .label("connecting")
    .jumpIf(R0, "==", 0, "first try")
    .load(2, R1, R0, FLOW.answered)
    .jumpIf(R1, "==", 0, "to next server")
    .label("first try")
    .load(8, R8, FP, STACK.container)
    .load(4, R9, R8, CONTAINER_VALUE.current)
    .jump("to server");
  chooseCode(a, ticksPerSecond);
  a.label("to server")
    .op("mov", R8, 0)
    .label("on the way");
  noteCode(a, flows);
  translate(a, "question");
  a.load(8, R1, FP, STACK.scratch)
    .op("mov", R2, 0)
    .op("mov", R3, 0)
    .op("mov", R4, 0)
    .call("redirect_neigh")
    .exit();
}

/**
 * The server for a new question: the one that is asked, unless it has left another question without
 * an answer. R9 becomes its number.
 */
function chooseCode(a: Assembler, ticksPerSecond: number): void {
  const { askedAt, changedAt, current, serverCount } = CONTAINER_VALUE;
  a.label("choose")
    .load(8, R8, FP, STACK.container)
    .call("jiffies64")
    .load(4, R9, R8, current)
    .jumpIf(R9, "==", 0, "is it silent")
    .opReg("mov", R1, R0)
    .load(8, R2, R8, changedAt).opReg("sub", R1, R2)
    .jumpIf(R1, "<", CHANGE_SECONDS * ticksPerSecond, "is it silent")
    .op("mov", R9, 0)
    .store(4, R8, current, R9)
    .jump("ask it")
    .label("is it silent")
    .load(8, R1, R8, askedAt)
    .jumpIf(R1, "==", 0, "ask it")
    .opReg("mov", R2, R0).opReg("sub", R2, R1)
    .jumpIf(R2, "<", PATIENCE_SECONDS * ticksPerSecond, "to server")
    .op("add", R9, 1)
    .load(1, R1, R8, serverCount)
    .jumpIfReg(R9, "<", R1, "change to it")
    .op("mov", R9, 0)
    .label("change to it")
    .store(4, R8, current, R9)
    .store(8, R8, changedAt, R0)
    .label("ask it")
    .store(8, R8, askedAt, R0);
}

/**
 * Notes who asked which server: R9 is the server's number, beyond the last one the first again, R8
 * whether it has answered. R7 becomes its address, R8 the source, the scratch the interface.
 */
function noteCode(a: Assembler, flows: number): void {
  const flow = (offset: number) => STACK.flow + offset;
  const { serverCount, servers, mostServers, server } = CONTAINER_VALUE;
  a.store(2, FP, flow(FLOW.answered), R8)
    .load(8, R8, FP, STACK.container)
    .load(1, R1, R8, serverCount)
    .jumpIf(R1, "==", 0, "no server to ask")
    .opReg("mod", R9, R1)
    .jumpIf(R9, ">=", mostServers, "pass") // never: for the checker
    .store(2, FP, flow(FLOW.index), R9)
    .storeImm(4, FP, flow(FLOW.zero), 0)
    .load(4, R1, FP, field(IP.source))
    .store(4, FP, flow(FLOW.client), R1)
    .op("mul", R9, server.bytes).opReg("add", R9, R8)
    .load(4, R7, R9, servers + server.ip)
    .load(4, R8, R9, servers + server.source)
    .load(4, R1, R9, servers + server.index)
    .store(8, FP, STACK.scratch, R1)
    .store(4, FP, flow(FLOW.server), R7)
    .map(R1, flows)
    .opReg("mov", R2, FP).op("add", R2, STACK.flowKey)
    .opReg("mov", R3, FP).op("add", R3, STACK.flow)
    .op("mov", R4, 0)
    .call("map_update_elem")
    .jump("note taken")
    .label("no server to ask")
    .load(1, R1, FP, field(IP.protocol))
    .jumpIf(R1, "==", UDP, "no server")
    .jump("pass") // of TCP: refused by the kernel
    .label("note taken");
}

/** The program for the way in of a container's interfaces: answers back to who asked. */
export function replyProgram({ flows, containers }: DnsMaps): BpfInsn[] {
  const a = new Assembler();
  loadHeaders(a);
  a.load(2, R1, FP, field(PORTS.source))
    .jumpIf(R1, "!=", DNS_PORT, "pass")
    .load(1, R1, FP, field(IP.protocol))
    .jumpIf(R1, "==", TCP, "TCP")
    .jumpIf(R1, "!=", UDP, "pass")
    .load(1, R1, FP, field(DNS.flags))
    .op("and", R1, QUERY_RESPONSE)
    .jumpIf(R1, "==", 0, "pass");
  flowKey(a, UDP, PORTS.destination);
  a.jump("look up").label("TCP");
  flowKey(a, TCP, PORTS.destination);
  a.label("look up");
  lookUp(a, flows, STACK.flowKey);
  a.jumpIf(R0, "==", 0, "pass")
    .load(4, R1, R0, FLOW.server)
    .load(4, R2, FP, field(IP.source))
    .jumpIfReg(R1, "!=", R2, "pass")
    .storeImm(2, R0, FLOW.answered, 1)
    .load(4, R7, R0, FLOW.client)
    .load(2, R8, R0, FLOW.index)
    // The server is not silent.
    .load(4, R1, R6, SKB_CLASSID)
    .store(8, FP, STACK.scratch, R1);
  lookUp(a, containers, STACK.scratch);
  a.jumpIf(R0, "==", 0, "pass")
    .load(4, R1, R0, CONTAINER_VALUE.current)
    .jumpIfReg(R1, "!=", R8, "of another")
    .op("mov", R1, 0)
    .store(8, R0, CONTAINER_VALUE.askedAt, R1)
    .label("of another")
    .op("mov", R8, DNS_SERVER_LOADED);
  translate(a, "answer");
  // The loopback interface's own address: another one would be for another machine.
  a.storeImm(8, FP, STACK.scratch, 0);
  storeBytes(a, 0, STACK.scratch, 6);
  return a.op("mov", R1, LOOPBACK_INDEX)
    .op("mov", R2, BPF_F_INGRESS)
    .call("redirect")
    .exit()
    .label("pass").answer(TC_ACT_OK).done();
}
