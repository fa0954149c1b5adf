/**
 * SHA-256 for a few kilobytes. Commands that hash only documents use it, because loading
 * node:crypto takes 20 ms, and WebCrypto neither streams nor answers at once.
 * Source: FIPS 180-4.
 */

const PRIMES = primes(64);
/** The first 32 bits behind the point of the cube roots of the first 64 primes. */
const K = Int32Array.from(PRIMES, (prime) => fraction(prime, 3));
/** The same of the square roots of the first eight. */
const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(prime, 2));

function primes(count: number): bigint[] {
  const found: bigint[] = [];
  for (let n = 2n; found.length < count; n++) {
    if (found.every((prime) => n % prime !== 0n)) found.push(n);
  }
  return found;
}

/** Bits of the `degree`th root of n behind the point: the whole root of n * 2^(32 * degree). */
function fraction(n: bigint, degree: 2 | 3): number {
  const wanted = n << BigInt(32 * degree);
  let root = 0n;
  for (let bit = 1n << 36n; bit > 0n; bit >>= 1n) {
    const next = root | bit;
    if (next ** BigInt(degree) <= wanted) root = next;
  }
  return Number(BigInt.asIntN(32, root));
}

const rotate = (x: number, n: number) => (x >>> n) | (x << (32 - n));

/** One hash under way. */
export class Sha256 {
  readonly #state = START.slice();
  readonly #block = new Uint8Array(64);
  readonly #view = new DataView(this.#block.buffer);
  readonly #words = new Int32Array(64);
  #filled = 0;
  #size = 0;

  update(bytes: Uint8Array): void {
    this.#size += bytes.length;
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + 64 - this.#filled);
      this.#block.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === 64) this.#compress();
    }
  }

  /** The digest in hexadecimal; to be called once. */
  hex(): string {
    const bits = BigInt(this.#size) * 8n;
    this.#block[this.#filled++] = 0x80;
    if (this.#filled > 56) {
      this.#block.fill(0, this.#filled);
      this.#compress();
    }
    this.#block.fill(0, this.#filled, 56);
    this.#view.setBigUint64(56, bits);
    this.#compress();
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #compress(): void {
    const [state, w] = [this.#state, this.#words];
    for (let i = 0; i < 16; i++) w[i] = this.#view.getInt32(4 * i);
    for (let i = 16; i < 64; i++) {
      const [x, y] = [w[i - 15], w[i - 2]];
      const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
      const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const sums = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i++) state[i] += sums[i];
    this.#filled = 0;
  }
}
