/** Owner, mode, times and extended attributes of what was unpacked, in the order that keeps them. */
import { AT_SYMLINK_NOFOLLOW } from "../../ffi/constants.ts";
import { E2BIG, EACCES, EINVAL, ENOSPC, EOPNOTSUPP, EPERM, ERANGE } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes, toText } from "./byte_string.ts";
import type { FileTime } from "./pax.ts";
import type { TarEntry } from "./tar.ts";
import { isOverlayXattr } from "./whiteout.ts";

/** Who unpacks: an ordinary user cannot give files away, nor set every attribute. */
export interface Identity {
  uid: number;
  gid: number;
  /** Without the rights of root: owners and refused attributes are left as they come. */
  rootless: boolean;
  /** What the kernel takes off the mode of a new file. */
  umask: number;
}

/** The identity of this process. */
export function ownIdentity(): Identity {
  const uid = sys("geteuid");
  const umask = sys("umask", 0o077);
  sys("umask", umask);
  return {
    uid,
    gid: sys("getegid"),
    rootless: uid !== 0 || ownUserNamespace() !== undefined,
    umask,
  };
}

const times = new Uint8Array(32);
const timesView = new DataView(times.buffer);

function fillTimes(time: FileTime): Uint8Array<ArrayBuffer> {
  for (const at of [0, 16]) {
    timesView.setUint32(at, time.seconds >>> 0, true);
    timesView.setInt32(at + 4, Math.floor(time.seconds / 2 ** 32), true);
    timesView.setUint32(at + 8, time.nanos, true);
  }
  return times;
}

function fail(call: string, result: number, path: string): SyscallError {
  return new SyscallError(call, -result, `unpack "${toText(path)}"`);
}

/**
 * Sets everything on an open file or directory that has `mode` now. chown first: it takes setuid
 * and capabilities.
 */
export function applyToFd(fd: number, entry: TarEntry, who: Identity, mode = -1): void {
  if (entry.uid !== who.uid || entry.gid !== who.gid) {
    const result = sys("fchown", fd, entry.uid, entry.gid);
    if (result < 0 && !(who.rootless && isRefusal(result))) {
      throw fail("fchown", result, entry.path);
    }
  }
  if (mode !== entry.mode) {
    const result = sys("fchmod", fd, entry.mode);
    if (result < 0) throw fail("fchmod", result, entry.path);
  }
  for (const [name, value] of entry.xattrs) {
    if (!wanted(name)) continue;
    const result = sys("fsetxattr", fd, cBytes(name), value, value.length, 0);
    if (result < 0 && !tolerated(result, who)) throw fail("fsetxattr", result, entry.path);
  }
  const time = sys("utimensat", fd, null, fillTimes(entry.mtime), 0);
  if (time < 0) throw fail("utimensat", time, entry.path);
}

/** The same for what cannot be opened: links, devices, fifos. `name` is in the directory. */
export function applyAt(dirFd: number, name: string, entry: TarEntry, who: Identity): void {
  const bytes = cBytes(name);
  if (entry.uid !== who.uid || entry.gid !== who.gid) {
    const result = sys("fchownat", dirFd, bytes, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW);
    if (result < 0 && !(who.rootless && isRefusal(result))) {
      throw fail("fchownat", result, entry.path);
    }
  }
  if (entry.type !== "symlink") {
    const result = sys("fchmodat", dirFd, bytes, entry.mode);
    if (result < 0) throw fail("fchmodat", result, entry.path);
  }
  for (const [key, value] of entry.xattrs) {
    if (!wanted(key)) continue;
    // There is no setxattrat before Linux 6.13; the directory is reached by its descriptor.
    const path = cBytes(`/proc/self/fd/${dirFd}/${name}`);
    const result = sys("lsetxattr", path, cBytes(key), value, value.length, 0);
    if (result < 0 && !tolerated(result, who)) throw fail("lsetxattr", result, entry.path);
  }
  const time = sys("utimensat", dirFd, bytes, fillTimes(entry.mtime), AT_SYMLINK_NOFOLLOW);
  if (time < 0) throw fail("utimensat", time, entry.path);
}

function wanted(name: string): boolean {
  return name !== "" && !name.includes("\0") && !isOverlayXattr(name);
}

function isRefusal(result: number): boolean {
  // EINVAL: the id is not mapped in this user namespace.
  return result === -EPERM || result === -EINVAL;
}

/** An attribute this file system or this user cannot have is left out, as docker does. */
function tolerated(result: number, who: Identity): boolean {
  if (result === -EOPNOTSUPP) return true;
  if (result === -ERANGE || result === -E2BIG || result === -ENOSPC) return false;
  return who.rootless ? isRefusal(result) || result === -EACCES : result === -EPERM;
}

/** All extended attributes of an open file or of a path, without overlayfs's own. */
export function readXattrs(target: number | string): Map<string, Uint8Array<ArrayBuffer>> {
  const attributes = new Map<string, Uint8Array<ArrayBuffer>>();
  const [list, get] = typeof target === "number"
    ? ["flistxattr", "fgetxattr"] as const
    : ["llistxattr", "lgetxattr"] as const;
  const where = typeof target === "number" ? target : cBytes(target);
  const size = sys(list, where, null, 0);
  if (size <= 0) return attributes;
  const names = new Uint8Array(size + 4096);
  const length = sys(list, where, names, names.length);
  if (length < 0) throw new SyscallError(list, -length, "list extended attributes");
  let at = 0;
  while (at < length) {
    const end = names.indexOf(0, at);
    const name = String.fromCharCode(...names.subarray(at, end));
    at = end + 1;
    if (isOverlayXattr(name)) continue;
    const value = new Uint8Array(65536);
    const got = sys(get, where, cBytes(name), value, value.length);
    // Gone meanwhile, or not ours to read.
    if (got >= 0) attributes.set(name, value.slice(0, got));
  }
  return attributes;
}
