/**
 * Reads an image archive: one that comes as a stream file by file into temporary blobs, hashed as
 * they come; a plain one on disk is only looked through, and its files stay where they are.
 */
import { ArchivedFile, ArchiveFiles } from "./archive_files.ts";
import { BlobWriter } from "./blobs.ts";
import { sniff } from "./compression.ts";
import type { Session } from "./session.ts";
import { type TarEntry, TarReader, type TarSink } from "./tar.ts";
import { BLOCK } from "./tar_header.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Takes the entries of an image archive; nothing is written under a name from the archive. */
export class Spool implements TarSink, Disposable {
  readonly files = new ArchiveFiles();
  #writer: BlobWriter | undefined;
  #name = "";

  constructor(readonly session: Session) {}

  entry(entry: TarEntry): void {
    this.#name = this.files.note(entry);
    if (entry.type === "file") this.#writer = new BlobWriter(this.session);
  }

  data(chunk: Bytes): void {
    this.#writer?.write(chunk);
  }

  end(): void {
    if (this.#writer === undefined) return;
    const spooled = this.#writer.finish();
    const range = { path: spooled.path, offset: 0, size: spooled.size };
    this.files.put(this.#name, new ArchivedFile(this.session, range, spooled));
    this.#writer = undefined;
  }

  [Symbol.dispose](): void {
    this.#writer?.[Symbol.dispose]();
  }
}

/** Notes where the entries are. */
class Places implements TarSink {
  readonly files = new ArchiveFiles();
  /** A file whose data begins behind what was pushed so far. */
  found: { name: string; size: number } | undefined;
  hasHoles = false;

  entry(entry: TarEntry): void {
    const name = this.files.note(entry);
    if (entry.type === "file") this.found = { name, size: entry.size };
    this.hasHoles ||= entry.sparse !== undefined;
  }
  data(): void {}
  end(): void {}
}

/**
 * Looks through an archive on disk without reading the data of its files. Undefined if it can't be
 * read that way: compressed, or with files that have holes. Throws TarError.
 */
export function lookThrough(session: Session, path: string): ArchiveFiles | undefined {
  using file = Deno.openSync(path);
  const size = file.statSync().size;
  const places = new Places();
  const reader = new TarReader(places);
  const block = new Uint8Array(BLOCK);
  for (let at = 0; at < size;) {
    file.seekSync(at, Deno.SeekMode.Start);
    const count = file.readSync(block) ?? 0;
    if (at === 0 && sniff(block.subarray(0, count)) !== "none") return undefined;
    reader.push(block.subarray(0, count));
    at += count;
    if (places.hasHoles) return undefined;
    if (places.found !== undefined) {
      const { name, size } = places.found;
      places.files.put(name, new ArchivedFile(session, { path, offset: at, size }));
      places.found = undefined;
    }
    if (reader.isAtEnd || count === 0) break;
    // The data, then what fills its last block: the next thing to read is a header again.
    for (let passed = -1; passed !== 0; at += passed) passed = reader.passOver(size - at);
  }
  reader.finish();
  return places.files;
}
