/** Files of an archive, each written to a temporary blob and hashed as it comes. */
import { UserError } from "../base/errors.ts";
import { BlobWriter } from "./blobs.ts";
import { toText } from "./byte_string.ts";
import type { Digest } from "./digest.ts";
import type { Session } from "./session.ts";
import type { TarEntry, TarSink } from "./tar.ts";
import { cleanPath } from "./clean_path.ts";

/** A file of the archive, on disk under a temporary name. */
export interface Spooled {
  digest: Digest;
  size: number;
  path: string;
}

const MAX_FILES = 100_000;

/** Takes the entries of an image archive; nothing is written under a name from the archive. */
export class Spool implements TarSink, Disposable {
  readonly #files = new Map<string, Spooled>();
  readonly #links = new Map<string, string>();
  #count = 0;
  #writer: BlobWriter | undefined;
  #name = "";

  constructor(readonly session: Session) {}

  entry(entry: TarEntry): void {
    const names = cleanPath(entry.path);
    this.#name = toText(names.join("/"));
    if (++this.#count > MAX_FILES) {
      throw new UserError(`Cannot load archive: more than ${MAX_FILES} files`);
    }
    if (entry.type === "file") this.#writer = new BlobWriter(this.session);
    else if (entry.type === "hardlink") {
      this.#links.set(this.#name, toText(cleanPath(entry.link).join("/")));
    } else if (entry.type === "symlink") {
      const target = [...names.slice(0, -1), entry.link].join("/");
      this.#links.set(this.#name, toText(cleanPath(target).join("/")));
    }
  }

  data(chunk: Uint8Array<ArrayBuffer>): void {
    this.#writer?.write(chunk);
  }

  end(): void {
    // An entry of the same name that comes later counts.
    if (this.#writer !== undefined) this.#files.set(this.#name, this.#writer.finish());
    this.#writer = undefined;
  }

  /** A file by its path in the archive; links are followed. */
  get(name: string): Spooled | undefined {
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
  need(name: string): Spooled {
    const file = this.get(name);
    if (file === undefined) throw new UserError(`Cannot load archive: it has no "${name}"`);
    return file;
  }

  [Symbol.dispose](): void {
    this.#writer?.[Symbol.dispose]();
  }
}
