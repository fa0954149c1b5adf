import { assertEquals } from "@std/assert";
import type { Room } from "../../../build/elf_image.ts";
import { largePagesCode, useLargePages } from "../../../build/large_pages.ts";
import { testAssembly } from "../../lib/assembled.ts";

const ROOM: Room = { offset: 0x800, bytes: 0x2800 };
const GLOB_DAT = 6n;
const JUMP_SLOT = 7n;
const NAMES = ["", "malloc", "mmap64", "munmap", "write", "mmap"];

interface Change {
  type?: number;
  machine?: number;
  /** In place of the note. */
  header?: number;
  constructors?: bigint;
  names?: readonly string[];
}

/**
 * The smallest executable with all parts the change touches: 0x3000 bytes, loaded at 0x10000 and
 * 0x14 more in memory. File offsets: symbols 0x200, their names 0x300, relocations 0x400 and 0x500
 * (their words from 0x700), the list of constructors 0x600, the dynamic table 0x680.
 */
function smallest(change: Change = {}): Uint8Array {
  const bytes = new Uint8Array(0x3000);
  const view = new DataView(bytes.buffer);
  const words = (at: number, ...values: bigint[]) =>
    values.forEach((value, index) => view.setBigUint64(at + 8 * index, value, true));
  const symbol = (index: number) => BigInt(index) << 32n;
  bytes.set([0x7f, 0x45, 0x4c, 0x46]);
  view.setUint16(16, change.type ?? 2, true);
  view.setUint16(18, change.machine ?? 62, true);
  words(24, 0x10040n, 64n);
  view.setUint16(56, 3, true);
  view.setUint32(64, 1, true); // PT_LOAD
  words(72, 0n, 0x10000n, 0x10000n, 0x3000n, 0x3014n, 0x1000n);
  view.setUint32(120, 2, true); // PT_DYNAMIC
  words(128, 0x680n, 0x10680n, 0x10680n, 0x90n, 0x90n, 8n);
  view.setUint32(176, change.header ?? 4, true); // PT_NOTE
  words(184, 0x100n, 0x10100n, 0x10100n, 0x20n, 0x20n, 4n);
  let name = 0x300;
  (change.names ?? NAMES).forEach((text, index) => {
    view.setUint32(0x200 + 24 * index, name - 0x300, true);
    bytes.set(new TextEncoder().encode(text), name);
    name += text.length + 1;
  });
  for (const index of [1, 2, 3]) {
    words(0x400 + 24 * (index - 1), 0x10700n + 8n * BigInt(index), symbol(index) | GLOB_DAT, 0n);
  }
  words(0x500, 0x10740n, symbol(5) | JUMP_SLOT, 0n, 0x10748n, symbol(4) | JUMP_SLOT, 0n);
  words(0x600, 0x10abcn);
  words(0x680, 5n, 0x10300n, 6n, 0x10200n, 7n, 0x10400n, 8n, 72n, 23n, 0x10500n, 2n, 48n);
  words(0x6e0, 25n, 0x10600n, 27n, change.constructors ?? 8n, 0n, 0n);
  return bytes;
}

function word(bytes: Uint8Array, at: number): bigint {
  return new DataView(bytes.buffer).getBigUint64(at, true);
}

const DATA = 0x13018n;
const CODE = 0x14000n;
const TABLE = 0x1000 + largePagesCode().length;

const CHANGED: [name: string, at: number, want: bigint][] = [
  ["the first constructor", 0x600, CODE],
  ["the word for mmap64", 0x710, CODE + 8n],
  ["the word for mmap", 0x740, CODE + 8n],
  ["the word for munmap", 0x718, CODE + 16n],
  ["the relocation of that word", 0x420, 0n],
  ["the size in memory", 104, 0x3018n + 48n],
  ["the size of the relocations", 0x6b8, 144n],
  ["a word of the data, by a relocation", 0x800, DATA],
  ["that relocation's symbol", 0x808, 1n << 32n | GLOB_DAT],
  ["the note's header: its place in the file", 184, 0x1000n],
  ["the note's header: its address", 192, CODE],
  ["the note's header: its type and rights", 176, 5n << 32n | 1n],
  ["the code's table: its data", TABLE, DATA],
  ["the code's table: the constructor that was first", TABLE + 8, 0x10abcn],
];
for (const [name, at, want] of CHANGED) {
  Deno.test(`useLargePages() changes ${name}`, () => {
    const bytes = smallest();
    assertEquals(useLargePages(bytes, ROOM), undefined);
    assertEquals(word(bytes, at), want);
  });
}

const KEPT: [name: string, at: number][] = [
  ["the relocation of malloc", 0x408],
  ["the word for another function", 0x748],
  ["the relocation of another function", 0x520],
];
for (const [name, at] of KEPT) {
  Deno.test(`useLargePages() keeps ${name}`, () => {
    const bytes = smallest();
    useLargePages(bytes, ROOM);
    assertEquals(word(bytes, at), word(smallest(), at));
  });
}

const REFUSED: [name: string, bytes: Uint8Array, room: Room, reason: string][] = [
  ["a script", new TextEncoder().encode("#!/bin/sh\n".repeat(20)), ROOM, "no ELF file"],
  ["another processor's file", smallest({ machine: 183 }), ROOM, "not x86-64"],
  ["a file that moves", smallest({ type: 3 }), ROOM, "not at a fixed address"],
  ["a file without a note", smallest({ header: 0 }), ROOM, "no note to replace"],
  ["a file without constructors", smallest({ constructors: 0n }), ROOM, "no constructor"],
  [
    "a file that maps nothing",
    smallest({ names: ["", "malloc", "open", "munmap", "write", "mmap"] }),
    ROOM,
    "does not call mmap64",
  ],
  ["a file that is full", smallest(), { offset: 0x800, bytes: 0x1000 }, "no room"],
];
for (const [name, bytes, room, reason] of REFUSED) {
  Deno.test(`useLargePages() leaves ${name} alone`, () => {
    const before = bytes.slice();
    assertEquals(useLargePages(bytes, room), reason);
    assertEquals(bytes, before);
  });
}

testAssembly("build/large_pages_x86_64.s", "x86_64", largePagesCode);
