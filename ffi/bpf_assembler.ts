/**
 * An assembler for eBPF: methods that read like the instructions, and labels for jumps. Pure.
 * Documentation/bpf/standardization/instruction-set.rst; helper numbers as in linux/bpf.h.
 */
import { type BpfInsn, insn } from "./bpf.ts";

/** Registers: R0 a call's result, R1 to R5 its arguments (lost by it), R6 to R9 one's own. */
export const [R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, FP] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/** What a program can call. None of them asks for a licence of the GPL. */
export const HELPER = {
  map_lookup_elem: 1,
  map_update_elem: 2,
  get_prandom_u32: 7,
  skb_store_bytes: 9,
  l3_csum_replace: 10,
  l4_csum_replace: 11,
  redirect: 23,
  skb_load_bytes: 26,
  skb_change_tail: 38,
  jiffies64: 118,
  redirect_neigh: 152,
} as const;

/** The width of a load or a store, in bytes. */
export type Width = 1 | 2 | 4 | 8;
const SIZE: Record<Width, number> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };

/** Operations of arithmetic; all on 64 bits. */
const ALU = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  mod: 0x90,
  xor: 0xa0,
  mov: 0xb0,
} as const;
export type Operation = keyof typeof ALU;

/** Comparisons, unsigned; `set` asks for common bits. */
const JUMP = { "==": 0x10, ">": 0x20, ">=": 0x30, set: 0x40, "!=": 0x50, "<": 0xa0 } as const;
export type Comparison = keyof typeof JUMP;

const X = 0x08; // the other operand is a register
const [LDX, ST, STX, JMP, JMP32, ALU64] = [0x61, 0x62, 0x63, 0x05, 0x06, 0x07];
const LD_IMM64 = 0x18;
const CALL = 0x85, EXIT = 0x95, JA = 0x05;
const TO_BIG_ENDIAN = 0xdc;
/** In an LD_IMM64: the number is a descriptor, to become the map's address. */
const BPF_PSEUDO_MAP_FD = 1;

/** Collects instructions; `done` fills in where jumps lead. */
export class Assembler {
  readonly #code: BpfInsn[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: { at: number; label: string }[] = [];

  #put(code: number, dst: number, src = 0, off = 0, imm = 0): this {
    this.#code.push(insn(code, dst, src, off, imm | 0));
    return this;
  }

  #jump(code: number, dst: number, src: number, imm: number, label: string): this {
    this.#jumps.push({ at: this.#code.length, label });
    return this.#put(code, dst, src, 0, imm);
  }

  /** Marks this place. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new Error(`Cannot mark "${name}" twice`);
    this.#labels.set(name, this.#code.length);
    return this;
  }

  /** dst = dst (operation) number. */
  op(operation: Operation, dst: number, imm: number): this {
    return this.#put(ALU64 | ALU[operation], dst, 0, 0, imm);
  }
  /** dst = dst (operation) src. */
  opReg(operation: Operation, dst: number, src: number): this {
    return this.#put(ALU64 | ALU[operation] | X, dst, src);
  }
  /** dst = a number of 64 bits. */
  imm64(dst: number, value: bigint): this {
    const low = Number(BigInt.asIntN(32, value));
    const high = Number(BigInt.asIntN(32, value >> 32n));
    return this.#put(LD_IMM64, dst, 0, 0, low).#put(0, 0, 0, 0, high);
  }
  /** dst = the map behind a descriptor. */
  map(dst: number, fd: number): this {
    return this.#put(LD_IMM64, dst, BPF_PSEUDO_MAP_FD, 0, fd).#put(0, 0, 0, 0, 0);
  }
  /** Turns a number of 16 bits between the machine's order and the network's. */
  swap16(dst: number): this {
    return this.#put(TO_BIG_ENDIAN, dst, 0, 0, 16);
  }

  /** dst = memory at base + off. */
  load(width: Width, dst: number, base: number, off: number): this {
    return this.#put(LDX | SIZE[width], dst, base, off);
  }
  /** Memory at base + off = src. */
  store(width: Width, base: number, off: number, src: number): this {
    return this.#put(STX | SIZE[width], base, src, off);
  }
  /** Memory at base + off = a number. */
  storeImm(width: Width, base: number, off: number, imm: number): this {
    return this.#put(ST | SIZE[width], base, 0, off, imm);
  }

  jump(label: string): this {
    return this.#jump(JA, 0, 0, 0, label);
  }
  /** Jumps if dst (comparison) number; of 64 bits, the number sign-extended. */
  jumpIf(dst: number, comparison: Comparison, imm: number, label: string): this {
    return this.#jump(JMP | JUMP[comparison], dst, 0, imm, label);
  }
  /** The same for the low 32 bits, and so for numbers that use all of them. */
  jumpIf32(dst: number, comparison: Comparison, imm: number, label: string): this {
    return this.#jump(JMP32 | JUMP[comparison], dst, 0, imm, label);
  }
  jumpIfReg(dst: number, comparison: Comparison, src: number, label: string): this {
    return this.#jump(JMP | JUMP[comparison] | X, dst, src, 0, label);
  }

  call(helper: keyof typeof HELPER): this {
    return this.#put(CALL, 0, 0, 0, HELPER[helper]);
  }
  /** Ends the program; R0 is its answer. */
  exit(): this {
    return this.#put(EXIT, 0);
  }
  /** Ends the program with this answer. */
  answer(value: number): this {
    return this.op("mov", R0, value).exit();
  }

  /** Adds what a function of one's own adds. */
  with(part: (assembler: this) => void): this {
    part(this);
    return this;
  }

  /** The program. Throws Error for a jump to nowhere. */
  done(): BpfInsn[] {
    for (const { at, label } of this.#jumps) {
      const to = this.#labels.get(label);
      if (to === undefined) throw new Error(`Cannot jump to "${label}": no such label`);
      this.#code[at] = { ...this.#code[at], off: to - at - 1 };
    }
    return [...this.#code];
  }
}
