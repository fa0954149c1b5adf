/** The files of a container's log: log.4 … log.1 are older than log. Reading them in order. */
import { isAbsent, namesIn, statIfThere } from "../base/files.ts";
import type { Message } from "../runtime/monitor_protocol.ts";
import { offsetOfLastLines, parseRecords, type RandomAccess, RECORD_BYTES } from "./log_records.ts";

const READ_BYTES = 1 << 20;

/** An open log file and how far it was read. It stays this file when it is renamed. */
export class LogFile implements Disposable, RandomAccess {
  readonly #file: Deno.FsFile;
  readonly #buffer = new Uint8Array(READ_BYTES + RECORD_BYTES);
  #offset = 0;
  #kept = 0;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** Opens a file; undefined when it is not there. */
  static open(path: string): LogFile | undefined {
    try {
      return new LogFile(Deno.openSync(path));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  get size(): number {
    return this.#file.statSync().size;
  }
  get inode(): number | null {
    return this.#file.statSync().ino;
  }
  /** Goes to a place where a record starts. */
  seek(offset: number): void {
    this.#offset = offset;
    this.#kept = 0;
  }

  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    let at = 0;
    for (let count: number | null = 1; at < length && count !== null && count > 0; at += count) {
      count = this.#file.readSync(bytes.subarray(at)) ?? 0;
    }
    return bytes.subarray(0, at);
  }

  /** Goes back so that the last `lines` lines follow; how many it has is not known. */
  seekLastLines(lines: number): boolean {
    const offset = offsetOfLastLines(this, lines);
    this.seek(offset);
    return offset > 0;
  }

  /** The next records; none at the end. Their texts are valid until the next call. */
  next(): Message[] {
    // Emptied by the monitor (one file only) or by `logs --clear`: from the start again.
    if (this.size < this.#offset) this.seek(0);
    for (;;) {
      this.#file.seekSync(this.#offset, Deno.SeekMode.Start);
      const free = this.#buffer.subarray(this.#kept);
      const count = this.#file.readSync(free) ?? 0;
      if (count === 0) return [];
      this.#offset += count;
      const filled = this.#kept + count;
      const copy = this.#buffer.slice(0, filled);
      const { records, used } = parseRecords(copy);
      this.#buffer.set(copy.subarray(used));
      this.#kept = filled - used;
      if (records.length > 0) return records;
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** The names of the log files in `directory`, oldest first; none when it was removed. */
export function logNames(directory: string): string[] {
  const numbers: number[] = [];
  for (const name of namesIn(directory)) {
    const match = /^log(?:\.(\d+))?$/.exec(name);
    if (match) numbers.push(Number(match[1] ?? 0));
  }
  return numbers.sort((a, b) => b - a).map((n) => n === 0 ? "log" : `log.${n}`);
}

/** Opens all log files of a directory, oldest first. */
export function openLogs(directory: string): LogFile[] {
  return logNames(directory).flatMap((name) => LogFile.open(`${directory}/${name}`) ?? []);
}

/** Whether `file` is still what `path` names. */
export function isCurrent(file: LogFile, path: string): boolean {
  return statIfThere(path)?.ino === file.inode;
}

/**
 * The file that was begun after `file` was rotated away: the one with the next lower number. The
 * oldest there is if `file` is gone already; undefined when `file` still is the newest.
 */
export function successor(file: LogFile, directory: string): LogFile | undefined {
  const files = openLogs(directory);
  const index = files.findIndex(({ inode }) => inode === file.inode);
  const found = files[index + 1];
  for (const other of files) if (other !== found) other[Symbol.dispose]();
  return found;
}
