/**
 * A look at an ELF executable of 64 bits for those who change it in place: its segments and its
 * dynamic table. See elf(5) and the psABI supplements for x86-64 and AArch64.
 */

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
export const RELA_BYTES = 24;
export const SYMBOL_BYTES = 24;

export const ET_EXEC = 2;
export const ET_DYN = 3;
export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;

export const PT_LOAD = 1;
const PT_DYNAMIC = 2;
export const PT_NOTE = 4;
export const PT_GNU_STACK = 0x6474e551;

const DT_PLTRELSZ = 2;
export const DT_STRTAB = 5;
export const DT_SYMTAB = 6;
export const DT_RELA = 7;
export const DT_RELASZ = 8;
export const DT_JMPREL = 23;
export const DT_INIT_ARRAY = 25;
export const DT_INIT_ARRAYSZ = 27;
export const DT_RELACOUNT = 0x6ffffff9;
export const DT_FLAGS_1 = 0x6ffffffb;

interface Segment {
  type: number;
  at: number; // of its program header, in the file
  offset: number;
  address: number;
  bytes: number; // in the file
  memory: number; // in memory: what the file does not have is zero
}

/** A piece of the file that nothing uses any more. */
export interface Room {
  offset: number;
  bytes: number;
}

/** An ELF file under change. Addresses fit in a number; words are read and written as bigint. */
export class ElfImage {
  readonly view: DataView;
  readonly segments: Segment[] = [];
  /** Tag -> file offset of its value. */
  readonly dynamic = new Map<number, number>();

  private constructor(readonly bytes: Uint8Array) {
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
        memory: this.number(at + 40),
      });
    }
    const table = this.segments.find((segment) => segment.type === PT_DYNAMIC);
    for (let at = table?.offset ?? 0; at < (table ? table.offset + table.bytes : 0); at += 16) {
      this.dynamic.set(this.number(at), at + 8);
    }
  }

  /** The image of `bytes`, which it changes; undefined for what is no ELF file. */
  static of(bytes: Uint8Array): ElfImage | undefined {
    const isElf = bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
    return isElf && bytes.length >= HEADER_BYTES ? new ElfImage(bytes) : undefined;
  }

  get type(): number {
    return this.view.getUint16(16, true);
  }

  get machine(): number {
    return this.view.getUint16(18, true);
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

  /** File offsets of the entries of a relocation table: DT_RELA or DT_JMPREL. */
  relocations(table: typeof DT_RELA | typeof DT_JMPREL): number[] {
    if (this.tag(table) === 0) return [];
    const start = this.offsetOf(this.tag(table));
    const bytes = this.tag(table === DT_RELA ? DT_RELASZ : DT_PLTRELSZ);
    return Array.from({ length: bytes / RELA_BYTES }, (_, index) => start + index * RELA_BYTES);
  }
}
