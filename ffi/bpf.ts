/**
 * eBPF programs: instruction by instruction, loaded by bpf(2). linux/bpf.h (struct bpf_insn, union
 * bpf_attr), Documentation/bpf/standardization/instruction-set.rst.
 */
import { StructWriter, textAt } from "./bytes.ts";
import { SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { addressOf, check, sys } from "./libc.ts";
import { withLockedMemory } from "./locked_memory.ts";

/** One struct bpf_insn. `off` counts instructions for jumps. */
export interface BpfInsn {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
}

/** An instruction by its five fields. */
export const insn = (
  code: number,
  dst: number,
  src: number,
  off: number,
  imm: number,
): BpfInsn => ({ code, dst, src, off, imm });

/** The program as the kernel reads it: 8 bytes an instruction. Pure. */
export function encodeProgram(program: readonly BpfInsn[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, dst, src, off, imm }, i) => {
    view.setUint8(i * 8, code);
    view.setUint8(i * 8 + 1, dst | (src << 4));
    view.setInt16(i * 8 + 2, off, true);
    view.setInt32(i * 8 + 4, imm, true);
  });
  return bytes;
}

// linux/bpf.h: enum bpf_cmd.
const BPF_PROG_LOAD = 5;
const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_MAP_GET_FD_BY_ID = 14;
const BPF_OBJ_GET_INFO_BY_FD = 15;
const ATTR_BYTES = 128;
const NAME_AT = 48;
const EXPECTED_ATTACH_TYPE_AT = 68;
/** With the closing NUL. */
const NAME_BYTES = 16;

// What the kernel reads by address: a module variable keeps the collector away from it.
let kept: Uint8Array[] = [];

/** What else a program can be told. */
export interface LoadOptions {
  readonly expectedAttachType?: number;
  /** At most 15 bytes: what the kernel calls it in lists. */
  readonly name?: string;
}

/** A name as the kernel has it in its structures; cut to what fits. */
export function bpfName(text: string): Uint8Array {
  return new TextEncoder().encode(text).subarray(0, NAME_BYTES - 1);
}

/**
 * Loads a program of a BPF_PROG_TYPE_*; it lives as long as its descriptor or what it is attached
 * to. Throws SyscallError, which says so when the verifier or a missing privilege refuses it.
 */
export function loadProgram(
  goal: string,
  type: number,
  program: readonly BpfInsn[],
  options: LoadOptions = {},
): Fd {
  const code = encodeProgram(program);
  const license = new TextEncoder().encode("Apache-2.0\0");
  const attr = new StructWriter(ATTR_BYTES)
    .u32(type)
    .u32(program.length)
    .u64(addressOf(code))
    .u64(addressOf(license));
  attr.bytes.set(bpfName(options.name ?? ""), NAME_AT);
  attr.view.setUint32(EXPECTED_ATTACH_TYPE_AT, options.expectedAttachType ?? 0, true);
  kept = [code, license];
  const fd = withLockedMemory(() => sys("bpf", BPF_PROG_LOAD, attr.bytes, ATTR_BYTES));
  kept.length = 0;
  if (fd < 0) throw new SyscallError("bpf", -fd, goal);
  return new Fd(fd);
}

/** Kinds of what the kernel gives a number; where its name is in what it tells of it. */
const KINDS = {
  program: { open: BPF_PROG_GET_FD_BY_ID, infoBytes: 128, nameAt: 64 }, // struct bpf_prog_info
  map: { open: BPF_MAP_GET_FD_BY_ID, infoBytes: 80, nameAt: 24 }, // struct bpf_map_info
} as const;
export type BpfKind = keyof typeof KINDS;

/** What the kernel says of a program or a map. */
export interface BpfInfo {
  readonly id: number;
  readonly name: string;
}

/** The number and the name of a program or a map. */
export function bpfInfo(kind: BpfKind, object: Fd): BpfInfo {
  const { infoBytes, nameAt } = KINDS[kind];
  const info = new StructWriter(infoBytes);
  const attr = new StructWriter(ATTR_BYTES).u32(object.raw).u32(infoBytes)
    .u64(addressOf(info.bytes));
  kept = [info.bytes];
  check(`look at a ${kind} of BPF`, "bpf", BPF_OBJ_GET_INFO_BY_FD, attr.bytes, ATTR_BYTES);
  kept.length = 0;
  return { id: info.view.getUint32(4, true), name: textAt(info.bytes, nameAt) };
}

/** The program or map of this number, if there still is one and it has this name. */
export function openBpf(kind: BpfKind, { id, name }: BpfInfo): Fd | undefined {
  const attr = new StructWriter(ATTR_BYTES).u32(id);
  const fd = sys("bpf", KINDS[kind].open, attr.bytes, ATTR_BYTES);
  if (fd < 0) return undefined;
  const object = new Fd(fd);
  if (bpfInfo(kind, object).name === name) return object;
  object[Symbol.dispose]();
  return undefined;
}
