/** A connection in memory: what a client sends is given, what it gets is kept. */
import type { ByteStream } from "../../../src/api/byte_stream.ts";

export class MemoryStream implements ByteStream {
  readonly gone = new Promise<void>(() => {});
  readonly #parts: Uint8Array<ArrayBuffer>[];
  #written = "";

  /** `parts` arrive one after the other. */
  constructor(...parts: string[]) {
    this.#parts = parts.map((part) => new TextEncoder().encode(part));
  }

  read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return Promise.resolve(this.#parts.shift());
  }

  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#written += new TextDecoder().decode(bytes);
    return Promise.resolve();
  }

  writeNow(bytes: Uint8Array<ArrayBuffer>): void {
    this.#written += new TextDecoder().decode(bytes);
  }

  taken(): Promise<void> {
    return Promise.resolve();
  }

  end(): void {
    this.#parts.length = 0;
  }

  get written(): string {
    return this.#written;
  }
}
