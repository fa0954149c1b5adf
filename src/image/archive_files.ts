/** Files of an image archive, by their names in it. */
import { SEEK_CUR } from "../../ffi/constants.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { statIfThere } from "../base/files.ts";
import { hasBlob, keepBlob, MAX_DOCUMENT } from "./blobs.ts";
import { toText } from "./byte_string.ts";
import { cleanPath } from "./clean_path.ts";
import { archiveChunks, type Compression } from "./compression.ts";
import { compressionOf, copyRange, type FileRange, readRange, type Spooled } from "./incoming.ts";
import type { Session } from "./session.ts";
import type { TarEntry } from "./tar.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A file of the archive: a range of the archive itself, or a temporary blob already. */
export class ArchivedFile {
  #range: FileRange;
  #spooled: Promise<Spooled> | undefined;

  constructor(readonly session: Session, range: FileRange, spooled?: Spooled) {
    this.#range = range;
    if (spooled !== undefined) this.#spooled = Promise.resolve(spooled);
  }

  /** Where its bytes are now. */
  get range(): FileRange {
    return this.#range;
  }

  get size(): number {
    return this.#range.size;
  }

  /** Whether its digest is known already. */
  get isSpooled(): boolean {
    return this.#spooled !== undefined;
  }

  /** As a blob with a digest. */
  spooled(): Promise<Spooled> {
    return this.#spooled ??= copyRange(this.session, this.range);
  }

  /**
   * Moves it into the layout. It can be read there as before: another image of the archive, or
   * another name of this one, may want the same file.
   */
  async keep(): Promise<Spooled> {
    const spooled = await this.spooled();
    const { store } = this.session;
    if (hasBlob(store, spooled.digest, this.size)) return spooled;
    keepBlob(store, spooled.digest, spooled.path);
    const kept = { ...spooled, path: store.blob(spooled.digest) };
    this.#range = { path: kept.path, offset: 0, size: kept.size };
    this.#spooled = Promise.resolve(kept);
    return kept;
  }

  /** All of it. Throws UserError for more than a document may have. */
  document(what: string): Bytes {
    if (this.size > MAX_DOCUMENT) throw new UserError(`Cannot load ${what}: ${this.size} bytes`);
    const bytes = new Uint8Array(this.size);
    let at = 0;
    for (const chunk of readRange(this.range)) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  compression(): Compression {
    return compressionOf(this.range);
  }
}

/** An archive: a stream, or a file that can be read anywhere. */
export type ArchiveSource = AsyncIterable<Bytes> | { path: string };

/** The archive at a path, if it can be read anywhere, or as a stream. Throws UserError. */
export function openArchive(path: string): ArchiveSource {
  const found = statIfThere(path);
  if (found === undefined) throw new UserError(`open ${path}: no such file or directory`);
  if (found.isDirectory) throw new UserError(`read ${path}: is a directory`);
  return found.isFile ? { path } : archiveChunks(Deno.openSync(path));
}

/** Standard input by its path if it is an ordinary file that nobody has begun to read. */
export function standardInput(): { path: string } | undefined {
  const path = "/proc/self/fd/0";
  // A pipe cannot seek.
  if (sys("lseek", 0, 0, SEEK_CUR) !== 0) return undefined;
  return Deno.statSync(path).isFile ? { path } : undefined;
}

const MAX_FILES = 100_000;

/** The files and links of an archive. */
export class ArchiveFiles {
  readonly #files = new Map<string, ArchivedFile>();
  readonly #links = new Map<string, string>();
  #count = 0;

  /** Takes note of an entry; its name. */
  note(entry: TarEntry): string {
    const names = cleanPath(entry.path);
    const name = toText(names.join("/"));
    if (++this.#count > MAX_FILES) {
      throw new UserError(`Cannot load archive: more than ${MAX_FILES} files`);
    }
    if (entry.type === "hardlink") {
      this.#links.set(name, toText(cleanPath(entry.link).join("/")));
    } else if (entry.type === "symlink") {
      const target = [...names.slice(0, -1), entry.link].join("/");
      this.#links.set(name, toText(cleanPath(target).join("/")));
    }
    return name;
  }

  /** An entry of the same name that comes later counts. */
  put(name: string, file: ArchivedFile): void {
    this.#files.set(name, file);
  }

  /** A file by its path in the archive; links are followed. */
  get(name: string): ArchivedFile | undefined {
    let at = toText(cleanPath(name).join("/"));
    for (let hops = 0; hops < 40; hops++) {
      const file = this.#files.get(at);
      if (file !== undefined) return file;
      const next = this.#links.get(at);
      if (next === undefined) return undefined;
      at = next;
    }
    return undefined;
  }

  /** A file that must be there. */
  need(name: string): ArchivedFile {
    const file = this.get(name);
    if (file === undefined) throw new UserError(`Cannot load archive: it has no "${name}"`);
    return file;
  }
}
