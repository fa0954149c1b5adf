/**
 * Compressions of archives, told by their first bytes. gzip and zstd are node:zlib's (on its
 * threads, loaded when needed: it takes 20 ms); xz and bzip2 are the system's programs, as docker does it for xz.
 */
import { UserError } from "../base/errors.ts";

/** How an archive is compressed. */
export type Compression = "none" | "gzip" | "zstd" | "bzip2" | "xz";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that go through at a time. */
export const CHUNK = 1 << 20;

const MAGICS: [Compression, number[]][] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

/** Tells the compression by the first bytes; six are enough. */
export function sniff(head: Uint8Array): Compression {
  // A zstd stream may start with a skippable frame (magic 0x184D2A50 to 0x184D2A5F).
  if (head.length >= 4 && (head[0] & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d) {
    if (head[3] === 0x18) return "zstd";
  }
  for (const [name, magic] of MAGICS) {
    if (head.length >= magic.length && magic.every((byte, i) => head[i] === byte)) return name;
  }
  return "none";
}

/** Collects small pieces at the start so that the first one has at least `count` bytes. */
async function* withHead(source: AsyncIterable<Bytes>, count: number): AsyncGenerator<Bytes> {
  let head: Bytes | undefined = new Uint8Array(0);
  for await (const chunk of source) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    const joined: Bytes = new Uint8Array(head.length + chunk.length);
    joined.set(head);
    joined.set(chunk, head.length);
    head = joined;
    if (head.length >= count) {
      yield head;
      head = undefined;
    }
  }
  if (head !== undefined && head.length > 0) yield head;
}

/** What came out of `decompress`, and what it was. */
export interface Decompressed {
  compression: Compression;
  chunks: AsyncIterable<Bytes>;
}

/**
 * Undoes whatever compression `source` has. If it has any, `source` must not use its chunks again.
 * Broken data throws an Error when the chunks are read.
 */
export async function decompress(source: AsyncIterable<Bytes>): Promise<Decompressed> {
  const all = withHead(source, 6);
  const first = await all.next();
  const compression = first.done ? "none" : sniff(first.value);
  async function* whole(): AsyncGenerator<Bytes> {
    if (!first.done) yield first.value;
    yield* all;
  }
  return { compression, chunks: await undo(whole(), compression) };
}

async function undo(
  source: AsyncIterable<Bytes>,
  compression: Compression,
): Promise<AsyncIterable<Bytes>> {
  switch (compression) {
    case "none":
      return source;
    case "gzip":
      return through(source, (await import("node:zlib")).createGunzip({ chunkSize: CHUNK }));
    case "zstd":
      return through(
        source,
        (await import("node:zlib")).createZstdDecompress({ chunkSize: CHUNK }),
      );
    case "bzip2":
      return program(source, "bzip2");
    case "xz":
      return program(source, "xz");
  }
}

type Zlib = typeof import("node:zlib");
type ZlibStream = ReturnType<Zlib["createGunzip"] | Zlib["createZstdDecompress"]>;

/** Resolves when the stream takes more, or never will. */
function drained(stream: ZlibStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}

/** Pushes `source` through a node stream; an error of either ends both. */
export async function* through(
  source: AsyncIterable<Bytes>,
  stream: ZlibStream,
): AsyncGenerator<Bytes> {
  let pumpError: unknown;
  const pump = (async () => {
    for await (const chunk of source) {
      if (stream.destroyed) return;
      if (!stream.write(chunk)) await drained(stream);
    }
    stream.end();
  })().catch((error) => {
    pumpError = error;
    stream.destroy();
  });
  try {
    for await (const chunk of stream) yield chunk as Bytes;
    await pump;
  } catch (error) {
    throw pumpError ?? new UserError(`Cannot decompress: ${(error as Error).message}`);
  } finally {
    stream.destroy();
  }
  if (pumpError !== undefined) throw pumpError;
}

async function* program(source: AsyncIterable<Bytes>, name: string): AsyncGenerator<Bytes> {
  let child: Deno.ChildProcess;
  try {
    const command = new Deno.Command(name, {
      args: ["-dc"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    child = command.spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(`Cannot read ${name} archive: the program "${name}" is not installed`);
  }
  const errors = new Response(child.stderr).text();
  let sourceError: unknown;
  const pump = (async () => {
    const writer = child.stdin.getWriter();
    try {
      for await (const chunk of source) await writer.write(chunk);
    } catch (error) {
      // A broken pipe has its reason on stderr; anything else is the source's.
      if (!(error instanceof Deno.errors.BrokenPipe)) sourceError = error;
    }
    await writer.close().catch(() => {});
  })();
  try {
    for await (const chunk of child.stdout) yield chunk;
    await pump;
    const status = await child.status;
    if (sourceError !== undefined) throw sourceError;
    if (!status.success) throw new UserError(`Cannot decompress: ${(await errors).trim()}`);
  } finally {
    // Leaving early: closing its output makes the program end by itself.
    await child.stdout.cancel().catch(() => {});
    await Promise.all([pump, child.status, errors]);
  }
}

/** Reads a file in fresh chunks of 1 MiB. Closes it at the end. */
export async function* fileChunks(file: Deno.FsFile): AsyncGenerator<Bytes> {
  try {
    for (;;) {
      const chunk = new Uint8Array(CHUNK);
      const count = await file.read(chunk);
      if (count === null) return;
      yield chunk.subarray(0, count);
    }
  } finally {
    file.close();
  }
}

/**
 * Reads an archive for `decompress`. One that is plain comes in one buffer, used again and again:
 * each piece is done with before the next is read. Closes the file at the end.
 */
export async function* archiveChunks(file: Deno.FsFile): AsyncGenerator<Bytes> {
  let isPlain: boolean | undefined;
  try {
    for (let chunk = new Uint8Array(CHUNK);;) {
      const count = isPlain ? file.readSync(chunk) : await file.read(chunk);
      if (count === null) return;
      // A pipe may give less at first than tells the kind.
      isPlain ??= count >= 8 && sniff(chunk) === "none";
      yield chunk.subarray(0, count);
      if (!isPlain) chunk = new Uint8Array(CHUNK);
    }
  } finally {
    file.close();
  }
}
