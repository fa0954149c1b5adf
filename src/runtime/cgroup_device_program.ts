/**
 * The device list of cgroup v2: an eBPF program that the kernel asks at every open and mknod.
 * Built here instruction by instruction, loaded by bpf(2). linux/bpf.h (struct bpf_insn, struct
 * bpf_cgroup_dev_ctx), Documentation/bpf/standardization/instruction-set.rst.
 */
import { type BpfInsn, insn, loadProgram } from "../../ffi/bpf.ts";
import { StructWriter } from "../../ffi/bytes.ts";
import { Fd, openDirectory } from "../../ffi/fd.ts";
import { addressOf, check, sys } from "../../ffi/libc.ts";
import type { DeviceException, DeviceList } from "./cgroup_devices.ts";

// Opcodes: class | operation | source.
const LDX_W = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const MOV32_X = 0xbc; // BPF_ALU | BPF_MOV | BPF_X
const MOV64_K = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const AND32_K = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RSH32_K = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const JEQ_K = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JNE_K = 0x55; // BPF_JMP | BPF_JNE | BPF_K
const JNE32_K = 0x56; // BPF_JMP32 | BPF_JNE | BPF_K
const EXIT = 0x95; // BPF_JMP | BPF_EXIT

// Registers: R1 comes in as the context and is free after the loads.
const [R0, R1, R2, R3, R4, R5] = [0, 1, 2, 3, 4, 5];
const [TYPE, ACCESS, MAJOR, MINOR] = [R2, R3, R4, R5];
const DEVICE_TYPE = { b: 1, c: 2 }; // BPF_DEVCG_DEV_BLOCK, _CHAR

/** The program that decides as `list` says: R0 is 1 for yes. */
export function deviceProgram(list: DeviceList): BpfInsn[] {
  return [
    // access_type: kind of device in the low half, kind of access in the high one.
    insn(LDX_W, TYPE, R1, 0, 0),
    insn(MOV32_X, ACCESS, TYPE, 0, 0),
    insn(AND32_K, TYPE, 0, 0, 0xffff),
    insn(RSH32_K, ACCESS, 0, 0, 16),
    insn(LDX_W, MAJOR, R1, 4, 0),
    insn(LDX_W, MINOR, R1, 8, 0),
    ...list.exceptions.flatMap((exception) => exceptionCode(exception, list.allowed)),
    ...answer(list.allowed),
  ];
}

function answer(allowed: boolean): BpfInsn[] {
  return [insn(MOV64_K, R0, 0, 0, allowed ? 1 : 0), insn(EXIT, 0, 0, 0, 0)];
}

/** Answers the opposite of the rest if the request is about this exception, else goes on. */
function exceptionCode(exception: DeviceException, allowed: boolean): BpfInsn[] {
  const { type, major, minor, access } = exception;
  const tests: BpfInsn[] = [insn(JNE_K, TYPE, 0, 0, DEVICE_TYPE[type])];
  if (major !== undefined) tests.push(insn(JNE32_K, MAJOR, 0, 0, major | 0));
  if (minor !== undefined) tests.push(insn(JNE32_K, MINOR, 0, 0, minor | 0));
  if (access !== 7) {
    // An allowing exception must cover the whole request; a refusing one is hit by any part of it.
    tests.push(insn(MOV32_X, R1, ACCESS, 0, 0));
    tests.push(insn(AND32_K, R1, 0, 0, allowed ? access : ~access & 7));
    tests.push(insn(allowed ? JEQ_K : JNE_K, R1, 0, 0, 0));
  }
  const code = [...tests, ...answer(!allowed)];
  return code.map((step, at) => isJump(step) ? { ...step, off: code.length - at - 1 } : step);
}

function isJump({ code }: BpfInsn): boolean {
  return code === JNE_K || code === JNE32_K || code === JEQ_K;
}

// linux/bpf.h
const BPF_PROG_ATTACH = 8;
const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_PROG_QUERY = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;
const BPF_F_REPLACE = 4;

// What the kernel reads by address: a module variable keeps the collector away from it.
let kept: Uint8Array[] = [];

/** The program that is attached to the cgroup, if there is one of ours. */
function attachedProgram(cgroup: Fd): Fd | undefined {
  const ids = new Uint32Array(64);
  const idBytes = new Uint8Array(ids.buffer);
  kept = [idBytes];
  const query = new StructWriter(128).u32(cgroup.raw).u32(BPF_CGROUP_DEVICE).u32(0).u32(0)
    .u64(addressOf(idBytes)).u32(ids.length);
  const refused = sys("bpf", BPF_PROG_QUERY, query.bytes, 128) < 0;
  kept.length = 0;
  if (refused) return undefined;
  const count = query.view.getUint32(24, true);
  if (count === 0 || ids[0] === 0) return undefined;
  const get = new StructWriter(128).u32(ids[0]);
  const fd = sys("bpf", BPF_PROG_GET_FD_BY_ID, get.bytes, 128);
  return fd < 0 ? undefined : new Fd(fd);
}

/**
 * Makes `list` the device list of a v2 cgroup, in place of the one before. Nested cgroups may add
 * programs of their own (BPF_F_ALLOW_MULTI): all of them must say yes. Throws SyscallError.
 */
export function attachDeviceList(directory: string, list: DeviceList): void {
  using cgroup = openDirectory(directory);
  using program = loadProgram(
    "load the device list of the cgroup",
    BPF_PROG_TYPE_CGROUP_DEVICE,
    deviceProgram(list),
    { expectedAttachType: BPF_CGROUP_DEVICE },
  );
  using before = attachedProgram(cgroup);
  const flags = BPF_F_ALLOW_MULTI | (before === undefined ? 0 : BPF_F_REPLACE);
  const attr = new StructWriter(128).u32(cgroup.raw).u32(program.raw).u32(BPF_CGROUP_DEVICE)
    .u32(flags).u32(before?.raw ?? 0);
  check("attach the device list to the cgroup", "bpf", BPF_PROG_ATTACH, attr.bytes, 128);
}
