/**
 * Gives a position-independent executable a fixed address, so that it starts sooner.
 *
 * Deno is position-independent: at each start the dynamic loader adds the load address to 159,000
 * words and by that copies 2.5 MB of pages (3 ms of 21, measured). Here the same sums are done
 * once, in the file. Libraries, stack, heap and V8's memory stay at random addresses; only Deno's
 * own code no longer moves. Layout and sizes stay as they are, so data appended to the file stays
 * valid. See elf(5) and the psABI supplements for x86-64 and AArch64.
 */
import {
  DT_FLAGS_1,
  DT_JMPREL,
  DT_RELA,
  DT_RELACOUNT,
  DT_RELASZ,
  DT_SYMTAB,
  ElfImage,
  EM_AARCH64,
  EM_X86_64,
  ET_DYN,
  ET_EXEC,
  PT_GNU_STACK,
  RELA_BYTES,
  type Room,
  SYMBOL_BYTES,
} from "./elf_image.ts";

const DF_1_NOW = 1;
const DF_1_PIE = 0x08000000n;

/** Tags whose value is an address: PLTGOT HASH STRTAB SYMTAB RELA INIT FINI JMPREL INIT_ARRAY … */
const ADDRESS_TAGS = [3, 4, 5, 6, 7, 12, 13, 23, 25, 26, 32, 0x6ffffef5, 0x6ffffff0, 0x6ffffffe];

/** Tags whose value is no address: NEEDED sizes SONAME RPATH PLTREL DEBUG FLAGS counts … */
const PLAIN_TAGS = [
  ...[0, 1, 2, 8, 9, 10, 11, 14, 15, 20, 21, 24, 27, 28, 29, 30, 33],
  ...[DT_RELACOUNT, DT_FLAGS_1, 0x6fffffff],
];

/** For each machine (e_machine) the relocation that adds the load address, and the indirect one. */
const MACHINES: Record<number, { relative: bigint; indirect: bigint }> = {
  [EM_X86_64]: { relative: 8n, indirect: 37n }, // R_X86_64_RELATIVE, R_X86_64_IRELATIVE
  [EM_AARCH64]: { relative: 1027n, indirect: 1032n }, // R_AARCH64_RELATIVE, R_AARCH64_IRELATIVE
};

/** Why `image` can't be given an address; undefined when it can. */
function obstacle(image: ElfImage): string | undefined {
  if (image.type !== ET_DYN) return "not position-independent";
  if (!(image.machine in MACHINES)) return "neither x86-64 nor AArch64";
  for (const tag of image.dynamic.keys()) {
    if (!ADDRESS_TAGS.includes(tag) && !PLAIN_TAGS.includes(tag)) return `dynamic tag ${tag}`;
  }
  if (image.tag(DT_RELA) === 0 || image.tag(DT_SYMTAB) === 0) return "no relocations";
  // The stubs of lazy binding keep addresses that no relocation describes.
  if ((image.tag(DT_FLAGS_1) & DF_1_NOW) === 0) return "binds its calls lazily";
}

/** Does the relative relocations in place and moves the rest to the front of the table. */
function relocate(image: ElfImage, base: bigint): Room {
  const { relative, indirect } = MACHINES[image.machine];
  const start = image.offsetOf(image.tag(DT_RELA));
  let kept = start;
  for (const at of image.relocations(DT_RELA)) {
    const [target, info, addend] = [image.word(at), image.word(at + 8), image.word(at + 16)];
    if (info === relative) {
      image.set(image.offsetOf(Number(target)), base + addend);
      continue;
    }
    image.set(kept, target + base);
    image.set(kept + 8, info);
    image.set(kept + 16, info === indirect ? addend + base : addend);
    kept += RELA_BYTES;
  }
  for (const at of image.relocations(DT_JMPREL)) {
    image.set(at, image.word(at) + base);
    if (image.word(at + 8) === indirect) image.set(at + 16, image.word(at + 16) + base);
  }
  const room = { offset: kept, bytes: start + image.tag(DT_RELASZ) - kept };
  image.bytes.fill(0, room.offset, room.offset + room.bytes);
  image.set(image.dynamic.get(DT_RELASZ)!, BigInt(kept - start));
  if (image.dynamic.has(DT_RELACOUNT)) image.set(image.dynamic.get(DT_RELACOUNT)!, 0n);
  return room;
}

/** Moves the addresses of the symbols the file defines. The next table ends theirs. */
function moveSymbols(image: ElfImage, base: bigint): void {
  const STT_TLS = 6;
  const SHN_ABS = 0xfff1;
  const tables = ADDRESS_TAGS.map((tag) => image.tag(tag));
  const end = image.offsetOf(Math.min(...tables.filter((table) => table > image.tag(DT_SYMTAB))));
  const start = image.offsetOf(image.tag(DT_SYMTAB));
  for (let at = start; at + SYMBOL_BYTES <= end; at += SYMBOL_BYTES) {
    const section = image.view.getUint16(at + 6, true);
    const type = image.view.getUint8(at + 4) & 15;
    if (section === 0 || section === SHN_ABS || type === STT_TLS) continue;
    image.set(at + 8, image.word(at + 8) + base);
  }
}

/** Moves what the headers and the dynamic table say about addresses, and the type. */
function moveHeaders(image: ElfImage, base: bigint): void {
  for (const [tag, at] of image.dynamic) {
    if (ADDRESS_TAGS.includes(tag)) image.set(at, image.word(at) + base);
    if (tag === DT_FLAGS_1) image.set(at, image.word(at) & ~DF_1_PIE);
  }
  for (const { type, at } of image.segments) {
    if (type === PT_GNU_STACK) continue;
    image.set(at + 16, image.word(at + 16) + base);
    image.set(at + 24, image.word(at + 24) + base);
  }
  image.view.setUint16(16, ET_EXEC, true);
  image.set(24, image.word(24) + base);
}

/**
 * Changes the position-independent executable in `bytes` into one that loads at `base` (a
 * multiple of 2 MiB). Returns where its table of relocations is now empty, or the reason why the
 * bytes are unchanged.
 */
export function fixAddress(bytes: Uint8Array, base: bigint): Room | string {
  const image = ElfImage.of(bytes);
  if (image === undefined) return "no ELF file";
  const reason = obstacle(image);
  if (reason !== undefined) return reason;
  const room = relocate(image, base);
  moveSymbols(image, base);
  moveHeaders(image, base);
  return room;
}
