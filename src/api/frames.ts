/** docker's frames: which stream bytes belong to, where there is no terminal to mix them. Pure. */

type Bytes = Uint8Array<ArrayBuffer>;

export const STDOUT_STREAM = 1, STDERR_STREAM = 2;
const HEADER_BYTES = 8;

/** `bytes` as a frame: the number of the stream, three zeros, the length (big endian), the bytes. */
export function frame(stream: number, bytes: Bytes): Bytes {
  const out = new Uint8Array(HEADER_BYTES + bytes.length);
  out[0] = stream;
  new DataView(out.buffer).setUint32(4, bytes.length);
  out.set(bytes, HEADER_BYTES);
  return out;
}
