/**
 * Control files and directories of cgroups. Writes go straight to the kernel: the error number says
 * what it lacks, and a write takes a third of the time of Deno.writeTextFileSync.
 */
import { AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_WRONLY } from "../../ffi/constants.ts";
import { EINTR, ENOENT, EROFS, SyscallError } from "../../ffi/errno.ts";
import { Fd, openAt } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { isAbsent } from "../base/files.ts";

/** unistd.h */
const W_OK = 2;

const encoder = new TextEncoder();

/** Opens a control file for writing. Throws SyscallError. */
export function openControl(path: string): Fd {
  return openAt(null, path, O_WRONLY);
}

/** Writes to an open control file: 0, or the negative error number. */
export function writeTo(file: Fd, text: string): number {
  const bytes = encoder.encode(text);
  for (;;) {
    const result = sys("write", file.raw, bytes, bytes.length);
    if (result !== -EINTR) return result < 0 ? result : 0;
  }
}

/** Writes a control file in one call: 0, or the negative error number. -ENOENT: no such file. */
export function writeControl(path: string, text: string): number {
  const raw = sys("openat", AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  if (raw < 0) return raw;
  using file = new Fd(raw);
  return writeTo(file, text);
}

/** The text of a control file, or undefined where there is none (any more). Throws otherwise. */
export function readControl(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** The number in a control file, or undefined where there is none; "max" is Infinity. */
export function readNumber(path: string): number | undefined {
  const text = readControl(path)?.trim();
  if (text === undefined || text === "") return undefined;
  if (text === "max") return Infinity;
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}

/** The number after `key` in a file of "key value" lines, or undefined. */
export function keyedNumber(text: string, key: string): number | undefined {
  const start = text.startsWith(`${key} `) ? 0 : text.indexOf(`\n${key} `) + 1;
  if (start === 0 && !text.startsWith(`${key} `)) return undefined;
  return Number.parseInt(text.slice(start + key.length + 1), 10);
}

/** Makes one directory: 0, or the negative error number. */
export function makeDirectory(path: string): number {
  return sys("mkdirat", AT_FDCWD, path, 0o755);
}

/** Whether we may write to `path`. */
export function isWritable(path: string): boolean {
  return sys("faccessat", AT_FDCWD, path, W_OK) === 0;
}

/**
 * Removes one cgroup: 0 (also where there was none), or the negative error number. Where cgroups
 * are mounted read-only there can be none of ours, but the kernel says so before it looks.
 */
export function removeDirectory(path: string): number {
  const result = sys("unlinkat", AT_FDCWD, path, AT_REMOVEDIR);
  return result === -ENOENT || result === -EROFS ? 0 : result;
}

/** The cgroups below `directory`, deepest first, then itself. Empty where there is none. */
export function subtree(directory: string): string[] {
  const found: string[] = [];
  try {
    for (const entry of Deno.readDirSync(directory)) {
      if (entry.isDirectory) found.push(...subtree(`${directory}/${entry.name}`));
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return found;
    throw error;
  }
  found.push(directory);
  return found;
}

/** Lets the thread sleep. Used only while waiting for the kernel to finish what it was told. */
export function sleepMillis(millis: number): void {
  const time = new BigInt64Array([
    BigInt(Math.floor(millis / 1000)),
    BigInt(Math.round((millis % 1000) * 1e6)),
  ]);
  sys("nanosleep", new Uint8Array(time.buffer), null);
}

/** Throws the SyscallError of a negative result. */
export function throwIf(result: number, call: string, goal: string): void {
  if (result < 0) throw new SyscallError(call, -result, goal);
}
