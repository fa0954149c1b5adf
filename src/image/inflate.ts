/**
 * Decompresses and hashes a big layer on a thread of its own, while this one unpacks. node:zlib
 * inflates on the thread that calls it (measured: 0.23 s of 1.2 s of a 40 MB layer, and 0.14 s
 * for the hash).
 *
 * The worker's code is a text because the program is delivered as one bundle, in which a module
 * has no address of its own. It is plain JavaScript and imports nothing of this project.
 */
import type { Digest } from "./digest.ts";
import { parseDigest } from "./digest.ts";
import type { FileRange } from "./incoming.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Pieces of 1 MiB that may be under way to this thread. */
const WINDOW = 8;

const WORKER = `
import { createGunzip, createZstdDecompress } from "node:zlib";
import { createHash } from "node:crypto";

let credit = ${WINDOW};
let wake = () => {};

async function room() {
  while (credit === 0) await new Promise((done) => wake = done);
  credit--;
}

async function* pieces(file, size) {
  for (let left = size; left > 0;) {
    const piece = new Uint8Array(Math.min(left, 1 << 18));
    const count = file.readSync(piece);
    if (count === null) return;
    left -= count;
    self.postMessage({ read: count });
    yield piece.subarray(0, count);
  }
}

async function feed(file, size, stream) {
  for await (const piece of pieces(file, size)) {
    if (stream.destroyed) return;
    if (!stream.write(piece)) {
      await new Promise((done) => { stream.once("drain", done); stream.once("close", done); });
      stream.removeAllListeners("drain");
    }
  }
  stream.end();
}

async function inflate({ path, offset, size, compression }) {
  const hash = createHash("sha256");
  const make = compression === "zstd" ? createZstdDecompress : createGunzip;
  const stream = make({ chunkSize: 1 << 20 });
  stream.setMaxListeners(0);
  const file = Deno.openSync(path);
  file.seekSync(offset, 0);
  const fed = feed(file, size, stream).catch((error) => stream.destroy(error));
  for await (const chunk of stream) {
    hash.update(chunk);
    await room();
    // A copy: zlib goes on using the rest of the buffer.
    const copy = new Uint8Array(chunk);
    self.postMessage({ chunk: copy }, [copy.buffer]);
  }
  await fed;
  file.close();
  self.postMessage({ digest: "sha256:" + hash.digest("hex") });
}

self.onmessage = ({ data }) => {
  if (data === "more") {
    credit++;
    wake();
    return;
  }
  inflate(data).catch((error) => self.postMessage({ failed: String(error?.message ?? error) }));
};
`;

function makeWorker(): Worker {
  const url = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  URL.revokeObjectURL(url);
  return worker;
}

let spare: Worker | undefined;

/** Starts the thread of the next Inflater now: it takes 50 ms, in which a download goes on. */
export function prepareInflater(): void {
  spare ??= makeWorker();
}

type Message = { read: number } | { chunk: Bytes } | { digest: string } | { failed: string };

/** A layer that comes out of another thread. */
export class Inflater implements Disposable {
  readonly #worker: Worker;
  readonly #messages: Message[] = [];
  #wake: () => void = () => {};
  #digest: Digest | undefined;

  /** `onRead` is told how many compressed bytes were read. */
  constructor(
    range: FileRange,
    compression: "gzip" | "zstd",
    readonly onRead?: (n: number) => void,
  ) {
    this.#worker = spare ?? makeWorker();
    spare = undefined;
    this.#worker.onmessage = ({ data }) => this.#push(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#push({ failed: event.message });
    };
    this.#worker.postMessage({ ...range, compression });
  }

  #push(message: Message): void {
    this.#messages.push(message);
    this.#wake();
  }

  async #next(): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      await new Promise<void>((done) => this.#wake = done);
    }
  }

  /** The decompressed bytes. Broken data throws an Error. */
  async *chunks(): AsyncGenerator<Bytes> {
    for (;;) {
      const message = await this.#next();
      if ("read" in message) this.onRead?.(message.read);
      else if ("failed" in message) throw new Error(`Cannot decompress: ${message.failed}`);
      else if ("digest" in message) {
        this.#digest = parseDigest(message.digest);
        return;
      } else {
        yield message.chunk;
        this.#worker.postMessage("more");
      }
    }
  }

  /** The digest of all that came; undefined before the end. */
  get digest(): Digest | undefined {
    return this.#digest;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
