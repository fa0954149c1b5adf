/**
 * eBPF programs: instruction by instruction, loaded by bpf(2). linux/bpf.h (struct bpf_insn, union
 * bpf_attr), Documentation/bpf/standardization/instruction-set.rst.
 */
import { StructWriter } from "./bytes.ts";
import { Fd } from "./fd.ts";
import { addressOf, check } from "./libc.ts";

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

const BPF_PROG_LOAD = 5;
const ATTR_BYTES = 128;
const EXPECTED_ATTACH_TYPE_AT = 68;

// What the kernel reads by address: a module variable keeps the collector away from it.
let kept: Uint8Array[] = [];

/**
 * Loads a program of a BPF_PROG_TYPE_*; it lives as long as its descriptor or what it is attached
 * to. Throws SyscallError, which says so when the verifier or a missing privilege refuses it.
 */
export function loadProgram(
  goal: string,
  type: number,
  program: readonly BpfInsn[],
  expectedAttachType = 0,
): Fd {
  const code = encodeProgram(program);
  const license = new TextEncoder().encode("Apache-2.0\0");
  const attr = new StructWriter(ATTR_BYTES)
    .u32(type)
    .u32(program.length)
    .u64(addressOf(code))
    .u64(addressOf(license));
  attr.view.setUint32(EXPECTED_ATTACH_TYPE_AT, expectedAttachType, true);
  kept = [code, license];
  const fd = check(goal, "bpf", BPF_PROG_LOAD, attr.bytes, ATTR_BYTES);
  kept.length = 0;
  return new Fd(fd);
}
