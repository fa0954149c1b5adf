/**
 * Classic BPF as seccomp(2) takes it: building blocks that know only jumps, comparisons and
 * returns. Kept to the instructions the kernel can run ahead of time over "number and
 * architecture" (seccomp_is_const_allow), so that plainly allowed calls cost a bitmap look-up.
 */
import { UserError } from "../base/errors.ts";

// linux/bpf_common.h, linux/filter.h
const LD_ABS = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND_K = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JA = 0x05; // BPF_JMP | BPF_JA
const JEQ_K = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JGT_K = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const JGE_K = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RET_K = 0x06; // BPF_RET | BPF_K

/** BPF_MAXINSNS: what the kernel takes in one filter. linux/bpf_common.h. */
const MAX_INSTRUCTIONS = 4096;

/** One struct sock_filter. `jt` and `jf` skip that many instructions. */
export type Insn = readonly [code: number, jt: number, jf: number, k: number];

/** Offsets in struct seccomp_data. linux/seccomp.h. */
const NR_OFFSET = 0;
const ARCH_OFFSET = 4;
const ARGS_OFFSET = 16;

/** Ends the filter with `action`. */
export function ret(action: number): Insn[] {
  return [[RET_K, 0, 0, action]];
}

/** Loads the number of the call. */
export function loadNumber(): Insn {
  return [LD_ABS, 0, 0, NR_OFFSET];
}

/** Loads the audit architecture of the call. */
export function loadArch(): Insn {
  return [LD_ABS, 0, 0, ARCH_OFFSET];
}

/** `then` if the loaded word is `value`, else what follows. */
export function ifEqual(value: number, then: Insn[]): Insn[] {
  return then.length <= 255
    ? [[JEQ_K, 0, then.length, value], ...then]
    : [[JEQ_K, 1, 0, value], [JA, 0, 0, then.length], ...then];
}

/** `below` if the loaded word is less than `limit`, else `rest`; both end the filter. */
export function splitAt(limit: number, below: Insn[], rest: Insn[]): Insn[] {
  return below.length <= 255
    ? [[JGE_K, below.length, 0, limit], ...below, ...rest]
    : [[JGE_K, 0, 1, limit], [JA, 0, 0, below.length], ...below, ...rest];
}

/** Comparisons of an argument with a constant, both unsigned 64 bits. */
export type Comparison = "EQ" | "NE" | "LT" | "LE" | "GT" | "GE" | "MASKED_EQ";

/** One condition on an argument: `value` is the mask of MASKED_EQ, `datum` what must remain. */
export interface Condition {
  index: number;
  comparison: Comparison;
  value: Word64;
  datum: Word64;
}

/** A 64-bit word in halves: BPF has 32-bit registers. */
export interface Word64 {
  hi: number;
  lo: number;
}

/** Jump targets while a condition is built: the first instruction after it, or past the rule. */
const PASS = -1;
const FAIL = -2;

/**
 * `then` (which ends the filter) if all conditions hold, else what follows. A load per half:
 * little-endian, as both machines are.
 */
export function ifAll(conditions: readonly Condition[], then: Insn[]): Insn[] {
  let code = then;
  for (let i = conditions.length - 1; i >= 0; i--) {
    const test = conditionCode(conditions[i]);
    code = [...resolve(test, code.length), ...code];
  }
  return code;
}

function resolve(test: Insn[], following: number): Insn[] {
  return test.map(([code, jt, jf, k], at) => {
    const after = test.length - at - 1;
    const distance = (target: number) =>
      target === PASS ? after : target === FAIL ? after + following : target;
    return [code, distance(jt), distance(jf), k];
  });
}

function conditionCode({ index, comparison, value, datum }: Condition): Insn[] {
  const low: Insn = [LD_ABS, 0, 0, ARGS_OFFSET + 8 * index];
  const high: Insn = [LD_ABS, 0, 0, ARGS_OFFSET + 8 * index + 4];
  switch (comparison) {
    case "EQ":
      return [high, [JEQ_K, 0, FAIL, value.hi], low, [JEQ_K, PASS, FAIL, value.lo]];
    case "NE":
      return [high, [JEQ_K, 0, PASS, value.hi], low, [JEQ_K, FAIL, PASS, value.lo]];
    case "GT":
      return [...highAbove(high, value, PASS, FAIL), low, [JGT_K, PASS, FAIL, value.lo]];
    case "GE":
      return [...highAbove(high, value, PASS, FAIL), low, [JGE_K, PASS, FAIL, value.lo]];
    case "LT":
      return [...highAbove(high, value, FAIL, PASS), low, [JGE_K, FAIL, PASS, value.lo]];
    case "LE":
      return [...highAbove(high, value, FAIL, PASS), low, [JGT_K, FAIL, PASS, value.lo]];
    case "MASKED_EQ":
      return [
        ...maskedHalf(high, value.hi, datum.hi, 0),
        ...maskedHalf(low, value.lo, datum.lo, PASS),
      ];
  }
}

/** Decides by the high halves; falls through where they are equal. */
function highAbove(load: Insn, value: Word64, above: number, below: number): Insn[] {
  return [load, [JGT_K, above, 0, value.hi], [JEQ_K, 0, below, value.hi]];
}

function maskedHalf(load: Insn, mask: number, datum: number, equal: number): Insn[] {
  if (mask === 0 && datum === 0) return []; // nothing asked of this half
  return [load, [AND_K, 0, 0, mask], [JEQ_K, equal, FAIL, datum]];
}

/** The filter as an array of struct sock_filter. Throws UserError above the kernel's limit. */
export function assemble(code: readonly Insn[]): Uint8Array<ArrayBuffer> {
  if (code.length > MAX_INSTRUCTIONS) {
    throw new UserError(
      `Cannot compile the seccomp profile: ${code.length} instructions, ` +
        `the kernel takes ${MAX_INSTRUCTIONS}`,
    );
  }
  const bytes = new Uint8Array(code.length * 8);
  const view = new DataView(bytes.buffer);
  code.forEach(([op, jt, jf, k], i) => {
    view.setUint16(i * 8, op, true);
    view.setUint8(i * 8 + 2, jt);
    view.setUint8(i * 8 + 3, jf);
    view.setUint32(i * 8 + 4, k, true);
  });
  return bytes;
}
