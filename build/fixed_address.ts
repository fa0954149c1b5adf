/**
 * Gives a position-independent executable a fixed address, so that it starts sooner.
 *
 * Deno is position-independent: at each start the dynamic loader adds the load address to 159,000
 * words and by that copies 2.5 MB of pages (3 ms of 21, measured). Here the same sums are done
 * once, in the file. Libraries, stack, heap and V8's memory stay at random addresses; only Deno's
 * own code no longer moves. Layout and sizes stay as they are, so data appended to the file stays
 * valid. See elf(5) and the psABI supplements for x86-64 and AArch64.
 */

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const RELA_BYTES = 24;
const SYMBOL_BYTES = 24;

const ET_EXEC = 2n;
const ET_DYN = 3;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_GNU_STACK = 0x6474e551;

const DT_PLTRELSZ = 2;
const DT_SYMTAB = 6;
const DT_RELA = 7;
const DT_RELASZ = 8;
const DT_JMPREL = 23;
const DT_RELACOUNT = 0x6ffffff9;
const DT_FLAGS_1 = 0x6ffffffb;
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
  62: { relative: 8n, indirect: 37n }, // R_X86_64_RELATIVE, R_X86_64_IRELATIVE
  183: { relative: 1027n, indirect: 1032n }, // R_AARCH64_RELATIVE, R_AARCH64_IRELATIVE
};

interface Segment {
  type: number;
  at: number; // of its program header, in the file
  offset: number;
  address: number;
  bytes: number;
}

/** An ELF file under change. Addresses fit in a number; words are read and written as bigint. */
class Image {
  readonly view: DataView;
  readonly segments: Segment[] = [];
  /** Tag -> file offset of its value. */
  readonly dynamic = new Map<number, number>();

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const first = this.number(32);
    for (let index = 0; index < this.view.getUint16(56, true); index++) {
      const at = first + index * PROGRAM_HEADER_BYTES;
      this.segments.push({
        type: this.view.getUint32(at, true),
        at,
        offset: this.number(at + 8),
        address: this.number(at + 16),
        bytes: this.number(at + 32),
      });
    }
    const table = this.segments.find((segment) => segment.type === PT_DYNAMIC);
    for (let at = table?.offset ?? 0; at < (table ? table.offset + table.bytes : 0); at += 16) {
      this.dynamic.set(this.number(at), at + 8);
    }
  }

  word(at: number): bigint {
    return this.view.getBigUint64(at, true);
  }

  number(at: number): number {
    return Number(this.word(at));
  }

  set(at: number, value: bigint): void {
    this.view.setBigUint64(at, value, true);
  }

  /** The value of a dynamic tag; 0 when the file has none. */
  tag(tag: number): number {
    const at = this.dynamic.get(tag);
    return at === undefined ? 0 : this.number(at);
  }

  /** Where in the file lies what will be at `address`. Throws RangeError when nothing will. */
  offsetOf(address: number): number {
    for (const { type, offset, address: start, bytes } of this.segments) {
      if (type === PT_LOAD && address >= start && address < start + bytes) {
        return offset + address - start;
      }
    }
    throw new RangeError(`Cannot find address 0x${address.toString(16)}: in no segment`);
  }
}

/** Why `image` can't be given an address; undefined when it can. */
function obstacle(image: Image): string | undefined {
  if (image.view.getUint16(16, true) !== ET_DYN) return "not position-independent";
  if (!(image.view.getUint16(18, true) in MACHINES)) return "neither x86-64 nor AArch64";
  for (const tag of image.dynamic.keys()) {
    if (!ADDRESS_TAGS.includes(tag) && !PLAIN_TAGS.includes(tag)) return `dynamic tag ${tag}`;
  }
  if (image.tag(DT_RELA) === 0 || image.tag(DT_SYMTAB) === 0) return "no relocations";
  // The stubs of lazy binding keep addresses that no relocation describes.
  if ((image.tag(DT_FLAGS_1) & DF_1_NOW) === 0) return "binds its calls lazily";
}

/** Does the relative relocations in place and moves the rest to the front of the table. */
function relocate(image: Image, base: bigint): void {
  const { relative, indirect } = MACHINES[image.view.getUint16(18, true)];
  const start = image.offsetOf(image.tag(DT_RELA));
  let kept = start;
  for (let at = start; at < start + image.tag(DT_RELASZ); at += RELA_BYTES) {
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
  image.set(image.dynamic.get(DT_RELASZ)!, BigInt(kept - start));
  if (image.dynamic.has(DT_RELACOUNT)) image.set(image.dynamic.get(DT_RELACOUNT)!, 0n);
  const calls = image.tag(DT_JMPREL) === 0 ? 0 : image.offsetOf(image.tag(DT_JMPREL));
  for (let at = calls; at < calls + image.tag(DT_PLTRELSZ); at += RELA_BYTES) {
    image.set(at, image.word(at) + base);
    if (image.word(at + 8) === indirect) image.set(at + 16, image.word(at + 16) + base);
  }
}

/** Moves the addresses of the symbols the file defines. The next table ends theirs. */
function moveSymbols(image: Image, base: bigint): void {
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
function moveHeaders(image: Image, base: bigint): void {
  for (const [tag, at] of image.dynamic) {
    if (ADDRESS_TAGS.includes(tag)) image.set(at, image.word(at) + base);
    if (tag === DT_FLAGS_1) image.set(at, image.word(at) & ~DF_1_PIE);
  }
  for (const { type, at } of image.segments) {
    if (type === PT_GNU_STACK) continue;
    image.set(at + 16, image.word(at + 16) + base);
    image.set(at + 24, image.word(at + 24) + base);
  }
  image.view.setUint16(16, Number(ET_EXEC), true);
  image.set(24, image.word(24) + base);
}

/**
 * Changes the position-independent executable in `bytes` into one that loads at `base` (a
 * multiple of 2 MiB). Returns undefined when done, else the reason why the bytes are unchanged.
 */
export function fixAddress(bytes: Uint8Array, base: bigint): string | undefined {
  const isElf = bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
  if (bytes.length < HEADER_BYTES || !isElf) return "no ELF file";
  const image = new Image(bytes);
  const reason = obstacle(image);
  if (reason !== undefined) return reason;
  relocate(image, base);
  moveSymbols(image, base);
  moveHeaders(image, base);
}
