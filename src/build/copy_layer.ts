/**
 * The layer that COPY, ADD and WORKDIR make: an archive of what they put where, written straight
 * from the sources. Nothing is mounted and no file of the image is touched; links of the image on
 * the way to the target are followed by looking them up in its layers.
 */
import { lookUp } from "../engine/layer_view.ts";
import { locate } from "../engine/locate.ts";
import { ArchiveSink } from "../engine/copy_sinks.ts";
import { UserError } from "../base/errors.ts";
import { blankEntry } from "../image/blank_entry.ts";
import { BlobWriter } from "../image/blobs.ts";
import { fromText, toText } from "../image/byte_string.ts";
import { cleanPath } from "../image/clean_path.ts";
import type { Session } from "../image/session.ts";
import type { FileTime, TarEntry, TarSink } from "../image/tar.ts";
import { OCI_LAYER } from "../image/types.ts";
import { WHITEOUT_PREFIX } from "../image/whiteout.ts";
import { directoryEntry } from "./source_tree.ts";
import type { BuiltLayer } from "./stage_state.ts";

/** What every entry of the layer gets. */
export interface LayerLook {
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly mode?: (mode: number, isDirectory: boolean) => number;
}

/** What a path is in the image below. */
export type Kind = "directory" | "other" | undefined;

const join = (path: string, name: string): string => path === "" ? name : `${path}/${name}`;

function timeNow(): FileTime {
  return { seconds: Math.floor(Date.now() / 1000), nanos: 0 };
}

/** Writes one layer. Paths are byte strings without leading slash, "" is the root. */
export class LayerWriter implements Disposable {
  readonly #blob: BlobWriter;
  readonly #archive: ArchiveSink;
  /** Directories that have an entry. */
  readonly #made = new Set<string>([""]);
  /** Directories that the image below does not have. */
  readonly #absent = new Set<string>();
  readonly #now = timeNow();
  #isEmpty = true;

  /** `base`: the layers below, topmost first; none for a layer that stands by itself. */
  constructor(session: Session, readonly base: readonly string[], readonly look: LayerLook) {
    this.#blob = new BlobWriter(session);
    this.#archive = new ArchiveSink((bytes) => this.#blob.write(bytes));
  }

  [Symbol.dispose](): void {
    this.#blob[Symbol.dispose]();
  }

  /** Where a path of the user's leads, links of the image followed, and what is there. */
  find(path: string): { path: string; kind: Kind } {
    using at = locate(this.base, fromText(path));
    const names = [...at.names, ...(at.leaf ? [at.leaf.name] : []), ...at.missing];
    const kind = at.missing.length > 0 ? undefined : at.leaf ? "other" : "directory";
    if (at.leaf !== undefined && at.missing.length > 0) {
      const file = toText([...at.names, at.leaf.name].join("/"));
      throw new UserError(`cannot copy to non-directory: /${file}`);
    }
    return { path: names.join("/"), kind };
  }

  /** Sees that a directory is there, and those above it: as they are below, or as new ones. */
  directory(path: string): void {
    if (this.#made.has(path)) return;
    const slash = path.lastIndexOf("/");
    this.directory(path.slice(0, Math.max(slash, 0)));
    this.#made.add(path);
    using at = locate(this.base, path);
    if (at.missing.length === 0 && at.leaf === undefined && at.directory.layers.length > 0) {
      return this.#put(directoryEntry(at.directory, path));
    }
    this.#absent.add(path);
    const entry = blankEntry(`${path}/`, "directory", 0o755);
    this.#put({ ...entry, ...this.look.owner, mtime: this.#now });
    this.#isEmpty = false;
  }

  /** A file that is in no tree; its content has as many bytes as `size` says. */
  file(
    path: string,
    content: Iterable<Uint8Array<ArrayBuffer>>,
    { size, mode, mtime = this.#now }: { size: number; mode: number; mtime?: FileTime },
  ): void {
    const sink = this.below("");
    sink.entry({ ...blankEntry(path, "file", mode), size, mtime });
    for (const chunk of content) if (chunk.length > 0) sink.data(chunk);
    sink.end();
  }

  /**
   * Takes entries whose paths are below `root`. The entry of the root itself counts only if the
   * root is new.
   */
  below(root: string, isNew = false): TarSink {
    let muted = false;
    return {
      entry: (entry) => {
        const rel = entry.path.replace(/\/+$/, "");
        const path = rel === "" ? root : join(root, rel);
        muted = rel === "" && !(isNew && !this.#made.has(root));
        if (muted) return this.directory(root);
        this.#entry({
          ...entry,
          path,
          ...(entry.type === "hardlink" && { link: join(root, entry.link) }),
        });
      },
      data: (chunk) => this.#archive.data(chunk),
      end: () => {
        if (!muted) this.#archive.end();
      },
    };
  }

  /** Takes the entries of an archive, which may name anything, to be unpacked at `root`. */
  unpacked(root: string): TarSink {
    const own = new Set<string>();
    const parents = new Map<string, string>();
    const place = (names: readonly string[]): string => {
      const parent = names.slice(0, -1).join("/");
      // A directory of the archive is new; one it only implies may be a link of the image's.
      if (own.has(parent)) return join(root, names.join("/"));
      let found = parents.get(parent);
      if (found === undefined) {
        found = this.find(toText(join(root, parent))).path;
        parents.set(parent, found);
      }
      return join(found, names.at(-1)!);
    };
    let muted = false;
    return {
      entry: (entry) => {
        const names = cleanPath(entry.path);
        muted = names.length === 0;
        if (muted) return this.directory(root);
        if (entry.type === "directory") own.add(names.join("/"));
        this.#entry({
          ...entry,
          path: place(names),
          ...(entry.type === "hardlink" && { link: place(cleanPath(entry.link)) }),
        }, true);
      },
      data: (chunk) => this.#archive.data(chunk),
      end: () => {
        if (!muted) this.#archive.end();
      },
    };
  }

  #entry(entry: TarEntry, replaces = false): void {
    const { path } = entry;
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (name.startsWith(WHITEOUT_PREFIX)) {
      throw new UserError(
        `cannot copy "${toText(path)}": in a layer a name that starts with ${WHITEOUT_PREFIX} ` +
          `means that a file is gone`,
      );
    }
    const isDirectory = entry.type === "directory";
    this.directory(path.slice(0, Math.max(path.lastIndexOf("/"), 0)));
    const kind = this.#kindOf(path);
    if (kind === "directory" && !isDirectory && !replaces) {
      throw new UserError(`cannot replace to directory /${toText(path)} with file`);
    }
    if (kind === "other" && isDirectory && !replaces) {
      throw new UserError(`cannot copy to non-directory: /${toText(path)}`);
    }
    if (isDirectory) {
      this.#made.add(path);
      if (kind !== "directory") this.#absent.add(path);
    }
    const mode = this.look.mode?.(entry.mode, isDirectory) ?? entry.mode;
    const shown = isDirectory ? `${path}/` : path;
    const isLink = entry.type === "symlink";
    this.#isEmpty = false;
    this.#archive.entry({
      ...entry,
      path: shown,
      mode: isLink ? entry.mode : mode,
      ...this.look.owner,
    });
  }

  /** What a path itself is in the image below. */
  #kindOf(path: string): Kind {
    const slash = path.lastIndexOf("/");
    const parent = path.slice(0, Math.max(slash, 0));
    if (this.#absent.has(parent)) return undefined;
    using at = locate(this.base, parent);
    if (at.missing.length > 0 || at.leaf !== undefined) return undefined;
    const found = lookUp(at.directory, path.slice(slash + 1));
    if (found?.kind !== "directory") return found?.kind;
    found.directory[Symbol.dispose]();
    return "directory";
  }

  #put(entry: TarEntry): void {
    this.#archive.entry(entry);
    this.#archive.end();
  }

  /** Ends the layer and stores it; undefined: nothing is in it. */
  keep(): BuiltLayer | undefined {
    this.#archive.finish();
    if (this.#isEmpty) return undefined;
    const { digest, size } = this.#blob.keep();
    return { descriptor: { mediaType: OCI_LAYER, digest, size }, diffId: digest };
  }
}
