/** A connection as bytes that come and go, and a reader that takes lines and pieces out of it. */
import { ApiError } from "./http_head.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Both directions of one connection. */
export interface ByteStream {
  /** Bytes that came, at least one; undefined when the other side sends no more. */
  read(): Promise<Bytes | undefined>;
  /** Returns when all was taken. Throws Deno.errors.BrokenPipe when nobody reads any more. */
  write(bytes: Bytes): Promise<void>;
  /** The same, and this thread waits: for who makes bytes without a pause. */
  writeNow(bytes: Bytes): void;
  /** Waits a moment for the other side to take what was written. */
  taken(): Promise<void>;
  /** Ends the connection in both directions. */
  end(): void;
  /** Resolves when nobody will read what is written. */
  readonly gone: Promise<void>;
}

const EMPTY: Bytes = new Uint8Array();
const LF = 10;

/** Reads a stream that was read too far before. */
export class ByteReader {
  #held: Bytes = EMPTY;
  constructor(readonly stream: Pick<ByteStream, "read">) {}

  /** Bytes that are there, at most `max` of them; undefined at the end. */
  async some(max: number): Promise<Bytes | undefined> {
    if (this.#held.length === 0 && !await this.#more()) return undefined;
    const taken = this.#held.subarray(0, max);
    this.#held = this.#held.subarray(taken.length);
    return taken;
  }

  /**
   * The text up to the next CR LF, which is taken and not part of it; undefined at the end before
   * the first byte. Throws ApiError `tooLong` beyond `max` bytes, and 400 at an end in the middle
   * or where a line ends in LF only.
   */
  async line(max: number, tooLong: number): Promise<string | undefined> {
    for (let searched = 0;;) {
      const at = this.#held.indexOf(LF, searched);
      if ((at < 0 ? this.#held.length : at) > max) {
        throw new ApiError(tooLong, `Cannot read the request: a line of more than ${max} bytes`);
      }
      if (at >= 0) {
        const text = latin1(this.#held.subarray(0, at));
        this.#held = this.#held.subarray(at + 1);
        if (!text.endsWith("\r")) {
          throw new ApiError(400, "Cannot read the request: a line does not end in CR LF");
        }
        return text.slice(0, -1);
      }
      searched = this.#held.length;
      if (await this.#more()) continue;
      if (searched === 0) return undefined;
      throw new ApiError(400, "Cannot read the request: it ends in the middle");
    }
  }

  async #more(): Promise<boolean> {
    const bytes = await this.stream.read();
    if (bytes === undefined) return false;
    if (this.#held.length === 0) this.#held = bytes;
    else {
      const both = new Uint8Array(this.#held.length + bytes.length);
      both.set(this.#held);
      both.set(bytes, this.#held.length);
      this.#held = both;
    }
    return true;
  }
}

/** A character a byte, whatever the bytes are. */
function latin1(bytes: Bytes): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}
