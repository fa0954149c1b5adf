/**
 * Byte strings: names in archives are bytes, not text, and need not be UTF-8. A byte string
 * holds one byte per character (0-255), so it works as a key and splits at "/" without loss.
 */

/** Reused: an array of its own for each name costs more than the conversion. */
const codes: number[] = [];

/** The bytes from `start` to `end` as a byte string. */
export function byteString(bytes: Uint8Array, start = 0, end = bytes.length): string {
  // In pieces: the number of arguments of a call is limited.
  if (end - start > 4096) {
    return byteString(bytes, start, start + 4096) + byteString(bytes, start + 4096, end);
  }
  codes.length = Math.max(0, end - start);
  for (let i = 0; i < codes.length; i++) codes[i] = bytes[start + i];
  return String.fromCharCode.apply(null, codes);
}

/** The bytes of a byte string. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The bytes of a byte string and a closing NUL, as the kernel wants names. */
export function cBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length + 1);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Ordinary text as a byte string (its UTF-8). */
export function fromText(text: string): string {
  return byteString(new TextEncoder().encode(text));
}

/** A byte string for people: as UTF-8, with U+FFFD where it is none. */
export function toText(text: string): string {
  return new TextDecoder().decode(bytesOf(text));
}
