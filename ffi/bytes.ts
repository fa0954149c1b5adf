/** Bytes as the kernel wants them: C strings and structures in little-endian order. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `text` in UTF-8 with a closing NUL. Throws RangeError if it has a NUL inside. */
export function cstr(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new RangeError(`Cannot pass "${text}" to the kernel: NUL inside`);
  const bytes = new Uint8Array(text.length * 3 + 1);
  const { written } = encoder.encodeInto(text, bytes);
  return bytes.subarray(0, written + 1);
}

/** The text of a C string that starts at `offset` of `bytes`. */
export function textAt(bytes: Uint8Array, offset = 0): string {
  const end = bytes.indexOf(0, offset);
  return decoder.decode(bytes.subarray(offset, end < 0 ? bytes.length : end));
}

/**
 * Writes a C structure field by field. Fields are naturally aligned by the caller's order;
 * `done(size)` asserts the size that the kernel's header gives.
 */
export class StructWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  #at = 0;
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }
  u8(value: number): this {
    this.view.setUint8(this.#at, value);
    this.#at += 1;
    return this;
  }
  u16(value: number): this {
    this.view.setUint16(this.#at, value, true);
    this.#at += 2;
    return this;
  }
  u32(value: number): this {
    this.view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }
  u64(value: number | bigint): this {
    this.view.setBigUint64(this.#at, BigInt.asUintN(64, BigInt(value)), true);
    this.#at += 8;
    return this;
  }
  pad(count: number): this {
    this.#at += count;
    return this;
  }
  /** The bytes; throws RangeError unless exactly the structure's size was written. */
  done(): Uint8Array<ArrayBuffer> {
    if (this.#at !== this.bytes.length) {
      throw new RangeError(
        `Cannot build a structure of ${this.bytes.length} bytes: wrote ${this.#at}`,
      );
    }
    return this.bytes;
  }
}
