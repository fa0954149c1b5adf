/** What a path of `cp` leads to, on this machine or in a container, without leaving its root. */
import {
  AT_FDCWD,
  MAX_LINKS,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  S_IFBLK,
  S_IFCHR,
  S_IFLNK,
} from "../../ffi/constants.ts";
import { ELOOP, ENOENT, ENOTDIR, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes, fromText, toText } from "../image/byte_string.ts";
import { type Stat, statAt } from "../image/stat.ts";
import { openDirectoryIn } from "../image/tree_walk.ts";
import { splitPath } from "./copy_paths.ts";
import { readLinkAt } from "./layer_view.ts";

/** Opens the directory at an absolute path, links followed: a descriptor, or -errno. */
export type Enter = (path: string) => number;

/** The file tree of this machine, as this process sees it. */
export const enterHost: Enter = (path) =>
  sys("openat", AT_FDCWD, cBytes(fromText(path)), O_PATH | O_DIRECTORY | O_CLOEXEC);

/** The file tree below `root`: absolute links and ".." stay inside. */
export function enterBelow(root: Fd): Enter {
  return (path) => openDirectoryIn(root.raw, fromText(path));
}

/** Where a path ends. */
export interface Found extends Disposable {
  readonly path: string;
  /** The directory that has it; undefined when that is not there. */
  readonly parent: Fd | undefined;
  /** Its name there, a byte string; ".": the directory itself. */
  readonly name: string;
  /** undefined: nothing is there. */
  readonly stat: Stat | undefined;
  /** Why the directory could not be entered; 0: it was. */
  readonly errno: number;
}

/** Whether a device is there: those are not written to. */
export function isDevice({ stat }: Found): boolean {
  return stat?.kind === S_IFCHR || stat?.kind === S_IFBLK;
}

const ABSENT = [ENOENT, ENOTDIR, ELOOP];

/** Looks at an absolute path; a link at its end is not followed. */
export function lookAt(enter: Enter, path: string): Found {
  const { directory, name } = splitPath(path);
  const fd = enter(directory);
  if (fd < 0 && !ABSENT.includes(-fd)) {
    throw new SyscallError("openat2", -fd, `open "${directory}"`);
  }
  const bytes = fromText(name);
  if (fd < 0) {
    const nothing = { parent: undefined, stat: undefined, [Symbol.dispose]: () => {} };
    return { path, name: bytes, errno: -fd, ...nothing };
  }
  const parent = new Fd(fd);
  const dispose = () => parent[Symbol.dispose]();
  return {
    path,
    parent,
    name: bytes,
    stat: statAt(fd, bytes),
    errno: 0,
    [Symbol.dispose]: dispose,
  };
}

/** Looks at what an absolute path leads to: a link at its end is followed, to what need not be. */
export function lookThrough(enter: Enter, path: string): Found {
  let found = lookAt(enter, path);
  for (let links = 0; found.stat?.kind === S_IFLNK; links++) {
    using link = found;
    if (links === MAX_LINKS) throw new SyscallError("openat2", ELOOP, `open "${path}"`);
    const target = toText(readLinkAt(link.parent!, link.name));
    found = lookAt(
      enter,
      target.startsWith("/") ? target : `${splitPath(link.path).directory}/${target}`,
    );
  }
  return found;
}

/** Whether `directory` is the file `identity`, or lies below it. */
export function isBelow(directory: Fd, identity: string): boolean {
  let at = directory.duplicate();
  for (let depth = 0; depth < 4096; depth++) {
    using here = at;
    const own = statAt(here.raw, ".")!.identity;
    if (own === identity) return true;
    const above = sys("openat", here.raw, cBytes(".."), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (above < 0) return false;
    at = new Fd(above);
    if (statAt(at.raw, ".")!.identity === own) break; // the root
  }
  at[Symbol.dispose]();
  return false;
}
