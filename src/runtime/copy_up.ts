/**
 * tmpfs mounts with `tmpcopyup`: what the root file system has at their target is in them. They are
 * made and filled here as detached mounts; init only attaches them. What another mount of the same
 * bundle puts there is not copied.
 */
import {
  AT_SYMLINK_NOFOLLOW,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_WRONLY,
} from "../../ffi/constants.ts";
import { ENOENT, ENOTDIR, SyscallError } from "../../ffi/errno.ts";
import { Fd, openAt, openDirectory, openIn, readInto, writeAll } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import type { MountOptions } from "./mount_options.ts";

const CHUNK_BYTES = 1 << 16;

/** A filled tmpfs for `target` below `root`; undefined where nothing is there to be copied. */
export function copiedUp(root: string, target: string, options: MountOptions): Fd | undefined {
  const goal = `mount tmpfs on "${target}" with what is there`;
  const source = openSource(root, target);
  if (source === undefined) return undefined;
  using from = source;
  const mount = newTmpfs(options, goal);
  try {
    using to = openAt(mount, ".", O_RDONLY | O_DIRECTORY);
    const { mode, uid, gid } = Deno.statSync(within(from));
    check(goal, "fchown", to.raw, uid ?? 0, gid ?? 0);
    if (!options.data.some((word) => word.startsWith("mode="))) {
      check(goal, "fchmod", to.raw, (mode ?? 0o755) & 0o7777);
    }
    copyEntries(from, to, goal);
    return mount;
  } catch (error) {
    mount[Symbol.dispose]();
    throw error;
  }
}

/** A path of an open directory, or of a name in it. */
function within(directory: Fd, name = ""): string {
  return `/proc/self/fd/${directory.raw}/${name}`;
}

function openSource(root: string, target: string): Fd | undefined {
  using top = openDirectory(root);
  try {
    return openIn(top, target, O_RDONLY | O_DIRECTORY);
  } catch (error) {
    const absent = error instanceof SyscallError && [ENOENT, ENOTDIR].includes(error.errno);
    if (absent) return undefined;
    throw error;
  }
}

/** A tmpfs that is attached nowhere. fsopen(2), fsmount(2). */
function newTmpfs({ data, attributes }: MountOptions, goal: string): Fd {
  using context = new Fd(check(goal, "fsopen", "tmpfs", FSOPEN_CLOEXEC));
  for (const word of ["source=tmpfs", ...data]) {
    const equals = word.indexOf("=");
    const [command, key, value] = equals < 0
      ? [FSCONFIG_SET_FLAG, word, null]
      : [FSCONFIG_SET_STRING, word.slice(0, equals), word.slice(equals + 1)];
    check(`${goal}, with "${word}"`, "fsconfig", context.raw, command, key, value, 0);
  }
  check(goal, "fsconfig", context.raw, FSCONFIG_CMD_CREATE, null, null, 0);
  return new Fd(check(goal, "fsmount", context.raw, FSMOUNT_CLOEXEC, attributes.set));
}

/** Copies files, directories, links and devices. No link is followed, whoever changes the source. */
function copyEntries(from: Fd, to: Fd, goal: string): void {
  for (const { name } of Deno.readDirSync(within(from))) {
    const { isSymlink, isDirectory, isFile, mode, uid, gid, rdev } = Deno.lstatSync(
      within(from, name),
    );
    const permissions = (mode ?? 0) & 0o7777;
    if (isSymlink) {
      check(goal, "symlinkat", Deno.readLinkSync(within(from, name)), to.raw, name);
    } else if (isDirectory) {
      check(goal, "mkdirat", to.raw, name, 0o700);
    } else if (isFile) copyFile(from, to, name, goal);
    else check(goal, "mknodat", to.raw, name, mode ?? 0, rdev ?? 0);
    check(goal, "fchownat", to.raw, name, uid ?? 0, gid ?? 0, AT_SYMLINK_NOFOLLOW);
    if (isSymlink) continue;
    if (isDirectory) {
      using below = openAt(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      using made = openAt(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      copyEntries(below, made, goal);
    }
    check(goal, "fchmodat", to.raw, name, permissions);
  }
}

function copyFile(from: Fd, to: Fd, name: string, goal: string): void {
  using source = openAt(from, name, O_RDONLY | O_NOFOLLOW);
  using made = openAt(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const count = readInto(source, buffer);
    if (count < 0) throw new SyscallError("read", -count, goal);
    if (count === 0) return;
    writeAll(made, buffer.slice(0, count), goal);
  }
}
