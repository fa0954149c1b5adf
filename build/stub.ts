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
      "4889e34c8b234c8d3d130900004e8d6ce3104c89ef4883c70848837ff80075f54989f84c8b7308488b074885c074",
      "0f4883f81f4c0f4477084883c710ebe9e92e010000e8f3070000741b4c8d4b104d8b5740498b3a4885ff740f4983",
      "c208e8f507000075ed4d8b7f584c89f731c948ffc1807c0fff0075f6488d411f4883e0f04829c44889e74889e549",
      "8b77184889cab90f000000f3a44c89f64889d1f3a44c89c14c29e9488d81800000004829c44989e14889e74889e8",
      "48ab498b772848ad4885c0740448abebf54889fd4989cab815000000498b7f08be020000000f054889ef4189c085",
      "c07506498b471048ab4c89ee4c89d1f3a44585c0750e498b7720498b3f31ede81d000000498b773048ad4889c74c",
      "89f5e80c000000bf7f000000b83c0000000f05415a4a8d04e5000100004829c44889fa4889e748ad4885c0740448",
      "abebf54889e84885c0740248ab488d731048ad48ab4885c075f74889d74889e64c89cab83b0000004c89d50f05ff",
      "e54889e541504883ec484c8d4b10e8b80600007428488d3d02070000e8c70600000f8434010000488d3d37070000",
      "e8b50600000f858d0500004983c1084d8b5738488d3d21070000e89b060000741e488d3d1a070000e88d06000074",
      "14488d3d12070000e87f0600007517eb044d8b510849837908000f844a0500004983c110ebbf488d3dfa06000048",
      "897df0e8560600007428488d3dee06000048897df0e8440600000f851c0500004983c108488d3ddb060000e82e06",
      "000075044983c108498b11e80a05000049837908000f85f30400004881ec001200004889e741bba00f00004c89d6",
      "e81a0600004889d6e8b2050000488b75f0e8a90500004889e6488b55f0e8da040000488b45f04889042448c74424",
      "0800000000b83a0000000f0585c00f889e0400000f849503000089c7488d74241031d24531d2b83d0000000f0585",
      "c00f887d040000837c2410000f857204000031ffe9330300004983c108488d3dbd050000e87d0500000f94c00fb6",
      "c0488945f04d8d0cc1498b11e8510400004983c1084c894dd8498b014885c00f843104000080382d0f8428040000",
      "8038000f841f0400004881ec8012000031c9ffc1803c0a0075f848894db083f9407450488d3d7e0500004d8b5748",
      "e895040000488d355d050000e8c80400004889d6e8c00400004889e7488db42400120000ba41000000b859000000",
      "0f0583f8400f85e9020000488d942400120000c6424000488d3d3e0500004d8b5750e845040000488d3513050000",
      "e8780400004889d6e870040000488d35e2040000e8640400004889e6488d15db040000e8920300004c8b55e84983",
      "ea188b7de04889e6ba18000000b8110000000f0583f8180f8553030000488b0424483b05220500000f8542030000",
      "488b442408488945c0488b442410488945b8488d7dd0be00080800b8250100000f0585c00f88180300004881ec00",
      "200000488b45f04889042448c7442408000000008b45d448894424184c8b4dd831c9ffc149833cc90075f781f9e8",
      "0300000f87dd020000488d7ccc3048c747f8000000004889fa4c8d5424284c8d9c2400200000498b314885f67426",
      "4983c1084889f84829e0480345c04989024983c2084c39df0f849a020000acaa84c075f1ebd24889f84829d04889",
      "44241031c98a040affc13c2f750948c74424080100000084c075ea48894c24204889fa4829e28b7de04889e64c8b",
      "55b8b8120000000f054839d00f854a0200008b7de0be09040000ba0f000000b8480000000f0585c00f882e020000",
      "bf1100000031f64889e241ba08000000b80d0000000f0585c00f880f02000048833c24010f8404020000f6442408",
      "020f85f901000031ff488d35d2030000488d55c841ba08000000b80e0000000f05488d05380300004889042448c7",
      "44240800000000b83a0000000f0585c00f888b0000000f84a2000000488945d88b7dd4b8030000000f05488d3d83",
      "03000031f631d241ba08000000b8800000000f0585c078e4488b7dd883f811740b89c6b83e0000000f05ebd0488d",
      "742410ba010000004531d2b83d0000000f0585c074b88b7dd04889e6ba0200000031c00f0583f801751b0fb67c24",
      "118b44241083e07f74068db880000000b8e70000000f05bf02000000488d75c831d241ba08000000b80e0000000f",
      "05e9140100008b7dd4be0200000031d2b8480000000f058b7de0488d35cb0200004889e24c8d54240841b8001000",
      "00b8420100000f05bf01000000b83c0000000f0548837db00c0f85cd000000488b55d8488b52f8488d3d4e020000",
      "4d8b5750e855010000488d3523020000e88801000048c7c79cffffff4889e652ba00000900b8010100000f055a85",
      "c00f88890000004989c14c8d94240012000041c602004881ec001000004489cf4889e652ba00100000b8d9000000",
      "0f055a85c0785b74404c8d04044889e64c39c673da0fb74610488b4e13483b0a75228b4e1b3b4a08751a41803a00",
      "75324989f34883c6134c89d7b940000000f3a44c89de4801c6ebc74881c4001000004c89d2c6424000803a000f85",
      "4dfcffffeb004c8b45f84889ece901f9ffff4885d274ef803a2d76ea803a2e74e5c3525648c7c79cffffffba0000",
      "0a004531d2b8010100000f0585c078c8488945e05e89c7b8050000000f0585c075b6b86b0000000f053b461c75aa",
      "8b46182512f000003d00800000759b488b4630488945e85fbe03000000b83f0100000f0585c0788289c7488b75e0",
      "488945e031d24c8b55e8b8280000000f05483b45e80f8561ffffffc34d89e9498b314983c1084885f6741231c98a",
      "040f84c0740e3a040e75e6ffc1ebf04c89d631c94801ce488d7c240841bba00f0000803e2f0f8523ffffffeb60c6",
      "072f48ffc78a063c2f0f8411ffffff880784c0746248ffc648ffc741ffcb75e5e9fbfeffff31c048ffc041807c06",
      "ff0075f54883f805720941817c06fb2d6f6369c3498b314885f6741231c98a040e3a040f750a48ffc184c075f1c3",
      "ffc6c38a06880784c0741048ffc648ffc741ffcb75ede9a9feffffc365786563002d69006469706c6f646f636b2d",
      "65786563006e616d657300636f6e7461696e657273004449504c4f444f434b5f524f4f543d004449504c4f444f43",
      "4b5f52554e3d006f6369002d2d726f6f74002d2d6c6f67002d2d6c6f672d666f726d61740073746172740064656c",
      "657465002d2d666f72636500000f1f80000000006464657865633031074a010000000000",
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
  /** Where the engine keeps what lasts, and what does not, unless it is told otherwise. */
  dataRoot: string;
  runRoot: string;
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
  const tableBytes = BigInt(8 * 12);
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
    data.text(texts.dataRoot),
    data.text(texts.runRoot),
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
