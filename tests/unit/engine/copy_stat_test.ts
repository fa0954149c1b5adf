import { assertEquals } from "@std/assert";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
} from "../../../ffi/constants.ts";
import { goFileMode } from "../../../src/engine/copy_stat.ts";

/** Go's os.FileMode: the kind in the high bits, as in its package io/fs. */
const CASES: readonly (readonly [what: string, kind: number, mode: number, go: number])[] = [
  ["a file", S_IFREG, 0o644, 0o644],
  ["a directory", S_IFDIR, 0o755, 0x80000000 + 0o755],
  ["a link", S_IFLNK, 0o777, 0x08000000 + 0o777],
  ["a block device", S_IFBLK, 0o660, 0x04000000 + 0o660],
  ["a character device", S_IFCHR, 0o600, 0x04200000 + 0o600],
  ["a pipe", S_IFIFO, 0o600, 0x02000000 + 0o600],
  ["a socket", S_IFSOCK, 0o755, 0x01000000 + 0o755],
  ["a program with its owner's rights", S_IFREG, 0o4755, 0x00800000 + 0o755],
  ["a program with its group's rights", S_IFREG, 0o2755, 0x00400000 + 0o755],
  ["a directory like /tmp", S_IFDIR, 0o1777, 0x80100000 + 0o777],
  ["all of it", S_IFDIR, 0o7000, 0x80d00000],
];

for (const [what, kind, mode, go] of CASES) {
  Deno.test(`goFileMode() of ${what} is 0x${go.toString(16)}`, () => {
    assertEquals(goFileMode({ kind, mode }), go);
  });
}
