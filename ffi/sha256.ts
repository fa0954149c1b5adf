/**
 * SHA-256 by the processor's own instructions, in machine code: at full speed without loading
 * node:crypto (20 ms), and on a thread of Deno's pool beside this one, where it reads the file
 * itself (a Worker would take 60 ms to start). Source of the bytes: sha256_x86_64.s beside this file.
 */
import { executable } from "./arena.ts";
import { EIO, SyscallError } from "./errno.ts";
import { addressOf } from "./libc.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The machine code for x86_64. */
export const SHA256_X86_64 =
  "5355415441554889fb4885ff0f84270200004c8b6b104d85ed0f84110200004c3b6b284c0f476b284d89ec833b007c" +
  "6e4531e4b8110000008b3b488b73204c01e64c89ea4c29e24c8b53080f054883f8fc74e04885c00f8ec40100004801" +
  "43084901c44d39ec72cb837b18007c3031edb8010000008b7b18488b73204801ee4c89e24829ea0f054883f8fc74e3" +
  "4885c00f8e8a0100004801c54c39e572d2f30f6f4b40f30f6f5350660f70c9b1660f70d21b660f6ff9660f3a0fca08" +
  "660f3a0ed7f0f3440f6f05a5010000488b73204c89e248c1ea060f841301000066440f6fc966440f6fd2f30f6f1ef3" +
  "0f6f6610f30f6f6e20f30f6f763066410f3800d866410f3800e066410f3800e866410f3800f0488d0d68010000b804" +
  "000000f30f6f01660ffec30f38cbd1660f70c00e0f38cbca0f38ccdc660f6ffe660f3a0ffd04660ffedf0f38cddef3" +
  "0f6f4110660ffec40f38cbd1660f70c00e0f38cbca0f38cce5660f6ffb660f3a0ffe04660ffee70f38cde3f30f6f41" +
  "20660ffec50f38cbd1660f70c00e0f38cbca0f38ccee660f6ffc660f3a0ffb04660ffeef0f38cdecf30f6f4130660f" +
  "fec60f38cbd1660f70c00e0f38cbca0f38ccf3660f6ffd660f3a0ffc04660ffef70f38cdf54883c140ffc80f8545ff" +
  "ffff66410ffec966410ffed24883c64048ffca0f85edfeffff660f70c91b660f70d2b1660f6ff9660f3a0ecaf0660f" +
  "3a0fd708f30f7f4b40f30f7f53504c0163304c296310e9f2fdffff48f7d84889433848c7c0ffffffffeb0231c0415d" +
  "415c5d5bc331c00fa283f80772eeb8010000000fa281e10002080081f90002080075d9b80700000031c90fa2c1eb1d" +
  "83e30189d8ebc8660f1f44000003020100070605040b0a09080f0e0d0c982f8a4291443771cffbc0b5a5dbb5e95bc2" +
  "5639f111f159a4823f92d55e1cab98aa07d8015b8312be853124c37d0c55745dbe72feb1de80a706dc9b74f19bc1c1" +
  "699be48647beefc69dc10fcca10c246f2ce92daa84744adca9b05cda88f97652513e986dc631a8c82703b0c77f59bf" +
  "f30be0c64791a7d55163ca0667292914850ab72738211b2efc6d2c4d130d385354730a65bb0a6a762ec9c281852c72" +
  "92a1e8bfa24b661aa8708b4bc2a3516cc719e892d1240699d685350ef470a06a1016c1a419086c371e4c774827b5bc" +
  "b034b30c1c394aaad84e4fca9c5bf36f2e68ee828f746f63a5781478c8840802c78cfaffbe90eb6c50a4f7a3f9bef2" +
  "7871c6";

/** Bytes of a job, and words in it; sha256_x86_64.s has the list. */
const JOB = 96;
const [INPUT, OFFSET, LEFT, OUTPUT, BUFFER, SIZE, , ERROR] = [0, 1, 2, 3, 4, 5, 6, 7];
const STATE = 64;
/** Fits the second cache, so that each piece is read from memory once. */
const PIECE = 256 << 10;
const BLOCK = 64;

/** The first 32 bits behind the point of the square roots of the first eight primes. */
const START = [2, 3, 5, 7, 11, 13, 17, 19].map((prime) => ((prime ** 0.5) % 1) * 2 ** 32);

const SYNC = { parameters: ["u64"], result: "i64" } as const;
const ASIDE = { parameters: ["u64"], result: "i64", nonblocking: true } as const;

/** The code, as functions of a job's address. */
interface Functions {
  now(job: bigint): bigint;
  /** On another thread. */
  aside(job: bigint): Promise<bigint>;
}

let functions: Functions | null | undefined;

/** The code, or null where the processor has no such instructions. */
function load(): Functions | null {
  if (functions !== undefined) return functions;
  if (Deno.build.arch !== "x86_64") return functions = null;
  const code = Deno.UnsafePointer.create(executable(Uint8Array.fromHex(SHA256_X86_64)))!;
  const now = new Deno.UnsafeFnPointer(code as Deno.PointerObject<typeof SYNC>, SYNC);
  if (now.call(0n) !== 1n) return functions = null;
  let other: Deno.UnsafeFnPointer<typeof ASIDE> | undefined;
  return functions = {
    now: (job) => now.call(job),
    aside: (job) => {
      other ??= new Deno.UnsafeFnPointer(code as Deno.PointerObject<typeof ASIDE>, ASIDE);
      return other.call(job);
    },
  };
}

/** Whether this machine can: others take node:crypto. */
export function canHashFast(): boolean {
  return load() !== null;
}

/** A hash under way, with the memory of its job. */
export class FastSha256 {
  readonly #job = new Uint8Array(JOB);
  readonly #words = new BigInt64Array(this.#job.buffer);
  readonly #address = addressOf(this.#job);
  /** What does not fill a block yet. */
  readonly #rest = new Uint8Array(BLOCK);
  #filled = 0;
  #size = 0;

  constructor() {
    new Uint32Array(this.#job.buffer, STATE, 8).set(START);
    this.#words[INPUT] = this.#words[OUTPUT] = -1n;
  }

  /** Takes the next bytes. */
  update(bytes: Uint8Array): void {
    this.#size += bytes.length;
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(BLOCK - this.#filled, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < BLOCK) return;
      this.#blocks(this.#rest, BLOCK);
      this.#filled = 0;
    }
    const whole = (bytes.length - at) & ~(BLOCK - 1);
    if (whole > 0) this.#blocks(at === 0 ? bytes : bytes.subarray(at), whole);
    this.#rest.set(bytes.subarray(at + whole));
    this.#filled = bytes.length - at - whole;
  }

  #blocks(bytes: Uint8Array, count: number): void {
    this.#words[BUFFER] = addressOf(bytes as Bytes);
    this.#words[LEFT] = this.#words[SIZE] = BigInt(count);
    load()!.now(this.#address);
  }

  /**
   * Takes `length` bytes of the open file `from`, on another thread, and writes them to the open
   * file `to` if there is one. Nothing else may be done with this hash until it resolves. Throws
   * SyscallError; a file that ends early is EIO.
   */
  async updateFrom(from: number, offset: number, length: number, to = -1): Promise<void> {
    if (this.#filled > 0) throw new RangeError("Cannot hash a file in the middle of a block");
    const buffer = new Uint8Array(PIECE);
    this.#words[INPUT] = BigInt(from);
    this.#words[OUTPUT] = BigInt(to);
    this.#words[OFFSET] = BigInt(offset);
    this.#words[LEFT] = BigInt(length);
    this.#words[BUFFER] = addressOf(buffer);
    this.#words[SIZE] = BigInt(PIECE);
    const result = await load()!.aside(this.#address);
    this.#words[INPUT] = this.#words[OUTPUT] = -1n;
    if (result !== 0n) {
      const errno = Number(this.#words[ERROR]) || EIO;
      throw new SyscallError("pread64", errno, "copy a file");
    }
    this.#size += length;
    // The end of the last piece fills no block: it is still in the buffer.
    const last = length === 0 ? 0 : ((length - 1) % PIECE) + 1;
    this.#filled = last % BLOCK;
    this.#rest.set(buffer.subarray(last - this.#filled, last));
  }

  /**
   * Takes bytes of memory on another thread; they must stay as they are, and nothing else be done
   * with this hash, until it resolves.
   */
  async updateAside(bytes: Bytes): Promise<void> {
    if (this.#filled > 0) return this.update(bytes);
    this.#words[BUFFER] = addressOf(bytes);
    const whole = bytes.length & ~(BLOCK - 1);
    this.#words[LEFT] = this.#words[SIZE] = BigInt(whole);
    await load()!.aside(this.#address);
    this.#size += bytes.length;
    this.#filled = bytes.length - whole;
    this.#rest.set(bytes.subarray(whole));
  }

  /** The digest in hexadecimal; to be called once. */
  hex(): string {
    const end = new Uint8Array(this.#filled < BLOCK - 8 ? BLOCK : 2 * BLOCK);
    end.set(this.#rest.subarray(0, this.#filled));
    end[this.#filled] = 0x80;
    new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(this.#size) * 8n);
    this.#blocks(end, end.length);
    const state = new Uint32Array(this.#job.buffer, STATE, 8);
    return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
  }
}
