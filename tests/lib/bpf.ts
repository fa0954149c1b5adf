/** A small interpreter of classic BPF over struct seccomp_data, for checking filters by running them. */

/** What the kernel gives a filter. */
export interface SeccompData {
  nr: number;
  arch: number;
  args?: (number | bigint)[];
}

function dataView({ nr, arch, args = [] }: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(64));
  view.setUint32(0, nr, true);
  view.setUint32(4, arch, true);
  args.forEach((arg, i) => view.setBigUint64(16 + 8 * i, BigInt(arg), true));
  return view;
}

/** The outcome of a run: the action word and how many instructions it took. */
export interface BpfResult {
  action: number;
  steps: number;
}

/** Runs `program` (struct sock_filter[]). Throws on what the kernel's checker would refuse. */
export function runFilter(program: Uint8Array, data: SeccompData): BpfResult {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const input = dataView(data);
  const count = program.length / 8;
  let accumulator = 0;
  let steps = 0;
  for (let pc = 0; pc < count; pc++) {
    const op = code.getUint16(pc * 8, true);
    const jt = code.getUint8(pc * 8 + 2);
    const jf = code.getUint8(pc * 8 + 3);
    const k = code.getUint32(pc * 8 + 4, true);
    steps++;
    const jump = (taken: boolean) => pc += taken ? jt : jf;
    switch (op) {
      case 0x20:
        if (k % 4 !== 0 || k > 60) throw new Error(`load from ${k}`);
        accumulator = input.getUint32(k, true);
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05:
        pc += k;
        break;
      case 0x15:
        jump(accumulator === k);
        break;
      case 0x25:
        jump(accumulator > k);
        break;
      case 0x35:
        jump(accumulator >= k);
        break;
      case 0x06:
        return { action: k, steps };
      default:
        throw new Error(`instruction ${op.toString(16)} at ${pc}`);
    }
  }
  throw new Error("the filter runs off its end");
}
