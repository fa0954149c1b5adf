/**
 * The syscall program: what a process is to ask of the kernel, as data. Programs are plain values
 * built without touching the kernel, so they can be listed, tested and explained; `interp.ts`
 * encodes them, `spawn.ts` and `elf.ts` run them.
 */
import { cstr } from "./bytes.ts";
import type { SyscallName } from "./syscalls.ts";

/** Bytes that live beside a program's steps. Pointers inside are filled in when it is encoded. */
export interface Block {
  readonly kind: "block";
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly pointers: readonly { readonly offset: number; readonly to: Address | string }[];
}

/** Eight bytes of a block: as an argument their value is meant, read when the step runs. */
export interface Place {
  readonly kind: "place";
  readonly block: Block;
  readonly offset: number;
}

/** Where a block's bytes are, as a number the kernel understands. */
export interface Address {
  readonly kind: "address";
  readonly block: Block;
  readonly offset: number;
}

/** The address of a labelled step: what the failure tail's word is set to. */
export interface StepAddress {
  readonly kind: "step";
  readonly label: string;
}

/** An argument: a number, a C string, NULL, a value read at run time, or an address. */
export type Value = number | bigint | string | null | Place | Address | StepAddress;

/**
 * Where a program goes after a step: the step below, the failure (recorded, then the tail runs),
 * the end, or a label.
 */
export type Target = "next" | "fail" | "end" | `@${string}`;

/** One kernel call, or the one pseudo call: subtract, which gives arg 0 minus arg 1. */
export interface Step {
  readonly call: SyscallName | "subtract";
  readonly args: readonly Value[];
  /** Completes "Cannot …" when the call fails. */
  readonly goal: string;
  readonly label?: string;
  /** Where the result is stored. */
  readonly result?: Place;
  /** Error numbers that count as success. */
  readonly allow?: readonly number[];
  /** By the sign of the result. Defaults: "fail", "next", "next". */
  readonly onNegative?: Target;
  readonly onZero?: Target;
  readonly onPositive?: Target;
}

/** Steps, and the label the program goes to at the first failure (none: it ends). */
export interface Program {
  readonly steps: readonly Step[];
  readonly tail?: string;
  /** What the steps may unmap when it has served. */
  readonly spent?: SpentSteps;
}

/**
 * The last steps of a program, from a label on, and what no other step uses: the whole pages that
 * nothing else is on.
 */
export interface SpentSteps {
  readonly from: string;
  /** Get the pages' address and length when the program is encoded; 0 bytes: there are none. */
  readonly address: Place;
  readonly length: Place;
}

/** The interpreter's own words: the failed step's address, its result, the tail's address. */
export const STATE: Block = block("state", new Uint8Array(24));
/** The word that holds the step to go to at the next failure. */
export const TAIL: Place = { kind: "place", block: STATE, offset: 16 };

/** A block of bytes; the kernel may write to it. */
export function block(
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  pointers: Block["pointers"] = [],
): Block {
  return { kind: "block", name, bytes, pointers };
}

/** A variable of eight bytes. */
export function slot(name: string, initial: number | bigint = 0): Place {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(initial)), true);
  return { kind: "place", block: block(name, bytes), offset: 0 };
}

/** The eight bytes at `offset` of `of`. */
export function placeIn(of: Block, offset: number): Place {
  return { kind: "place", block: of, offset };
}

/** The address of a place, or of the byte at `offset` of a block. */
export function addressIn(of: Block | Place, offset = 0): Address {
  return of.kind === "block"
    ? { kind: "address", block: of, offset }
    : { kind: "address", block: of.block, offset: of.offset + offset };
}

/** The address of a labelled step. */
export function stepAddress(label: string): StepAddress {
  return { kind: "step", label };
}

/** argv or envp: a NULL-terminated array of pointers to C strings. */
export function stringArray(name: string, texts: readonly string[]): Address {
  const pointers = texts.map((to, i) => ({ offset: i * 8, to }));
  return addressIn(block(name, new Uint8Array((texts.length + 1) * 8), pointers));
}

/** The bytes of a C string as a block, for calls that write a path's length too. */
export function textBlock(name: string, text: string): Block {
  return block(name, cstr(text));
}

/** A jump: never fails. */
export function goTo(target: Target, goal = "continue"): Step {
  return { call: "subtract", args: [0, 0], goal, onZero: target };
}

/** `place = value`; the next step follows whatever the value's sign is. */
export function assign(place: Place, value: Value, goal = `set ${place.block.name}`): Step {
  return { call: "subtract", args: [value, 0], goal, result: place, onNegative: "next" };
}

/** Goes on by the sign of `place`'s value; by default with the step below. */
export function branch(
  place: Place,
  goal: string,
  targets: Pick<Step, "onNegative" | "onZero" | "onPositive">,
): Step {
  return { call: "subtract", args: [place, 0], goal, onNegative: "next", ...targets };
}
