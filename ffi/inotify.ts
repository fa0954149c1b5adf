/** Being told of changes in a directory. Source: inotify(7). */
import { textAt } from "./bytes.ts";
import { O_CLOEXEC, O_NONBLOCK, POLLIN } from "./constants.ts";
import { Fd } from "./fd.ts";
import { check, sys } from "./libc.ts";
import { poll } from "./poll.ts";

export const IN_MODIFY = 0x2;
export const IN_CREATE = 0x100;
export const IN_MOVED_TO = 0x80;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;

/** One change: what happened, and to which name in the directory (empty: to the directory). */
export interface Change {
  readonly mask: number;
  readonly name: string;
}

const EVENT_BYTES = 16;

/** A watched directory. Changes are collected from its making on. */
export class DirectoryWatch implements Disposable {
  readonly #fd: Fd;
  readonly #buffer = new Uint8Array(8192);

  /** Throws SyscallError when the directory is not there or watches are used up. */
  constructor(path: string, mask: number) {
    const goal = `watch "${path}"`;
    this.#fd = new Fd(check(goal, "inotify_init1", O_CLOEXEC | O_NONBLOCK));
    try {
      check(goal, "inotify_add_watch", this.#fd.raw, path, mask);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Waits for changes, at most `timeoutMs` (-1: for ever); none when the time was up. */
  async next(timeoutMs = -1): Promise<Change[]> {
    await poll([{ fd: this.#fd.raw, events: POLLIN }], timeoutMs);
    return this.take();
  }

  /** The changes that are known now. */
  take(): Change[] {
    const changes: Change[] = [];
    for (;;) {
      const count = sys("read", this.#fd.raw, this.#buffer, this.#buffer.length);
      if (count <= 0) return changes;
      const view = new DataView(this.#buffer.buffer, 0, count);
      for (let at = 0; at < count;) {
        const length = view.getUint32(at + 12, true);
        const name = length === 0 ? "" : textAt(this.#buffer.subarray(0, count), at + EVENT_BYTES);
        changes.push({ mask: view.getUint32(at + 4, true), name });
        at += EVENT_BYTES + length;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
