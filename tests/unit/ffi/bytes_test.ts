import { assertEquals, assertThrows } from "@std/assert";
import { cstr, StructWriter, textAt } from "../../../ffi/bytes.ts";
import { errnoName, errnoText, SyscallError } from "../../../ffi/errno.ts";
import { rawSettings } from "../../../ffi/tty.ts";

Deno.test("cstr() closes the text with NUL and counts bytes, not characters", () => {
  assertEquals([...cstr("aé")], [0x61, 0xc3, 0xa9, 0]);
  assertEquals([...cstr("")], [0]);
});

Deno.test("cstr() refuses a text that C would cut", () => {
  assertThrows(() => cstr("a\0b"), RangeError, "NUL inside");
});

Deno.test("textAt() reads up to NUL, or to the end", () => {
  assertEquals(textAt(cstr("abc"), 1), "bc");
  assertEquals(textAt(new TextEncoder().encode("abc")), "abc");
});

Deno.test("StructWriter writes fields in order, little endian", () => {
  const bytes = new StructWriter(16).u8(1).u8(2).u16(0x0403).u32(0x08070605).u64(-1).done();
  assertEquals([...bytes], [1, 2, 3, 4, 5, 6, 7, 8, 255, 255, 255, 255, 255, 255, 255, 255]);
});

Deno.test("StructWriter.done() throws when a field was forgotten", () => {
  assertThrows(() => new StructWriter(8).u32(1).done(), RangeError, "wrote 4");
});

const ERRNOS: [errno: number, name: string, text: string][] = [
  [1, "EPERM", "operation not permitted"],
  [2, "ENOENT", "no such file or directory"],
  [13, "EACCES", "permission denied"],
  [98, "EADDRINUSE", "EADDRINUSE"],
  [4000, "errno 4000", "errno 4000"],
];
for (const [errno, name, text] of ERRNOS) {
  Deno.test(`errnoName() and errnoText() of ${errno} are ${name} and ${text}`, () => {
    assertEquals([errnoName(errno), errnoText(errno)], [name, text]);
  });
}

Deno.test("SyscallError says what cannot be done, and by which call", () => {
  const error = new SyscallError("mount", 1, "mount proc on /proc", "no privilege");
  assertEquals(error.message, "Cannot mount proc on /proc: mount: EPERM (no privilege)");
});

Deno.test("rawSettings() passes every key on and leaves speed and other characters alone", () => {
  const bytes = new Uint8Array(36).fill(255);
  const view = new DataView(rawSettings(bytes).buffer);
  assertEquals(view.getUint32(0, true), (~0o2753) >>> 0);
  assertEquals(view.getUint32(4, true) & 1, 0); // OPOST
  assertEquals(view.getUint32(12, true) & 0o13, 0); // ISIG, ICANON, ECHO
  assertEquals([view.getUint8(17 + 6), view.getUint8(17 + 5)], [1, 0]); // VMIN, VTIME
  assertEquals(view.getUint8(17 + 4), 255);
});
