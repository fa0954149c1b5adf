/** What a path of a container leads to, in the terms of docker's API. */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFSOCK } from "../../ffi/constants.ts";
import { formatTime } from "../base/time.ts";
import type { Stat } from "../image/stat.ts";
import { openContainerTree } from "./container_tree.ts";
import { enterBelow, lookThrough } from "./copy_look.ts";
import { type ContainerPath, openPath, sourceIn } from "./copy.ts";
import { absolutePath, meansContent, ownName } from "./copy_paths.ts";

/** docker's ContainerPathStat. */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** As Go's os.FileMode has it. */
  readonly mode: number;
  readonly mtime: string;
  /** Where a link leads to, made absolute inside the container; else empty. */
  readonly linkTarget: string;
}

/** Bits of Go's os.FileMode by kind of file. */
const KINDS: Readonly<Record<number, number>> = {
  [S_IFDIR]: 2 ** 31,
  [S_IFLNK]: 2 ** 27,
  [S_IFBLK]: 2 ** 26,
  [S_IFCHR]: 2 ** 26 + 2 ** 21,
  [S_IFIFO]: 2 ** 25,
  [S_IFSOCK]: 2 ** 24,
};
const SET_UID = 0o4000, SET_GID = 0o2000, STICKY = 0o1000;

/** The mode of a file as Go has it. */
export function goFileMode({ kind, mode }: Pick<Stat, "kind" | "mode">): number {
  return (KINDS[kind] ?? 0) + (mode & 0o777) + (mode & SET_UID ? 2 ** 23 : 0) +
    (mode & SET_GID ? 2 ** 22 : 0) + (mode & STICKY ? 2 ** 20 : 0);
}

/** Looks at a path; a link at its end is not followed. Throws UserError with docker's texts. */
export function statPath(from: ContainerPath): PathStat {
  const { record } = openPath(from);
  using tree = openContainerTree(record);
  using found = sourceIn(tree, from, false);
  const stat = found.stat!;
  const { seconds, nanos } = stat.mtime;
  const own = ownName(from.path);
  const name = own === "." && !meansContent(from.path) ? "/" : own;
  let linkTarget = "";
  if (stat.kind === S_IFLNK) {
    using target = lookThrough(enterBelow(tree.root), absolutePath(from.path, "/"));
    linkTarget = target.path;
  }
  return {
    name,
    size: stat.size,
    mode: goFileMode(stat),
    mtime: formatTime(BigInt(seconds) * 1_000_000_000n + BigInt(nanos)),
    linkTarget,
  };
}
