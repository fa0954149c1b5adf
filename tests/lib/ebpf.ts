/**
 * An interpreter of eBPF, for checking programs by running them. As strict as the kernel's checker
 * about what is read: registers and memory that were never written are not.
 */

/** Bytes that a program can reach, at an address of their own. */
interface Region {
  readonly base: bigint;
  readonly bytes: Uint8Array;
  /** What has been written; absent: all of it. */
  readonly written?: Uint8Array;
}

/** What programs are given: memory, and functions of the kernel by their number. */
export class EbpfMachine {
  readonly #regions: Region[] = [];
  readonly #known = new Map<Uint8Array, bigint>();
  #next = 1n;

  /** The arguments are R1 to R5; those that a helper does not have may be anything. */
  readonly helpers = new Map<number, (args: readonly bigint[]) => bigint>();
  /** Loads from the context (R1), by offset and width. */
  context: (offset: number, width: number) => bigint = () => {
    throw new Error("the program has no context");
  };

  /** The address of these bytes; 0n is nowhere. */
  addressOf(bytes: Uint8Array, written?: Uint8Array): bigint {
    const known = this.#known.get(bytes);
    if (known !== undefined) return known;
    const base = this.#next++ << 32n;
    this.#regions.push({ base, bytes, written });
    this.#known.set(bytes, base);
    return base;
  }

  /** `count` bytes that lie at `address`; they may be changed. Throws when they are not there. */
  at(address: bigint, count: number, reading: boolean): Uint8Array {
    const region = this.#regions.find(({ base }) => base >> 32n === address >> 32n);
    const offset = Number(address & 0xffff_ffffn);
    if (region === undefined || offset + count > region.bytes.length) {
      throw new Error(`${count} bytes at ${address.toString(16)} are out of reach`);
    }
    const { bytes, written } = region;
    if (written !== undefined) {
      const part = written.subarray(offset, offset + count);
      if (!reading) part.fill(1);
      else if (part.includes(0)) throw new Error(`stack at ${offset} is read before it is written`);
    }
    return bytes.subarray(offset, offset + count);
  }

  load(address: bigint, width: number): bigint {
    return this.at(address, width, true).reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
  }

  store(address: bigint, width: number, value: bigint): void {
    this.at(address, width, false).forEach((_, i, part) => {
      part[i] = Number(value >> BigInt(8 * i) & 0xffn);
    });
  }
}

const STACK_BYTES = 512;
const FRAME = 10;
const CONTEXT = 0x7fff_0000_0000n;
const WIDTH = new Map([[0x00, 4], [0x08, 2], [0x10, 1], [0x18, 8]]);
const [LDX, ST, STX, ALU32, JMP, JMP32, ALU64] = [1, 2, 3, 4, 5, 6, 7];
/** More than any program of ours takes. */
const MOST_STEPS = 100_000;

const u64 = (value: bigint) => BigInt.asUintN(64, value);

function compute(operation: number, a: bigint, b: bigint, bits: number): bigint {
  const shift = b & BigInt(bits - 1);
  switch (operation) {
    case 0x00:
      return a + b;
    case 0x10:
      return a - b;
    case 0x20:
      return a * b;
    case 0x40:
      return a | b;
    case 0x50:
      return a & b;
    case 0x60:
      return a << shift;
    case 0x70:
      return a >> shift;
    case 0x90:
      return b === 0n ? a : a % b;
    case 0xa0:
      return a ^ b;
    case 0xb0:
      return b;
  }
  throw new Error(`operation ${operation.toString(16)}`);
}

function compare(operation: number, a: bigint, b: bigint): boolean {
  switch (operation) {
    case 0x10:
      return a === b;
    case 0x20:
      return a > b;
    case 0x30:
      return a >= b;
    case 0x40:
      return (a & b) !== 0n;
    case 0x50:
      return a !== b;
    case 0xa0:
      return a < b;
  }
  throw new Error(`comparison ${operation.toString(16)}`);
}

/** Runs a program; returns R0. */
export function runProgram(program: Uint8Array, machine: EbpfMachine): bigint {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const registers: (bigint | undefined)[] = Array(11).fill(undefined);
  const get = (register: number): bigint => {
    const value = registers[register];
    if (value === undefined) throw new Error(`R${register} is read before it is written`);
    return value;
  };
  registers[1] = CONTEXT;
  const stack = new Uint8Array(STACK_BYTES);
  registers[FRAME] = machine.addressOf(stack, new Uint8Array(STACK_BYTES)) + BigInt(STACK_BYTES);
  for (let pc = 0, steps = 0; pc < program.length / 8; pc++) {
    if (++steps > MOST_STEPS) throw new Error("the program does not end");
    const code = view.getUint8(pc * 8);
    const [dst, src] = [view.getUint8(pc * 8 + 1) & 15, view.getUint8(pc * 8 + 1) >> 4];
    const off = view.getInt16(pc * 8 + 2, true);
    const imm = BigInt(view.getInt32(pc * 8 + 4, true));
    const kind = code & 7;
    const width = WIDTH.get(code & 0x18)!;
    const other = () => (code & 0x08) !== 0 ? get(src) : u64(imm);
    if (code === 0x95) return get(0);
    if (code === 0x85) {
      const helper = machine.helpers.get(Number(imm));
      if (helper === undefined) throw new Error(`helper ${imm} at ${pc}`);
      registers[0] = u64(helper([1, 2, 3, 4, 5].map((i) => registers[i] ?? 0n)));
      registers.fill(undefined, 1, 6);
    } else if (code === 0x18) {
      const high = BigInt(view.getInt32(++pc * 8 + 4, true));
      registers[dst] = u64(BigInt.asUintN(32, imm) | high << 32n);
    } else if (code === 0xdc && imm === 16n) {
      const value = get(dst);
      registers[dst] = (value & 0xffn) << 8n | value >> 8n & 0xffn;
    } else if (kind === LDX) {
      const from = get(src);
      registers[dst] = from === CONTEXT
        ? machine.context(off, width)
        : machine.load(from + BigInt(off), width);
    } else if (kind === ST || kind === STX) {
      machine.store(get(dst) + BigInt(off), width, kind === ST ? u64(imm) : get(src));
    } else if (kind === ALU64 || kind === ALU32) {
      const bits = kind === ALU64 ? 64 : 32;
      const cut = (value: bigint) => BigInt.asUintN(bits, value);
      const before = (code & 0xf0) === 0xb0 ? 0n : cut(get(dst));
      registers[dst] = cut(compute(code & 0xf0, before, cut(other()), bits));
    } else if (kind === JMP || kind === JMP32) {
      const cut = (value: bigint) => BigInt.asUintN(kind === JMP ? 64 : 32, value);
      if (code === 0x05 || compare(code & 0xf0, cut(get(dst)), cut(other()))) pc += off;
    } else throw new Error(`instruction ${code.toString(16)} at ${pc}`);
  }
  throw new Error("the program runs off its end");
}

/** Runs a program over struct bpf_cgroup_dev_ctx {access_type, major, minor}; returns R0. */
export function runDeviceProgram(program: Uint8Array, context: number[]): number {
  const machine = new EbpfMachine();
  machine.context = (offset, width) => {
    if (width !== 4 || offset % 4 !== 0 || offset >= context.length * 4) {
      throw new Error("bad load");
    }
    return BigInt(context[offset / 4] >>> 0);
  };
  return Number(runProgram(program, machine));
}
