/** The side of `cp` on this machine, with the texts of docker's client. */
import { S_IFDIR } from "../../ffi/constants.ts";
import { ENOENT, ENOTDIR, errnoText, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { enterHost, type Found, isDevice, lookAt, lookThrough } from "./copy_look.ts";
import {
  absolutePath,
  cleanPath,
  CopyPathError,
  meansDirectory,
  planCopy,
  type Source,
} from "./copy_paths.ts";

/** Looks a source up. Throws CopyPathError when it is not there. */
export function hostSource(path: string, follow: boolean): Found {
  const absolute = absolutePath(path, Deno.cwd());
  const found = (follow ? lookThrough : lookAt)(enterHost, absolute);
  if (found.stat !== undefined) return found;
  if (found.errno === ENOTDIR) throw new CopyPathError("not a directory");
  throw new CopyPathError(`lstat ${cleanPath(found.path)}: no such file or directory`);
}

/**
 * Refuses targets that cannot be: to be called before the container is looked at, as docker does.
 * Throws CopyPathError.
 */
export function checkHostTarget(target: string): void {
  const path = absolutePath(target, Deno.cwd());
  const clean = cleanPath(path);
  const directory = cleanPath(clean.slice(0, clean.lastIndexOf("/") + 1));
  using above = lookThrough(enterHost, directory);
  if (above.stat === undefined) {
    throw new CopyPathError(`invalid output path: directory "${directory}" does not exist`);
  }
  using found = lookThrough(enterHost, path);
  if (found.errno === ENOTDIR && meansDirectory(path)) {
    throw new CopyPathError(`stat ${path}: not a directory`);
  }
  if (isDevice(found)) {
    throw new CopyPathError(
      `invalid output path: "${path}" must be a directory or a regular file: got a device`,
    );
  }
}

/** A directory of this machine to write into, and the name there. */
export interface HostPlan {
  readonly directory: Fd;
  /** The directory's path, for messages. */
  readonly shownAs: string;
  readonly name: string;
}

/** Plans where a source goes. Throws CopyPathError with docker's texts. */
export function hostTarget(target: string, source: Source): HostPlan {
  using found = lookThrough(enterHost, absolutePath(target, Deno.cwd()));
  const kind = found.stat && (found.stat.kind === S_IFDIR ? "directory" : "other");
  const { directory, name } = planCopy(source, { path: found.path, kind });
  const fd = enterHost(directory);
  if (fd === -ENOENT || fd === -ENOTDIR) {
    throw new CopyPathError(`stat ${directory}: ${errnoText(-fd).toLowerCase()}`);
  }
  if (fd < 0) throw new SyscallError("openat", -fd, `open "${directory}"`);
  return { directory: new Fd(fd), shownAs: directory, name };
}
