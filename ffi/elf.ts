/**
 * Wraps a syscall program and the interpreter as a static executable of a few pages. Source of
 * the format: elf(5).
 */
import { StructWriter } from "./bytes.ts";
import { encode, type Encoded, interpreterBytes } from "./interp.ts";
import type { Program } from "./program.ts";
import { type Arch, syscallNumber } from "./syscalls.ts";

const CODE_AT = 0x400000;
const DATA_AT = 0x600000;
const PAGE = 4096;
const HEADER_BYTES = 64 + 3 * 56;
const MACHINE: Record<Arch, number> = { x86_64: 62, aarch64: 183 };
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const READ = 4, WRITE = 2, EXECUTE = 1;

/** An executable, and how to name a step by the address that it reports. */
export interface Executable {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly encoded: Encoded;
  /** Where in the file the byte at an address of the program's memory is. */
  offsetOf(address: number): number;
  /** Where in the file the program's spent steps are, in bytes; undefined where it names none. */
  readonly spent: { readonly offset: number; readonly length: number } | undefined;
}

/**
 * The executable that runs `program`; its exit status is the low byte of the last result, so
 * programs end by exit_group. Code is mapped read and execute, everything else read and write.
 */
export function executable(program: Program, arch: Arch = Deno.build.arch): Executable {
  const encoded = encode(program, DATA_AT, arch);
  const entry = entryCode(arch, encoded);
  const interpreter = interpreterBytes(arch);
  const codeBytes = HEADER_BYTES + entry.length + interpreter.length;
  const dataOffset = Math.ceil(codeBytes / PAGE) * PAGE;
  const bytes = new Uint8Array(dataOffset + encoded.bytes.length);
  bytes.set(header(arch, codeBytes, dataOffset, encoded.bytes.length));
  bytes.set(entry, HEADER_BYTES);
  bytes.set(interpreter, HEADER_BYTES + entry.length);
  bytes.set(encoded.bytes, dataOffset);
  const { spent } = encoded;
  const offsetOf = (address: number) => address - DATA_AT + dataOffset;
  return {
    bytes,
    encoded,
    offsetOf,
    spent: spent && { offset: offsetOf(spent.address), length: spent.length },
  };
}

function header(arch: Arch, code: number, dataOffset: number, data: number): Uint8Array {
  const out = new StructWriter(HEADER_BYTES);
  out.u32(0x464c457f).u8(2).u8(1).u8(1).pad(9); // "\x7fELF", 64 bit, little endian, version 1
  out.u16(2).u16(MACHINE[arch]).u32(1).u64(CODE_AT + HEADER_BYTES);
  out.u64(64).u64(0).u32(0).u16(64).u16(56).u16(3).u16(0).u16(0).u16(0);
  segment(out, PT_LOAD, READ | EXECUTE, 0, CODE_AT, code);
  segment(out, PT_LOAD, READ | WRITE, dataOffset, DATA_AT, data);
  segment(out, PT_GNU_STACK, READ | WRITE, 0, 0, 0);
  return out.done();
}

function segment(
  out: StructWriter,
  type: number,
  access: number,
  offset: number,
  at: number,
  size: number,
): void {
  out.u32(type).u32(access).u64(offset).u64(at).u64(at).u64(size).u64(size).u64(PAGE);
}

/** Loads the two arguments, calls the interpreter right behind, and exits with its result. */
function entryCode(arch: Arch, encoded: Encoded): Uint8Array {
  return arch === "x86_64" ? entryX86(encoded) : entryArm(encoded);
}

function entryX86({ firstStep, state }: Encoded): Uint8Array {
  const exit = syscallNumber("exit_group", "x86_64");
  const out = new StructWriter(34);
  out.u8(0x48).u8(0xbf).u64(firstStep); // movabs rdi, firstStep
  out.u8(0x48).u8(0xbe).u64(state); // movabs rsi, state
  out.u8(0xe8).u32(9); // call over the next 9 bytes
  out.u8(0x89).u8(0xc7); // mov edi, eax
  out.u8(0xb8).u32(exit); // mov eax, exit_group
  out.u8(0x0f).u8(0x05); // syscall
  return out.done();
}

function entryArm({ firstStep, state }: Encoded): Uint8Array {
  const exit = syscallNumber("exit_group", "aarch64");
  const low = (value: number) => value & 0xffff;
  const high = (value: number) => value >>> 16;
  const movz = (register: number, value: number) => 0xd2800000 + value * 32 + register;
  const movk16 = (register: number, value: number) => 0xf2a00000 + value * 32 + register;
  return new StructWriter(28)
    .u32(movz(0, low(firstStep))).u32(movk16(0, high(firstStep)))
    .u32(movz(1, low(state))).u32(movk16(1, high(state)))
    .u32(0x94000003) // bl three instructions ahead
    .u32(movz(8, exit))
    .u32(0xd4000001) // svc 0, with the interpreter's result in x0
    .done();
}
