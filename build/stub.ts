/**
 * The head of the self-extracting file: an ELF executable of one read-only segment, whose code
 * executes the program that root unpacked (0.1 ms; a shell takes 1 ms to do the same) or else,
 * and for ordinary users, a shell with the script that unpacks and finds places (head.sh).
 */

/** Where the segment is loaded. */
const LOAD_AT = 0x400000n;
const HEADERS_BYTES = 64 + 2 * 56;

/** Machine code by `Deno.build.arch`, assembled from the .s file of that name. */
const CODE: Record<string, { machine: number; hex: string[] }> = {
  x86_64: {
    machine: 62,
    // deno-fmt-ignore
    hex: [
      "4889e34c8b234c8d3d3b0100004e8d6ce3104c89ef4883c70848837ff80075f54989f84c8b7308488b074885c0740f48",
      "83f81f4c0f4477084883c710ebe94c89f731c948ffc1807c0fff0075f6488d411f4883e0f04829c44889e74889e5498b",
      "77184889cab90f000000f3a44c89f64889d1f3a44c89c14c29e9488d81800000004829c44989e14889e74889e848ab49",
      "8b772848ad4885c0740448abebf54889fd4989cab815000000498b7f08be020000000f054889ef4189c085c07506498b",
      "471048ab4c89ee4c89d1f3a44585c0750e498b7720498b3f31ede81d000000498b773048ad4889c74c89f5e80c000000",
      "bf7f000000b83c0000000f05415a4a8d04e5000100004829c44889fa4889e748ad4885c0740448abebf54889e84885c0",
      "740248ab488d731048ad48ab4885c075f74889d74889e64c89cab83b0000004c89d50f05ffe56690",
    ],
  },
};

/** What the code needs to know; texts without NUL. */
export interface StubTexts {
  /** The unpacked program, its folder, and `DENO_DIR=…` for who may write there. */
  program: string;
  home: string;
  denoDir: string;
  /** The program's first arguments, argv[0] included; the user's follow. */
  argv: readonly string[];
  /** Variables set on the way, `NAME=value`. */
  env: readonly string[];
  /** The script for `/bin/sh -c`; its $0 is the path by which the file was called. */
  script: string;
}

/** Collects texts and words behind the code and knows at which address each will lie. */
class Table {
  readonly #bytes: number[] = [];
  constructor(readonly start: bigint) {}

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  text(value: string): bigint {
    const at = this.start + BigInt(this.#bytes.length);
    // Not push(...): a script is longer than a call may have arguments.
    for (const byte of new TextEncoder().encode(value)) this.#bytes.push(byte);
    do this.#bytes.push(0); while (this.#bytes.length % 8 !== 0);
    return at;
  }

  words(values: readonly bigint[]): bigint {
    const at = this.start + BigInt(this.#bytes.length);
    const view = new DataView(new ArrayBuffer(8));
    for (const value of values) {
      view.setBigUint64(0, value, true);
      this.#bytes.push(...new Uint8Array(view.buffer));
    }
    return at;
  }
}

function headers(machine: number, size: number): Uint8Array {
  const bytes = new Uint8Array(HEADERS_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, LOAD_AT + BigInt(HEADERS_BYTES), true); // entry
  view.setBigUint64(32, 64n, true); // program headers
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  view.setUint32(64, 1, true); // PT_LOAD, read and execute
  view.setUint32(68, 5, true);
  view.setBigUint64(80, LOAD_AT, true);
  view.setBigUint64(88, LOAD_AT, true);
  view.setBigUint64(96, BigInt(size), true);
  view.setBigUint64(104, BigInt(size), true);
  view.setBigUint64(112, 4096n, true);
  view.setUint32(120, 0x6474e551, true); // PT_GNU_STACK, read and write
  view.setUint32(124, 6, true);
  return bytes;
}

/** The executable head for this processor; undefined where only the script can be the head. */
export function stub(arch: string, texts: StubTexts): Uint8Array | undefined {
  const code = CODE[arch];
  if (code === undefined) return undefined;
  const machineCode = Uint8Array.fromHex(code.hex.join(""));
  const tableAt = LOAD_AT + BigInt(HEADERS_BYTES + machineCode.length);
  const tableWords = 7;
  const data = new Table(tableAt + BigInt(8 * tableWords));
  const list = (values: readonly string[]) =>
    data.words([...values.map((value) => data.text(value)), 0n]);
  const addresses = [
    data.text(texts.program),
    data.text(texts.home),
    data.text(texts.denoDir),
    data.text("DIPLODOCK_SELF="),
    list(texts.argv),
    list(texts.env),
    list(["/bin/sh", "sh", "-c", texts.script]),
  ];
  const table = new Table(tableAt);
  table.words(addresses);
  const parts = [machineCode, table.bytes, data.bytes];
  const size = HEADERS_BYTES + parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of [headers(code.machine, size), ...parts]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The machine code for `arch`, for the test that assembles it again. */
export function stubCode(arch: string): Uint8Array | undefined {
  return CODE[arch] && Uint8Array.fromHex(CODE[arch].hex.join(""));
}
