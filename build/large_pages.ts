/**
 * Lets an executable that was given a fixed address (fixed_address.ts) start in huge pages.
 *
 * V8 maps its heap in pieces of 256 KiB and malloc's begins anywhere, so the kernel gives them
 * memory in pages of 4 KiB: 2,200 page faults at each start, a third of its time where faults are
 * dear, as in virtual machines. large_pages_x86_64.s, which is put into the executable here, takes
 * the place of mmap and munmap in the executable's own calls and asks for huge pages. Where the
 * kernel has none (transparent_hugepage=never) all is as before.
 *
 * Layout and sizes in the file stay as they are: the code lies where relocations were, in the
 * segment that was the build id's note; its data are zeroes behind the program's own. See elf(5),
 * madvise(2) and the psABI supplement for x86-64.
 */
import {
  DT_INIT_ARRAY,
  DT_INIT_ARRAYSZ,
  DT_JMPREL,
  DT_RELA,
  DT_RELASZ,
  DT_STRTAB,
  DT_SYMTAB,
  ElfImage,
  EM_X86_64,
  ET_EXEC,
  PT_LOAD,
  PT_NOTE,
  RELA_BYTES,
  type Room,
  SYMBOL_BYTES,
} from "./elf_image.ts";

const PAGE_BYTES = 4096;
const READ_AND_EXECUTE = 5;

const R_X86_64_NONE = 0n;
const R_X86_64_GLOB_DAT = 6n;
const R_X86_64_JUMP_SLOT = 7n;

/** large_pages_x86_64.s, assembled; a table of two words follows it. */
// deno-fmt-ignore
const CODE = Uint8Array.fromHex([
  "eb16660f1f440000e9e50000000f1f00e9210100000f1f00575652534154488b1d4301000031ffb80c0000000f05",
  "488db8ffff1f004881e70000e0ffb80c0000000f05bf18000000ff134989c44981e400f0ffff742031ffb80c0000",
  "000f054889c64c29e6760f4c89e7ba0e000000b81c0000000f0531ffbe00002002ba0300000041ba2240000049c7",
  "c0ffffffff4531c9b8090000000f05483d01f0ffff73454c8da0ffff1f004981e40000e0ff4c89e7be00000002ba",
  "0e000000b81c0000000f0585c0751fba0a000000b81c0000000f054c8963184c8963204981c4000000024c896328",
  "415c5b5a5e5fff257e0000004c8b1d6f0000004881fe00f00700753083fa03752b89c883e03383f8227521498b43",
  "204c8d9000f007004d3b532877104c8d9000000400f04d0fb1532075e0c341ff63084c8b1d2b0000004881fe00f0",
  "03007517f7c7ffff0300750f493b7b187209493b7b28730331c0c341ff63100f1f8000000000",
].join(""));

/** Where the code's ways in lie. */
const ENTRY = { initialise: 0, map: 8, unmap: 16 } as const;

/** The functions the code calls, in the order of its data; three words of its own follow. */
const CALLED = ["malloc", "mmap64", "munmap"] as const;
const DATA_BYTES = 8 * (CALLED.length + 3);

/** Calls of the executable that go to the code now. */
const REPLACED: Record<string, number> = {
  mmap: ENTRY.map,
  mmap64: ENTRY.map,
  munmap: ENTRY.unmap,
};

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** The name of a symbol of the dynamic table. */
function symbolName(image: ElfImage, index: number): string {
  const at = image.offsetOf(image.tag(DT_SYMTAB)) + index * SYMBOL_BYTES;
  const start = image.offsetOf(image.tag(DT_STRTAB)) + image.view.getUint32(at, true);
  return new TextDecoder().decode(image.bytes.subarray(start, image.bytes.indexOf(0, start)));
}

interface Slot {
  at: number; // file offset of its relocation
  symbol: number;
  name: string;
}

/** The words through which the executable calls functions of libraries. */
function slots(image: ElfImage): Slot[] {
  return [...image.relocations(DT_RELA), ...image.relocations(DT_JMPREL)].flatMap((at) => {
    const [type, symbol] = [image.word(at + 8) & 0xffffffffn, Number(image.word(at + 8) >> 32n)];
    if (type !== R_X86_64_GLOB_DAT && type !== R_X86_64_JUMP_SLOT) return [];
    return [{ at, symbol, name: symbolName(image, symbol) }];
  });
}

/** Why `image` can't have the code; undefined when it can. */
function obstacle(image: ElfImage, room: Room, calls: readonly Slot[]): string | undefined {
  if (image.machine !== EM_X86_64) return "not x86-64";
  if (image.type !== ET_EXEC) return "not at a fixed address";
  if (!image.segments.some(({ type }) => type === PT_NOTE)) return "no note to replace";
  if (image.tag(DT_INIT_ARRAYSZ) < 8) return "no constructor";
  const absent = CALLED.find((name) => !calls.some((call) => call.name === name));
  if (absent !== undefined) return `does not call ${absent}`;
  if (room.bytes < 2 * PAGE_BYTES) return "no room";
}

/** Lets the loader fill the words at `address` with the addresses of what the code calls. */
function addRelocations(image: ElfImage, at: number, address: number, calls: readonly Slot[]) {
  CALLED.forEach((name, index) => {
    const { symbol } = calls.find((call) => call.name === name)!;
    image.set(at + index * RELA_BYTES, BigInt(address + 8 * index));
    image.set(at + index * RELA_BYTES + 8, BigInt(symbol) << 32n | R_X86_64_GLOB_DAT);
    image.set(at + index * RELA_BYTES + 16, 0n);
  });
  const bytes = BigInt(CALLED.length * RELA_BYTES);
  image.set(image.dynamic.get(DT_RELASZ)!, BigInt(image.tag(DT_RELASZ)) + bytes);
}

/** Makes the note's program header one that loads a page with code; `at` is the header's place. */
function loadCode(image: ElfImage, at: number, offset: number, address: number): void {
  image.view.setUint32(at, PT_LOAD, true);
  image.view.setUint32(at + 4, READ_AND_EXECUTE, true);
  const words = [offset, address, address, PAGE_BYTES, PAGE_BYTES, PAGE_BYTES];
  words.forEach((word, index) => image.set(at + 8 + 8 * index, BigInt(word)));
}

/**
 * Puts the code into the executable in `bytes`, whose file has `room` behind its relocations.
 * Returns undefined when done, else the reason why the bytes are unchanged.
 */
export function useLargePages(bytes: Uint8Array, room: Room): string | undefined {
  const image = ElfImage.of(bytes);
  if (image === undefined) return "no ELF file";
  const calls = slots(image);
  const reason = obstacle(image, room, calls);
  if (reason !== undefined) return reason;

  const last = image.segments.findLast(({ type }) => type === PT_LOAD)!;
  const data = roundUp(last.address + last.memory, 8);
  const code = roundUp(data + DATA_BYTES, PAGE_BYTES);
  const codeOffset = roundUp(room.offset + CALLED.length * RELA_BYTES, PAGE_BYTES);
  const constructor = image.offsetOf(image.tag(DT_INIT_ARRAY));

  bytes.set(CODE, codeOffset);
  image.set(codeOffset + CODE.length, BigInt(data));
  image.set(codeOffset + CODE.length + 8, image.word(constructor));
  image.set(constructor, BigInt(code + ENTRY.initialise));
  for (const { at, name } of calls) {
    if (!(name in REPLACED)) continue;
    image.set(image.offsetOf(image.number(at)), BigInt(code + REPLACED[name]));
    image.set(at + 8, R_X86_64_NONE);
  }
  image.set(last.at + 40, BigInt(data + DATA_BYTES - last.address));
  addRelocations(image, room.offset, data, calls);
  loadCode(image, image.segments.find(({ type }) => type === PT_NOTE)!.at, codeOffset, code);
}

/** The machine code, for the test that assembles it again. */
export function largePagesCode(): Uint8Array {
  return CODE.slice();
}
