/** As much of an eBPF interpreter as device programs need. */

/** Runs a program over struct bpf_cgroup_dev_ctx {access_type, major, minor}; returns R0. */
export function runDeviceProgram(program: Uint8Array, context: number[]): number {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  // R1 is the context; a register that was never written must not be read.
  const registers: (bigint | undefined)[] = Array(11).fill(undefined);
  const get = (register: number): bigint => {
    const value = registers[register];
    if (value === undefined) throw new Error(`R${register} is read before it is written`);
    return value;
  };
  const low = (value: bigint) => BigInt.asUintN(32, value);
  registers[1] = 0n;
  for (let pc = 0; pc < program.length / 8; pc++) {
    const code = view.getUint8(pc * 8);
    const [dst, src] = [view.getUint8(pc * 8 + 1) & 15, view.getUint8(pc * 8 + 1) >> 4];
    const off = view.getInt16(pc * 8 + 2, true);
    const imm = BigInt(view.getInt32(pc * 8 + 4, true));
    switch (code) {
      case 0x61:
        if (src !== 1 || off % 4 !== 0 || off >= context.length * 4) throw new Error("bad load");
        registers[dst] = BigInt(context[off / 4] >>> 0);
        break;
      case 0xbc:
        registers[dst] = low(get(src));
        break;
      case 0xb7:
        registers[dst] = BigInt.asUintN(64, imm);
        break;
      case 0x54:
        registers[dst] = low(get(dst) & BigInt.asUintN(64, imm));
        break;
      case 0x74:
        registers[dst] = low(get(dst)) >> imm;
        break;
      case 0x15:
        if (get(dst) === BigInt.asUintN(64, imm)) pc += off;
        break;
      case 0x55:
        if (get(dst) !== BigInt.asUintN(64, imm)) pc += off;
        break;
      case 0x56:
        if (low(get(dst)) !== low(imm)) pc += off;
        break;
      case 0x95:
        return Number(get(0));
      default:
        throw new Error(`instruction ${code.toString(16)} at ${pc}`);
    }
  }
  throw new Error("the program runs off its end");
}
