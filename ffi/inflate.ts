/**
 * gzip and zstd undone by the system's libz and libzstd, on a thread of Deno's pool: no Worker
 * (60 ms to start), no copies between threads, no fresh memory for each piece.
 * The check sum of a gzip stream is not looked at: what layers hold is known by its SHA-256.
 * Source: zlib.h, "Basic functions"; zstd.h, "Streaming decompression".
 */
import { addressOf } from "./libc.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Gives the next piece of what is compressed; it stays as it is until the next call. */
export type ReadInput = () => Promise<Bytes | undefined>;

/** A stream being decompressed. Broken data throws an Error. */
export interface Inflater extends Disposable {
  /** Fills `output`, or what is left; 0 at the end. `output` must stay reachable meanwhile. */
  fill(output: Bytes, read: ReadInput): Promise<number>;
}

const ZLIB = {
  // int inflateInit2_(z_streamp, int windowBits, const char *version, int stream_size)
  inflateInit2_: { parameters: ["buffer", "i32", "buffer", "i32"], result: "i32" },
  inflateValidate: { parameters: ["buffer", "i32"], result: "i32" }, // int check
  inflate: { parameters: ["buffer", "i32"], result: "i32", nonblocking: true },
  inflateReset: { parameters: ["buffer"], result: "i32" },
  inflateEnd: { parameters: ["buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const ZSTD = {
  ZSTD_createDStream: { parameters: [], result: "pointer" },
  // size_t ZSTD_decompressStream(ZSTD_DStream *, ZSTD_outBuffer *, ZSTD_inBuffer *)
  ZSTD_decompressStream: {
    parameters: ["pointer", "buffer", "buffer"],
    result: "usize",
    nonblocking: true,
  },
  ZSTD_isError: { parameters: ["usize"], result: "u32" },
  ZSTD_freeDStream: { parameters: ["pointer"], result: "usize" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The library, or undefined where it is not installed. */
function open<T extends Deno.ForeignLibraryInterface>(name: string, symbols: T) {
  try {
    return Deno.dlopen(name, symbols).symbols;
  } catch {
    return undefined;
  }
}

/** Decompresses with the system's library; undefined where there is none. */
export function openInflater(compression: "gzip" | "zstd"): Inflater | undefined {
  if (compression === "zstd") {
    const zstd = open("libzstd.so.1", ZSTD);
    return zstd && new ZstdInflater(zstd);
  }
  const zlib = open("libz.so.1", ZLIB);
  return zlib && new GzipInflater(zlib);
}

/** struct z_stream of 64 bit machines. */
const Z_STREAM = { size: 112, nextIn: 0, availIn: 8, nextOut: 24, availOut: 32 };
const [Z_OK, Z_STREAM_END, Z_BUF_ERROR] = [0, 1, -5];
/** 32 kB of window, and a gzip header. */
const GZIP_WINDOW = 15 + 16;
const GZIP_MAGIC = 0x1f;

class GzipInflater implements Inflater {
  readonly #stream = new Uint8Array(Z_STREAM.size);
  readonly #view = new DataView(this.#stream.buffer);
  #input: Bytes = new Uint8Array(0);
  #state: "inside" | "between" | "done" = "inside";

  constructor(readonly zlib: Deno.StaticForeignLibraryInterface<typeof ZLIB>) {
    const version = new TextEncoder().encode("1.2.0\0");
    const result = zlib.inflateInit2_(this.#stream, GZIP_WINDOW, version, Z_STREAM.size);
    if (result !== Z_OK) throw new Error(`Cannot decompress: libz says ${result}`);
    // No CRC-32, a sixth of the work: whoever reads this verifies a digest of it all.
    zlib.inflateValidate(this.#stream, 0);
  }

  async fill(output: Bytes, read: ReadInput): Promise<number> {
    let made = 0;
    while (made < output.length && this.#state !== "done") {
      const hasInput = this.#left > 0 || await this.#take(read);
      if (this.#state === "between") {
        this.#nextMember(hasInput);
        continue;
      }
      made += await this.#inflate(output.subarray(made), hasInput);
    }
    return made;
  }

  get #left(): number {
    return this.#view.getUint32(Z_STREAM.availIn, true);
  }

  async #take(read: ReadInput): Promise<boolean> {
    const input = await read();
    if (input === undefined || input.length === 0) return false;
    this.#input = input;
    this.#view.setBigUint64(Z_STREAM.nextIn, addressOf(input), true);
    this.#view.setUint32(Z_STREAM.availIn, input.length, true);
    return true;
  }

  /** A gzip file may be several, one behind the other; anything else behind one is ignored. */
  #nextMember(hasInput: boolean): void {
    const begins = hasInput && this.#input[this.#input.length - this.#left] === GZIP_MAGIC;
    this.#state = begins ? "inside" : "done";
    if (begins) this.zlib.inflateReset(this.#stream);
  }

  async #inflate(output: Bytes, hasInput: boolean): Promise<number> {
    this.#view.setBigUint64(Z_STREAM.nextOut, addressOf(output), true);
    this.#view.setUint32(Z_STREAM.availOut, output.length, true);
    const result = await this.zlib.inflate(this.#stream, 0);
    const made = output.length - this.#view.getUint32(Z_STREAM.availOut, true);
    if (result === Z_STREAM_END) this.#state = "between";
    else if (result !== Z_OK && result !== Z_BUF_ERROR) {
      throw new Error("Cannot decompress: broken gzip data");
    } else if (!hasInput && made === 0) {
      throw new Error("Cannot decompress: unexpected end of file");
    }
    return made;
  }

  [Symbol.dispose](): void {
    this.zlib.inflateEnd(this.#stream);
  }
}

class ZstdInflater implements Inflater {
  readonly #stream: Deno.PointerValue;
  /** ZSTD_outBuffer and ZSTD_inBuffer: address, size, position. */
  readonly #output = new BigUint64Array(16);
  readonly #source = new BigUint64Array(16);
  #input: Bytes = new Uint8Array(0);
  #isWhole = true;

  constructor(readonly zstd: Deno.StaticForeignLibraryInterface<typeof ZSTD>) {
    this.#stream = zstd.ZSTD_createDStream();
  }

  async fill(output: Bytes, read: ReadInput): Promise<number> {
    this.#output.set([addressOf(output), BigInt(output.length), 0n]);
    const made = () => Number(this.#output[2]);
    while (made() < output.length) {
      const hasInput = this.#source[2] < this.#source[1] || await this.#take(read);
      if (!hasInput && this.#isWhole) break;
      const before = made();
      const { zstd } = this;
      const [out, source] = [
        new Uint8Array(this.#output.buffer),
        new Uint8Array(this.#source.buffer),
      ];
      const result = await zstd.ZSTD_decompressStream(this.#stream, out, source);
      if (zstd.ZSTD_isError(result) !== 0) throw new Error("Cannot decompress: broken zstd data");
      this.#isWhole = result === 0n;
      if (!hasInput && made() === before && !this.#isWhole) {
        throw new Error("Cannot decompress: unexpected end of file");
      }
    }
    return made();
  }

  async #take(read: ReadInput): Promise<boolean> {
    const input = await read();
    if (input === undefined || input.length === 0) return false;
    this.#input = input;
    this.#source.set([addressOf(input), BigInt(input.length), 0n]);
    return true;
  }

  [Symbol.dispose](): void {
    this.zstd.ZSTD_freeDStream(this.#stream);
    this.#input = new Uint8Array(0);
  }
}
