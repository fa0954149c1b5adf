import { assertEquals } from "@std/assert";
import { fixAddress } from "../../../build/fixed_address.ts";

const BASE = 0x10000000n;
const R_X86_64_RELATIVE = 8n;
const R_X86_64_GLOB_DAT = 6n;
const FLAGS_1_NOW_PIE = 0x08000001n;

/**
 * The smallest position-independent file with all parts the change touches: 0x400 bytes, loaded
 * at address 0x1000. Symbols at file offset 0x100, relocations 0x200, dynamic table 0x300.
 */
function smallest(change: { flags?: bigint; tag?: bigint; type?: number } = {}): Uint8Array {
  const bytes = new Uint8Array(0x400);
  const view = new DataView(bytes.buffer);
  const words = (at: number, ...values: bigint[]) =>
    values.forEach((value, index) => view.setBigUint64(at + 8 * index, value, true));
  bytes.set([0x7f, 0x45, 0x4c, 0x46]);
  view.setUint16(16, change.type ?? 3, true); // ET_DYN
  view.setUint16(18, 62, true); // EM_X86_64
  words(24, 0x1040n, 64n);
  view.setUint16(56, 2, true);
  view.setUint32(64, 1, true); // PT_LOAD
  words(72, 0n, 0x1000n, 0x1000n, 0x400n, 0x400n);
  view.setUint32(120, 2, true); // PT_DYNAMIC
  words(128, 0x300n, 0x1300n, 0x1300n, 0x90n, 0x90n);
  words(0x118, 0x0001_0000_00000000n, 0x1380n); // symbol 1: section 1, value 0x1380
  words(0x200, 0x13c0n, R_X86_64_RELATIVE, 0x1234n);
  words(0x218, 0x13c8n, (1n << 32n) | R_X86_64_GLOB_DAT, 0n);
  words(0x300, 6n, 0x1100n, 5n, 0x1130n, 7n, 0x1200n, 8n, 48n, 0x6ffffff9n, 1n);
  words(0x350, 0x6ffffffbn, change.flags ?? FLAGS_1_NOW_PIE, change.tag ?? 0n, 0n);
  return bytes;
}

function word(bytes: Uint8Array, at: number): bigint {
  return new DataView(bytes.buffer).getBigUint64(at, true);
}

const CHANGED: [name: string, at: number, want: bigint][] = [
  ["the word of a relative relocation", 0x3c0, BASE + 0x1234n],
  ["the entry point", 24, BASE + 0x1040n],
  ["a segment's address", 80, BASE + 0x1000n],
  ["the address of a symbol it defines", 0x120, BASE + 0x1380n],
  ["the relocation that is left, now first", 0x200, BASE + 0x13c8n],
  ["the size of the relocations", 0x338, 24n],
  ["the count of relative relocations", 0x348, 0n],
  ["an address in the dynamic table", 0x308, BASE + 0x1100n],
  ["the flag that says position-independent", 0x358, 1n],
];
for (const [name, at, want] of CHANGED) {
  Deno.test(`fixAddress() changes ${name}`, () => {
    const bytes = smallest();
    assertEquals(fixAddress(bytes, BASE), { offset: 0x218, bytes: 24 });
    assertEquals(word(bytes, at), want);
  });
}

Deno.test("fixAddress() makes the type ET_EXEC", () => {
  const bytes = smallest();
  fixAddress(bytes, BASE);
  assertEquals(bytes[16], 2);
});

const REFUSED: [name: string, bytes: Uint8Array, reason: string][] = [
  ["a script", new TextEncoder().encode("#!/bin/sh\n".repeat(20)), "no ELF file"],
  ["an empty file", new Uint8Array(0), "no ELF file"],
  ["a file with a fixed address", smallest({ type: 2 }), "not position-independent"],
  ["lazy binding", smallest({ flags: 0x08000000n }), "binds its calls lazily"],
  ["a table it does not know", smallest({ tag: 36n }), "dynamic tag 36"],
];
for (const [name, bytes, reason] of REFUSED) {
  Deno.test(`fixAddress() leaves ${name} alone`, () => {
    const before = bytes.slice();
    assertEquals(fixAddress(bytes, BASE), reason);
    assertEquals(bytes, before);
  });
}
