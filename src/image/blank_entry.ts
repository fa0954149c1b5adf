/** Apart from the reader of archives, which who only writes them need not load. */
import type { EntryType, TarEntry } from "./tar.ts";

/** An entry of root's, from 1970, with nothing in it. */
export function blankEntry(path: string, type: EntryType, mode: number): TarEntry {
  return {
    path,
    type,
    link: "",
    mode,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { seconds: 0, nanos: 0 },
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  };
}
