import { assert, assertEquals } from "@std/assert";
import type { Arch } from "../../ffi/syscalls.ts";
import { hasProgram, skipUnless } from "./skip.ts";

const PREFIX: Record<Arch, string> = {
  x86_64: "x86_64-linux-gnu-",
  aarch64: "aarch64-linux-gnu-",
};

/** The machine code that binutils make of a source file of the project. */
function assembled(path: string, arch: Arch): Uint8Array<ArrayBuffer> {
  const directory = Deno.makeTempDirSync();
  try {
    const source = decodeURIComponent(new URL(`../../${path}`, import.meta.url).pathname);
    const object = `${directory}/o`, binary = `${directory}/b`;
    call(`${PREFIX[arch]}as`, source, "-o", object);
    call(`${PREFIX[arch]}objcopy`, "-O", "binary", "--only-section=.text", object, binary);
    return Deno.readFileSync(binary);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function call(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

/** Tests that `code()`, which stands as bytes in the project, is what `path` assembles to. */
export function testAssembly(path: string, arch: Arch, code: () => Uint8Array): void {
  const programs = [`${PREFIX[arch]}as`, `${PREFIX[arch]}objcopy`];
  Deno.test({
    name: `${path} assembles to the bytes that stand in the program`,
    ...skipUnless(programs.every(hasProgram), `needs ${programs[0]} (binutils)`),
    fn: () => assertEquals(code(), assembled(path, arch)),
  });
}
