/**
 * Finds a path below a root that others may be changing: every directory is entered with
 * RESOLVE_IN_ROOT, links at the end are followed by hand, and so never out of the root.
 */
import { S_IFDIR, S_IFLNK } from "../../ffi/constants.ts";
import { EACCES, ELOOP, ENOENT, ENOTDIR, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { fromText, toText } from "../image/byte_string.ts";
import { statAt } from "../image/stat.ts";
import { openDirectoryIn } from "../image/tree_walk.ts";
import { meansDirectory } from "./copy_paths.ts";
import { readLinkAt } from "./layer_view.ts";

/** As the kernel: path_resolution(7). */
const MAX_LINKS = 40;

/** A file that was found. Byte strings, relative to the root. */
export interface Found {
  readonly directory: string;
  /** "" where the path ends in a directory that has no name of its own: "/", ".", "..". */
  readonly name: string;
  readonly isDirectory: boolean;
}

/** Enters `path` (a byte string) below `root`; undefined where there is no such directory. */
export function enterIn(root: Fd, path: string): Fd | undefined {
  const fd = openDirectoryIn(root.raw, path);
  if (fd >= 0) return new Fd(fd);
  if (fd === -ENOENT || fd === -ENOTDIR) return undefined;
  const hint = fd === -EACCES ? "you may not read there" : undefined;
  throw new SyscallError("openat2", -fd, `enter "${toText(path) || "/"}"`, hint);
}

/**
 * Finds the absolute `path` (text); a link at its end is followed with `follow`, and where the
 * path says that it means a directory. undefined: there is nothing.
 */
export function findIn(root: Fd, path: string, follow: boolean): Found | undefined {
  let current = fromText(path);
  const wantsDirectory = meansDirectory(path);
  for (let links = 0; links <= MAX_LINKS; links++) {
    const clean = current.replace(/^\/+|(\/+\.?)+$/g, "");
    const slash = clean.lastIndexOf("/");
    const name = clean.slice(slash + 1);
    if (name === "" || name === "." || name === "..") {
      using directory = enterIn(root, clean);
      return directory && { directory: clean, name: "", isDirectory: true };
    }
    const above = clean.slice(0, Math.max(slash, 0));
    using parent = enterIn(root, above);
    const stat = parent && statAt(parent.raw, name);
    if (stat === undefined) return undefined;
    if (stat.kind === S_IFLNK && (follow || wantsDirectory)) {
      const target = readLinkAt(parent!, name);
      current = target.startsWith("/") ? target : `${above}/${target}`;
      continue;
    }
    const isDirectory = stat.kind === S_IFDIR;
    if (wantsDirectory && !isDirectory) return undefined;
    return { directory: above, name, isDirectory };
  }
  throw new SyscallError("openat2", ELOOP, `follow the links of "${path}"`);
}
