/** The body of a request, read as it is asked for. */
import type { ByteReader } from "./byte_stream.ts";
import { ApiError, type BodyKind } from "./http_head.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const PIECE_BYTES = 128 * 1024;
/** A size, its extensions, or a line of the trailer. */
const LINE_BYTES = 4096;
const TRAILER_LINES = 100;
/** The largest JSON there is here: a container's. */
const JSON_BYTES = 4 << 20;
/** As much of a body that nobody wanted is read, so that the next request can be. */
const UNWANTED_BYTES = 1 << 20;

const cutOff = () => new ApiError(400, "Cannot read the request: its body ends in the middle");

/** One body. Can be read once. */
export class Body {
  #left: number;
  #ended: boolean;
  #started = false;

  /** `goOn`: tells the sender, who waits for that word, to send the body. */
  constructor(
    readonly reader: ByteReader,
    readonly kind: BodyKind,
    readonly goOn?: () => Promise<void>,
  ) {
    this.#left = kind.kind === "length" ? kind.bytes : 0;
    this.#ended = kind.kind === "length" && kind.bytes === 0;
  }

  /** The next bytes; undefined at the end. Throws ApiError. */
  async read(): Promise<Bytes | undefined> {
    if (this.#ended) return undefined;
    const first = !this.#started;
    if (first) await this.goOn?.();
    this.#started = true;
    if (this.kind.kind === "chunked" && this.#left === 0) {
      this.#left = await this.#nextChunk(first);
      if (this.#left === 0) {
        await this.#trailer();
        this.#ended = true;
        return undefined;
      }
    }
    const bytes = await this.reader.some(Math.min(this.#left, PIECE_BYTES));
    if (bytes === undefined) throw cutOff();
    this.#left -= bytes.length;
    if (this.kind.kind === "length" && this.#left === 0) this.#ended = true;
    return bytes;
  }

  /** The pieces of it, each in memory of its own. Throws ApiError. */
  async *chunks(): AsyncGenerator<Bytes> {
    for (let part = await this.read(); part !== undefined; part = await this.read()) yield part;
  }

  async #line(): Promise<string> {
    const line = await this.reader.line(LINE_BYTES, 400);
    if (line === undefined) throw cutOff();
    return line;
  }

  async #nextChunk(first: boolean): Promise<number> {
    if (!first && await this.#line() !== "") {
      throw new ApiError(400, "Cannot read the request: a chunk is longer than it said");
    }
    const line = await this.#line();
    const match = /^([0-9a-fA-F]{1,12})(?:[ \t]*;.*)?$/.exec(line);
    if (match === null) throw new ApiError(400, "Cannot read the request: a bad chunk size");
    return parseInt(match[1], 16);
  }

  /** Headers behind the body: nothing here uses any. */
  async #trailer(): Promise<void> {
    for (let lines = 0; lines < TRAILER_LINES; lines++) if (await this.#line() === "") return;
    throw new ApiError(400, "Cannot read the request: its trailer is too long");
  }

  /** All of it, at most `max` bytes. Throws ApiError 413. */
  async all(max: number): Promise<Bytes> {
    const parts: Bytes[] = [];
    let length = 0;
    for await (const part of this.chunks()) {
      length += part.length;
      if (length > max) throw new ApiError(413, `request body is larger than ${max} bytes`);
      parts.push(part);
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** The body as JSON. Throws ApiError 400, also where there is none. */
  async json(): Promise<unknown> {
    const value = await this.jsonIfAny();
    if (value === undefined) {
      throw new ApiError(400, "invalid JSON: got EOF while reading request body");
    }
    return value;
  }

  /** The same; undefined where there is none. */
  async jsonIfAny(): Promise<unknown> {
    const text = new TextDecoder().decode(await this.all(JSON_BYTES));
    if (text.trim() === "") return undefined;
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new ApiError(400, `invalid JSON: ${(error as Error).message}`);
    }
  }

  /**
   * Reads what nobody wanted; false where that would take too long, or the sender still waits for
   * the word to send it: then the connection has to end.
   */
  async skip(): Promise<boolean> {
    if (!this.#ended && !this.#started && this.goOn !== undefined) return false;
    try {
      let length = 0;
      for (let part = await this.read(); part !== undefined; part = await this.read()) {
        length += part.length;
        if (length > UNWANTED_BYTES) return false;
      }
      return true;
    } catch (error) {
      if (error instanceof ApiError) return false; // where the next request begins, nobody knows
      throw error;
    }
  }
}
