/**
 * Trees as text. A line is `<type> <path> [words]`: `dir etc 0755`, `file etc/a text`,
 * `symlink etc/l target`, `hardlink b etc/a`, `char dev/null 1 3`, `fifo p`. Any line may end
 * with `mode=`, `uid=`, `gid=`, `mtime=`, `x:<name>=<value>` (text, or bytes as 0x…).
 */
import { createHash } from "node:crypto";
import {
  O_DIRECTORY,
  O_RDONLY,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "../../ffi/constants.ts";
import { openAt } from "../../ffi/fd.ts";
import { bytesOf, byteString, fromText } from "../../src/image/byte_string.ts";
import { readXattrs } from "../../src/image/metadata.ts";
import { namesIn, type Stat, statAt } from "../../src/image/stat.ts";
import type { EntryType, TarEntry } from "../../src/image/tar.ts";
import { endMark, entryHeader, padding } from "../../src/image/tar_writer.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes } from "../../src/image/byte_string.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const TYPES: Record<string, EntryType> = {
  dir: "directory",
  file: "file",
  symlink: "symlink",
  hardlink: "hardlink",
  char: "character",
  block: "block",
  fifo: "fifo",
};

/** An entry of a line, and the content of a file. */
export function entryOf(line: string): { entry: TarEntry; content: Bytes } {
  const words = line.split(" ").filter((word) => word !== "");
  const options = words.filter((word) => /^(?:mode|uid|gid|mtime|size|x:[^=]+)=/.test(word));
  const [kind, path, ...rest] = words.filter((word) => !options.includes(word));
  const type = TYPES[kind];
  if (type === undefined) throw new Error(`bad tree line "${line}"`);
  const content = type === "file" ? bytesOf(fromText(rest.join(" "))) : new Uint8Array(0);
  const entry: TarEntry = {
    path: fromText(path),
    type,
    link: type === "symlink" || type === "hardlink" ? fromText(rest[0]) : "",
    mode: type === "directory" ? 0o755 : type === "symlink" ? 0o777 : 0o644,
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: { seconds: 1_700_000_000, nanos: 0 },
    devMajor: type === "character" || type === "block" ? Number(rest[0]) : 0,
    devMinor: type === "character" || type === "block" ? Number(rest[1]) : 0,
    xattrs: new Map(),
  };
  if (type === "directory" && rest[0] !== undefined) entry.mode = parseInt(rest[0], 8);
  for (const option of options) applyOption(entry, option);
  return { entry, content };
}

/** Text, or bytes as `0x0100…`. */
function attributeValue(text: string): Bytes {
  if (!text.startsWith("0x")) return bytesOf(fromText(text));
  return Uint8Array.from(text.slice(2).match(/../g)!, (pair) => parseInt(pair, 16));
}

function applyOption(entry: TarEntry, option: string): void {
  const equals = option.indexOf("=");
  const [key, value] = [option.slice(0, equals), option.slice(equals + 1)];
  if (key.startsWith("x:")) entry.xattrs.set(key.slice(2), attributeValue(value));
  else if (key === "mode") entry.mode = parseInt(value, 8);
  else if (key === "uid") entry.uid = Number(value);
  else if (key === "gid") entry.gid = Number(value);
  else if (key === "mtime") {
    const [seconds, nanos = "0"] = value.split(".");
    entry.mtime = { seconds: Number(seconds), nanos: Number(nanos.padEnd(9, "0")) };
  }
}

/** The archive of the lines, in their order. */
export function tarOf(lines: readonly string[], end = true): Bytes {
  const parts: Bytes[] = [];
  for (const line of lines) {
    const { entry, content } = entryOf(line);
    parts.push(entryHeader(entry, content.length), content, padding(content.length));
  }
  if (end) parts.push(endMark());
  return concat(parts);
}

/** All parts one after the other. */
export function concat(parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const KINDS = new Map([
  [0o040000, "dir"],
  [0o100000, "file"],
  [0o120000, "symlink"],
  [0o020000, "char"],
  [0o060000, "block"],
  [0o010000, "fifo"],
  [0o140000, "socket"],
]);

/** What to leave out of a description. */
export interface DescribeOptions {
  /** Directories' times: tools that make them implicitly differ. */
  withoutDirectoryTimes?: boolean;
  withoutXattrs?: boolean;
}

/**
 * Every file below a directory with all that matters: type, mode, owner, time to the nanosecond,
 * size, hash, link target, hard-link group and extended attributes. Two trees are the same when
 * their descriptions are.
 */
export function describeTree(root: string, options: DescribeOptions = {}): string[] {
  const lines: string[] = [];
  const groups = new Map<string, number>();
  const walk = (fd: number, path: string, at: string) => {
    for (const name of namesIn(fd).sort()) {
      const stat = statAt(fd, name)!;
      const inside = path === "" ? name : `${path}/${name}`;
      lines.push(describe(fd, name, inside, stat, groups, options));
      if (stat.kind !== S_IFDIR) continue;
      const sub = sys("openat", fd, cBytes(name), O_RDONLY | O_DIRECTORY);
      if (sub < 0) throw new Error(`open ${at}/${name}: ${sub}`);
      walk(sub, inside, `${at}/${name}`);
      sys("close", sub);
    }
  };
  using fd = openAt(null, root, O_RDONLY | O_DIRECTORY);
  walk(fd.raw, "", root);
  return lines;
}

function describe(
  fd: number,
  name: string,
  path: string,
  stat: Stat,
  groups: Map<string, number>,
  options: DescribeOptions,
): string {
  const words = [
    KINDS.get(stat.kind & S_IFMT) ?? "?",
    JSON.stringify(path),
    stat.mode.toString(8),
    `${stat.uid}:${stat.gid}`,
  ];
  // A whiteout has no time of its own.
  const isMark = stat.kind === S_IFCHR && stat.devMajor === 0 && stat.devMinor === 0;
  if (!isMark && !(options.withoutDirectoryTimes && stat.kind === S_IFDIR)) {
    words.push(`${stat.mtime.seconds}.${String(stat.mtime.nanos).padStart(9, "0")}`);
  }
  if (stat.devMajor || stat.devMinor) words.push(`${stat.devMajor},${stat.devMinor}`);
  if (stat.kind === S_IFREG) {
    words.push(`size=${stat.size}`, contentHash(fd, name));
    if (stat.links > 1) {
      const group = groups.get(stat.identity) ?? groups.size;
      groups.set(stat.identity, group);
      words.push(`links=${stat.links}/${group}`);
    }
  }
  if (stat.kind === S_IFLNK) {
    const buffer = new Uint8Array(4096);
    const length = sys("readlinkat", fd, cBytes(name), buffer, 4096);
    words.push(JSON.stringify(byteString(buffer, 0, length)));
  }
  if (!options.withoutXattrs) {
    const xattrs = [...readXattrs(`/proc/self/fd/${fd}/${name}`)].sort();
    for (const [key, value] of xattrs) words.push(`${key}=${byteString(value)}`);
  }
  return words.join(" ");
}

function contentHash(dirFd: number, name: string): string {
  const fd = sys("openat", dirFd, cBytes(name), O_RDONLY);
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1 << 16);
  for (;;) {
    const count = sys("read", fd, buffer, buffer.length);
    if (count <= 0) break;
    hash.update(buffer.subarray(0, count));
  }
  sys("close", fd);
  return hash.digest("hex").slice(0, 16);
}
