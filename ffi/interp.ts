/**
 * The interpreter of syscall programs: machine code, and the encoder that lays a program out for
 * it. Sources of the bytes: interp_x86_64.s and interp_aarch64.s beside this file.
 */
import { cstr } from "./bytes.ts";
import {
  type Block,
  type Place,
  type Program,
  slot,
  type SpentSteps,
  STATE,
  type Step,
  type Target,
  type Value,
} from "./program.ts";
import { type Arch, syscallNumber } from "./syscalls.ts";

/** run(first step, state), position independent, no stack use while a program runs. */
export const INTERPRETER: Record<Arch, string> = {
  x86_64:
    "535541544889fb4889f54c8b6338488b7b08488b7310488b53184c8b53204c8b43284c8b4b3041f6c4017403488b3f" +
    "41f6c4027403488b3641f6c4047403488b1241f6c40874034d8b1241f6c41074034d8b0041f6c42074034d8b09488b" +
    "034885c078040f05eb064889f84829f0488b4b404885c97403488901488b4b484885c0780a488b4b507404488b4b58" +
    "4883f901720a74214889cbe96dffffff48895d0048894508488b5d1048894d104885db0f8554ffffff415c5d5bc3",
  aarch64:
    "f353bfa9f30300aaf40301aa691e40f9608640a9628e41a9649642a949000036000040f949000836210040f9490010" +
    "36420040f949001836630040f949002036840040f949002836a50040f9680240f96800f8b7010000d402000014000001" +
    "cb6a2240f94a0000b4400100f96aae44a96c2e40f91f0000f16a018a9a8ac18a9a5f0500f183000054e0000054f303" +
    "0aaadfffff17930200a9930a40f99f0a00f973fbffb5f353c1a8c0035fd6",
};

const STEP_BYTES = 96;
const PSEUDO_CALL = -1;
const STEP_WORDS = STEP_BYTES / 8;
const END = 1;
const PAGE = 4096;

/** A program as memory: what to write where, where to start, and how to name a failed step. */
export interface Encoded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly firstStep: number;
  readonly state: number;
  /** The pages of the program's spent steps; undefined where it names none. */
  readonly spent: { readonly address: number; readonly length: number } | undefined;
  /** The source step of the address the interpreter recorded, or undefined. */
  stepAt(address: number | bigint): Step | undefined;
  /** Call and goal of every step after the labelled one, by address: for a reader without us. */
  stepsBehind(label: string): Record<string, [call: string, goal: string]>;
  /** The address of a block that the program uses. */
  addressOf(of: Block): number;
}

/** A step after expansion, and the step it came from. */
interface Placed {
  readonly step: Step;
  readonly origin: Step;
}

/**
 * Lays `program` out for memory that starts at `base`: state, what the lasting steps use, all
 * steps, what only the spent ones use. So what is spent is one piece, at the end.
 * Addresses are plain numbers, which hold 53 bits exactly; user addresses have 47.
 * Throws RangeError for an unknown or doubled label.
 */
export function encode(program: Program, base: number, arch: Arch = Deno.build.arch): Encoded {
  const placed: Placed[] = [];
  for (const step of program.steps) expand(step, placed);
  const spentFrom = program.spent?.from;
  const lasting = Math.max(0, placed.findIndex(({ step }) => step.label === spentFrom));
  const layout = new Layout(base, placed, spentFrom === undefined ? 0 : lasting);
  const bytes = new Uint8Array(Math.ceil(layout.size / 8) * 8);
  const words = new Uint32Array(bytes.buffer);
  if (program.tail !== undefined) putWord(words, 2, layout.label(program.tail));
  for (let i = 0; i < placed.length; i++) {
    writeStep(words, layout, placed[i].step, i, arch);
  }
  layout.writeBlocks(bytes);
  const spent = program.spent && writeSpent(words, layout, program.spent, base);
  const firstStep = layout.step(0);
  return {
    bytes: bytes.subarray(0, layout.size),
    firstStep,
    state: layout.block(STATE),
    spent,
    stepAt: (address) => placed[(Number(address) - firstStep) / STEP_BYTES]?.origin,
    stepsBehind: (label) => {
      const first = (layout.label(label) - firstStep) / STEP_BYTES + 1;
      return Object.fromEntries(
        placed.slice(first).map(({ origin }, i) => [
          String(firstStep + (first + i) * STEP_BYTES),
          [origin.call, origin.goal],
        ]),
      );
    },
    addressOf: (of) => layout.block(of),
  };
}

function writeSpent(
  words: Uint32Array,
  layout: Layout,
  spent: SpentSteps,
  base: number,
): { address: number; length: number } {
  const begin = Math.ceil(layout.label(spent.from) / PAGE) * PAGE;
  const end = Math.floor((base + layout.size) / PAGE) * PAGE;
  const at = ({ block, offset }: Place) => (layout.block(block) - base + offset) / 8;
  const length = Math.max(0, end - begin);
  putWord(words, at(spent.address), begin);
  putWord(words, at(spent.length), length);
  return { address: begin, length };
}

/** Writes a signed 64 bit number as word `index`. */
function putWord(words: Uint32Array, index: number, value: number | bigint): void {
  if (typeof value === "bigint") {
    words[index * 2] = Number(BigInt.asUintN(32, value));
    words[index * 2 + 1] = Number(BigInt.asUintN(32, value >> 32n));
  } else {
    words[index * 2] = value;
    if (value < 0 || value > 0xffffffff) {
      words[index * 2 + 1] = Math.floor(value / 0x100000000);
    }
  }
}

/**
 * Turns `allow` into comparisons below the step, [step, compare…, raise]; the last one raises the
 * error that is left. Jumps are by distance ("+2" is the second step below), a form of target
 * that only this file makes.
 */
function expand(step: Step, out: Placed[]): void {
  const allow = step.allow;
  if (allow === undefined || allow.length === 0) {
    out.push({ step, origin: step });
    return;
  }
  const result = step.result ?? slot("result");
  const ahead = (from: number, target: Target | undefined): Target =>
    target === undefined || target === "next" ? `+${allow.length + 2 - from}` as Target : target;
  const tried: Step = {
    ...step,
    result,
    onNegative: "next",
    onZero: ahead(0, step.onZero),
    onPositive: ahead(0, step.onPositive),
  };
  out.push({ step: tried, origin: step });
  for (let i = 0; i < allow.length; i++) {
    const compare: Step = {
      call: "subtract",
      args: [result, -allow[i]],
      goal: step.goal,
      onNegative: "next",
      onZero: ahead(i + 1, step.onZero),
    };
    out.push({ step: compare, origin: step });
  }
  const raise: Step = {
    call: "subtract",
    args: [result, 0],
    goal: step.goal,
    onNegative: step.onNegative ?? "fail",
  };
  out.push({ step: raise, origin: step });
}

/** Where everything lies. Blocks and strings are found by walking the arguments. */
class Layout {
  readonly size: number;
  readonly #base: number;
  readonly #steps: number;
  readonly #count: number;
  readonly #labels = new Map<string, number>();
  readonly #blocks = new Map<Block, number>();
  readonly #strings = new Map<string, number>();
  readonly #texts: [number, Uint8Array][] = [];
  #end: number;

  /** `lasting`: how many of the first steps have what they use in front of the steps. */
  constructor(base: number, placed: readonly Placed[], lasting: number) {
    this.#base = base;
    this.#count = placed.length;
    this.#blocks.set(STATE, 0);
    this.#end = STATE.bytes.length;
    placed.slice(0, lasting).forEach(({ step }) => this.#addUsed(step));
    this.#steps = this.#end = (this.#end + 7) & ~7;
    this.#end += placed.length * STEP_BYTES;
    placed.forEach(({ step }, i) => {
      if (step.label !== undefined) this.#addLabel(step.label, i);
      if (i >= lasting) this.#addUsed(step);
    });
    this.size = this.#end;
  }

  #addUsed({ args, result }: Step): void {
    for (const arg of args) this.#addValue(arg);
    if (result) this.#addBlock(result.block);
  }

  #addLabel(label: string, index: number): void {
    if (this.#labels.has(label)) throw new RangeError(`Cannot encode label "${label}": used twice`);
    this.#labels.set(label, index);
  }

  #addValue(value: Value): void {
    if (typeof value === "string") this.#addString(value);
    else if (value !== null && typeof value === "object" && value.kind !== "step") {
      this.#addBlock(value.block);
    }
  }

  #addString(text: string): void {
    if (this.#strings.has(text)) return;
    const bytes = cstr(text);
    this.#strings.set(text, this.#end);
    this.#texts.push([this.#end, bytes]);
    this.#end += bytes.length;
  }

  #addBlock(block: Block): void {
    if (this.#blocks.has(block)) return;
    this.#end = (this.#end + 7) & ~7;
    this.#blocks.set(block, this.#end);
    this.#end += block.bytes.length;
    for (const pointer of block.pointers) this.#addValue(pointer.to);
  }

  step(index: number): number {
    return this.#base + this.#steps + index * STEP_BYTES;
  }
  /** Where a step is among the words of the bytes. */
  stepWord(index: number): number {
    return this.#steps / 8 + index * STEP_WORDS;
  }
  label(name: string): number {
    const index = this.#labels.get(name);
    if (index === undefined) throw new RangeError(`Cannot encode label "${name}": not defined`);
    return this.step(index);
  }
  block(of: Block): number {
    const at = this.#blocks.get(of);
    if (at === undefined) {
      throw new RangeError(`Cannot find block "${of.name}": not in the program`);
    }
    return this.#base + at;
  }
  /** The word of an argument: the value, or the address where the value will be. */
  value(of: Value): number | bigint {
    if (of === null) return 0;
    if (typeof of === "number" || typeof of === "bigint") return of;
    if (typeof of === "string") return this.#base + this.#strings.get(of)!;
    if (of.kind === "step") return this.label(of.label);
    return this.block(of.block) + of.offset;
  }
  target(of: Target, index: number): number {
    if (of === "next") return index + 1 === this.#count ? END : this.step(index + 1);
    if (of === "fail") return 0;
    if (of === "end") return END;
    if (of.startsWith("+")) return this.step(index + Number(of));
    return this.label(of.slice(1));
  }
  writeBlocks(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer);
    for (const [of, at] of this.#blocks) {
      if (of !== STATE) bytes.set(of.bytes, at);
      for (const { offset, to } of of.pointers) {
        view.setBigUint64(at + offset, BigInt(this.value(to)), true);
      }
    }
    for (const [at, text] of this.#texts) bytes.set(text, at);
  }
}

/** Words are zero to begin with, and most arguments are: only what is not is written. */
function writeStep(
  words: Uint32Array,
  layout: Layout,
  step: Step,
  index: number,
  arch: Arch,
): void {
  const at = layout.stepWord(index);
  const { call, args, result, onNegative, onZero, onPositive } = step;
  putWord(words, at, call === "subtract" ? PSEUDO_CALL : syscallNumber(call, arch));
  let flags = 0;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === 0 || arg === null) continue;
    if (typeof arg === "object" && arg.kind === "place") flags |= 1 << i;
    putWord(words, at + 1 + i, typeof arg === "number" ? arg : layout.value(arg));
  }
  words[(at + 7) * 2] = flags;
  if (result) putWord(words, at + 8, layout.block(result.block) + result.offset);
  const next = layout.target("next", index);
  if (onNegative !== undefined) putWord(words, at + 9, layout.target(onNegative, index));
  putWord(words, at + 10, onZero === undefined ? next : layout.target(onZero, index));
  putWord(words, at + 11, onPositive === undefined ? next : layout.target(onPositive, index));
}

/** The machine code of `arch` as bytes. */
export function interpreterBytes(arch: Arch = Deno.build.arch): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(INTERPRETER[arch]);
}
