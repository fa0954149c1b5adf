/** What stands between who reads files and who writes them: counts, other owners, an archive. */
import { UserError } from "../base/errors.ts";
import type { MappedRange, OwnIds } from "../base/own_namespace.ts";
import { toText } from "../image/byte_string.ts";
import type { TarEntry, TarSink } from "../image/tar.ts";
import { BLOCK } from "../image/tar_header.ts";
import { endMark, entryHeader, padding } from "../image/tar_writer.ts";

/** What the kernel shows for an id that has none here: /proc/sys/kernel/overflowuid. */
const OVERFLOW = 65534;

/** The id inside of an id of this machine. */
export function insideId(ranges: readonly MappedRange[], id: number): number {
  const range = ranges.find(({ outside, count }) => id >= outside && id < outside + count);
  return range === undefined ? OVERFLOW : range.inside + id - range.outside;
}

/** The id on this machine of an id inside; undefined where it has none. */
export function outsideId(ranges: readonly MappedRange[], id: number): number | undefined {
  const range = ranges.find(({ inside, count }) => id >= inside && id < inside + count);
  return range && range.outside + id - range.inside;
}

/** Passes everything on, entries changed by `change`. */
function changing(sink: TarSink, change: (entry: TarEntry) => TarEntry): TarSink {
  return {
    entry: (entry) => sink.entry(change(entry)),
    data: (chunk) => sink.data(chunk),
    end: () => sink.end(),
  };
}

/** Entries read from a container's files get the owners that the container sees. */
export function withInsideIds(sink: TarSink, maps: OwnIds | undefined): TarSink {
  if (maps === undefined) return sink;
  return changing(sink, (entry) => ({
    ...entry,
    uid: insideId(maps.uids, entry.uid),
    gid: insideId(maps.gids, entry.gid),
  }));
}

/** Entries get the ids by which this machine knows the container's owners. */
export function withOutsideIds(sink: TarSink, maps: OwnIds | undefined): TarSink {
  if (maps === undefined) return sink;
  const mapped = (ranges: readonly MappedRange[], id: number, path: string) => {
    const found = outsideId(ranges, id);
    if (found !== undefined) return found;
    throw new UserError(
      `Cannot give "${toText(path)}" to ${id}: the container's user namespace has no such id`,
    );
  };
  return changing(sink, (entry) => ({
    ...entry,
    uid: mapped(maps.uids, entry.uid, entry.path),
    gid: mapped(maps.gids, entry.gid, entry.path),
  }));
}

/** Counts the bytes as they would be in a tar archive, which is what docker's client tells. */
export class Counter implements TarSink {
  /** The end mark counts from the start. */
  bytes = 2 * BLOCK;
  #inEntry = 0;

  constructor(readonly sink: TarSink, readonly onProgress?: (bytes: number) => void) {}

  entry(entry: TarEntry): void {
    this.bytes += BLOCK;
    this.#inEntry = 0;
    this.sink.entry(entry);
  }

  data(chunk: Uint8Array<ArrayBuffer>): void {
    this.sink.data(chunk);
    this.#inEntry += chunk.length;
    this.bytes += chunk.length;
    this.onProgress?.(this.bytes);
  }

  end(): void {
    this.sink.end();
    this.bytes += padding(this.#inEntry).length;
    this.onProgress?.(this.bytes);
  }
}

/** Writes entries as a tar archive. */
export class ArchiveSink implements TarSink {
  #stored = 0;

  constructor(readonly write: (bytes: Uint8Array<ArrayBuffer>) => void) {}

  entry(entry: TarEntry): void {
    const spans = entry.sparse?.spans;
    this.#stored = spans?.reduce((sum, { length }) => sum + length, 0) ??
      (entry.type === "file" ? entry.size : 0);
    this.write(entryHeader(entry, this.#stored));
  }

  data(chunk: Uint8Array<ArrayBuffer>): void {
    this.write(chunk);
  }

  end(): void {
    const rest = padding(this.#stored);
    if (rest.length > 0) this.write(rest);
  }

  finish(): void {
    this.write(endMark());
  }
}
