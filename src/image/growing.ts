/** A file that another part of this process is still writing, read as far as it has come. */
import { CHUNK } from "./compression.ts";
import type { FileRange } from "./incoming.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The file began anew: what was read of it is worth nothing. */
export class RestartedError extends Error {
  override name = "RestartedError";
}

/** How far a file has come. */
export class Growth {
  #bytes = 0;
  #failure: unknown;
  #wake: () => void = () => {};

  /** Tells that so many bytes are there. */
  reach(bytes: number): void {
    if (bytes < this.#bytes) this.#failure ??= new RestartedError("the file began anew");
    this.#bytes = bytes;
    this.#wake();
  }

  /** Tells that no more will come, and why. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** Waits for more than `bytes`; how many there are. */
  async beyond(bytes: number): Promise<number> {
    while (this.#bytes <= bytes) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((done) => this.#wake = done);
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.#bytes;
  }
}

/**
 * The bytes of a range, each piece in one buffer that is used again and again. With `growth` it
 * waits for what has not come yet; the file is opened when the first bytes are there.
 */
export async function* readGrowing(
  range: FileRange,
  growth: Growth | undefined,
): AsyncGenerator<Bytes> {
  await growth?.beyond(0);
  // Not before: a file that is whole gets another name.
  const { path, offset, size } = range;
  using file = Deno.openSync(path);
  file.seekSync(offset, Deno.SeekMode.Start);
  const buffer = new Uint8Array(Math.min(size, CHUNK / 4));
  for (let at = 0; at < size;) {
    // A whole piece at a time: each costs its reader a trip to another thread.
    const end = Math.min(at + buffer.length, size);
    const there = await growth?.beyond(end - 1) ?? size;
    const count = file.readSync(buffer.subarray(0, Math.min(buffer.length, there - at)));
    if (count === null) throw new Error(`Cannot read "${path}": it became shorter`);
    at += count;
    yield buffer.subarray(0, count);
  }
}
