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
      "4889e34c8b234c8d3d230400004e8d6ce3104c89ef4883c70848837ff80075f54989f84c8b7308488b074885c074",
      "0f4883f81f4c0f4477084883c710ebe9e92e010000e85d030000741b4c8d4b104d8b5740498b3a4885ff740f4983",
      "c208e85f03000075ed4d8b7f484c89f731c948ffc1807c0fff0075f6488d411f4883e0f04829c44889e74889e549",
      "8b77184889cab90f000000f3a44c89f64889d1f3a44c89c14c29e9488d81800000004829c44989e14889e74889e8",
      "48ab498b772848ad4885c0740448abebf54889fd4989cab815000000498b7f08be020000000f054889ef4189c085",
      "c07506498b471048ab4c89ee4c89d1f3a44585c0750e498b7720498b3f31ede81d000000498b773048ad4889c74c",
      "89f5e80c000000bf7f000000b83c0000000f05415a4a8d04e5000100004829c44889fa4889e748ad4885c0740448",
      "abebf54889e84885c0740248ab488d731048ad48ab4885c075f74889d74889e64c89cab83b0000004c89d50f05ff",
      "e54889e541504883ec184c8d4b10e8220200007416488d3d6a020000e8310200000f85020200004983c1084d8b57",
      "38488d3d54020000e817020000741e488d3d4d020000e8090200007414488d3d45020000e8fb0100007517eb044d",
      "8b510849837908000f84bf0100004983c110ebbf488d3d2d02000048897df0e8d20100007428488d3d2102000048",
      "897df0e8c00100000f85910100004983c108488d3d0e020000e8aa01000075044983c108498b114885d20f846f01",
      "000049837908000f8564010000803a2d0f845b010000803a2e0f84520100004881ec001200004889e741bba00f00",
      "004c89d6e880010000c6072f48ffc74889d6ac3c2f0f8428010000aa41ffcb0f841e01000084c075e9c647ff2f48",
      "8b75f0e85301000048c7c79cffffff4889e6ba00000a004531d2b8010100000f0585c00f88ec000000488945e089",
      "c74889e6b8050000000f0585c00f85d4000000b86b0000000f053b44241c0f85c30000008b4424182512f000003d",
      "008000000f85af000000488b442430488945e8488b7df0be01000000b83f0100000f0585c00f888e00000089c748",
      "8b75e0488945e031d24c8b55e8b8280000000f05483b45e87571488b45f04889042448c744240800000000b83a00",
      "00000f0585c07855752c488b7de0488d35d80000004889e24c8d54240841b800100000b8420100000f05bf010000",
      "00b83c0000000f0589c7488d74241031d24531d2b83d0000000f0585c07810837c241000750931ffb8e70000000f",
      "054c8b45f84889ece99efcffff31c048ffc041807c06ff0075f54883f805720941817c06fb2d6f6369c3498b3148",
      "85f6741231c98a040e3a040f750a48ffc184c075f1c3ffc6c38a06880784c0740e48ffc648ffc741ffcb75ed58eb",
      "a4c36f6369002d2d726f6f74002d2d6c6f67002d2d6c6f672d666f726d61740073746172740064656c657465002d",
      "2d666f7263650000660f1f440000",
    ],
  },
};

/** How the program is started. */
export interface StubStart {
  /** `DENO_DIR=…` for who may write to the program's folder. */
  denoDir: string;
  /** The program's first arguments, argv[0] included; the user's follow. */
  argv: readonly string[];
}

/** What the code needs to know; texts without NUL. */
export interface StubTexts {
  /** The unpacked program and its folder. */
  program: string;
  home: string;
  usual: StubStart;
  /** For command lines whose first word is one of `quickCommands`. */
  quick: StubStart;
  quickCommands: readonly string[];
  /** Variables set on the way, `NAME=value`. */
  env: readonly string[];
  /** Where an OCI runtime keeps its containers unless it is told otherwise. */
  ociRoot: string;
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
  const tableBytes = BigInt(8 * 10);
  const data = new Table(tableAt + 2n * tableBytes);
  const list = (values: readonly string[]) =>
    data.words([...values.map((value) => data.text(value)), 0n]);
  const [program, home, self] = [texts.program, texts.home, "DIPLODOCK_SELF="].map((text) =>
    data.text(text)
  );
  const others = [
    list(texts.env),
    list(["/bin/sh", "sh", "-c", texts.script]),
    data.text(texts.ociRoot),
    list(texts.quickCommands),
    tableAt + tableBytes,
  ];
  const table = new Table(tableAt);
  for (const { denoDir, argv } of [texts.usual, texts.quick]) {
    table.words([program, home, data.text(denoDir), self, list(argv), ...others]);
  }
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
