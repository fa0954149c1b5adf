/**
 * The list of images, replaced without waiting for the disk: a flush takes 2 ms on a quiet disk and
 * much more beside somebody who writes. A power cut can leave a file that was renamed into place but
 * not flushed empty. So every two minutes the version that is to be replaced is flushed and kept under
 * another name: a power cut takes the names of the last minutes at most.
 */
import { readIfThere, removeIfThere, statIfThere, writeAtomic } from "../base/files.ts";
import type { Store } from "./store.ts";

const KEEP_MS = 120_000;

/** Replaces the list. The caller has its lock. */
export function replaceIndex(store: Store, text: string): void {
  const isFirst = !keepFlushed(store);
  writeAtomic(store.index, text, isFirst);
}

/** The text of the list; where a power cut left none, that of the version that was kept. */
export function readIndexText(store: Store): string | undefined {
  const text = readIfThere(store.index);
  return text === undefined || !isBlank(text) ? text : readIfThere(store.flushedIndex) ?? text;
}

/** What a file is whose name reached the disk before its bytes: of no bytes, or of zeros. */
function isBlank(text: string): boolean {
  return /^\0*$/.test(text);
}

/** Keeps the list as it is, flushed, unless a young version is kept; false where there is no list. */
function keepFlushed(store: Store): boolean {
  if (isKept(store)) return true;
  const text = readIfThere(store.index);
  if (text === undefined) return false;
  if (isBlank(text)) return true;
  {
    using file = Deno.openSync(store.index, { read: true, write: true });
    file.syncSync();
  }
  const temporary = `${store.flushedIndex}.tmp-${Deno.pid}-0`;
  removeIfThere(temporary);
  Deno.linkSync(store.index, temporary);
  Deno.renameSync(temporary, store.flushedIndex);
  // Where both are the same file already, the renaming does nothing.
  removeIfThere(temporary);
  return true;
}

/** It became another file than the list when the list was replaced: that is its ctime. */
function isKept(store: Store): boolean {
  const changed = statIfThere(store.flushedIndex)?.ctime?.getTime() ?? 0;
  const age = Date.now() - changed;
  return age >= 0 && age < KEEP_MS;
}
