/** Gives the files of a tree other owners on the disk: for ids that nothing maps. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "../../ffi/constants.ts";
import { ENOENT, ENOTDIR, SyscallError } from "../../ffi/errno.ts";
import { Fd, openAt } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { cBytes, toText } from "../image/byte_string.ts";
import { CAPABILITY, capabilityFor } from "../image/file_capability.ts";
import { readXattrs } from "../image/metadata.ts";
import { namesIn, type Stat, statAt, statFd } from "../image/stat.ts";
import type { IdMapping } from "../runtime/spec_types.ts";
import type { DiskOwners } from "./container_documents.ts";

const ALL_IDS: IdMapping[] = [{ containerID: 0, hostID: 0, size: 2 ** 32 - 1 }];

/** Every id is itself. */
export const PLAIN_OWNERS: DiskOwners = { uids: ALL_IDS, gids: ALL_IDS };

/** The id that `id` of the disk means; undefined where the map does not have it. */
function idInside(map: readonly IdMapping[], id: number): number | undefined {
  const range = map.find(({ hostID, size }) => hostID <= id && id < hostID + size);
  return range && range.containerID + id - range.hostID;
}

/** The id on the disk for an id of the container; undefined where it has none. */
export function idOnDisk(map: readonly IdMapping[], id: number): number | undefined {
  const range = map.find(({ containerID, size }) => containerID <= id && id < containerID + size);
  return range && range.hostID + id - range.containerID;
}

/** What an id becomes: read by the first of `from` that has it. One without a place is root's. Pure. */
export function shiftedId(
  id: number,
  from: readonly (readonly IdMapping[])[],
  to: readonly IdMapping[],
): number {
  const inside = from.map((map) => idInside(map, id)).find((found) => found !== undefined);
  return idOnDisk(to, inside ?? 0) ?? idOnDisk(to, 0) ?? 0;
}

/**
 * Gives `path` and all below it the owners `to`; what they mean now is found by `from`, the latest
 * first: a walk that was cut off is done again. Links are not followed. Nobody else may be writing.
 */
export function shiftOwners(path: string, from: readonly DiskOwners[], to: DiskOwners): void {
  using top = openAt(null, path, O_RDONLY | O_DIRECTORY);
  // Every id is one of PLAIN_OWNERS: what another map has is that map's.
  const isPlain = ({ uids }: DiskOwners) => uids[0]?.size === ALL_IDS[0].size;
  new Shift([...from.filter((map) => !isPlain(map)), ...from.filter(isPlain)], to).tree(top);
}

class Shift {
  /** Files of several names, which are met as often. */
  readonly #done = new Set<string>();

  constructor(readonly from: readonly DiskOwners[], readonly to: DiskOwners) {}

  tree(directory: Fd): void {
    for (const name of namesIn(directory.raw)) this.#entry(directory, name);
    this.#give(directory, statFd(directory.raw), "");
  }

  #entry(parent: Fd, name: string): void {
    const stat = statAt(parent.raw, name);
    if (stat === undefined || (stat.links > 1 && this.#done.has(stat.identity))) return;
    if (stat.kind === S_IFDIR) {
      const fd = sys("openat", parent.raw, cBytes(name), TREE);
      if (fd === -ENOENT || fd === -ENOTDIR) return; // gone meanwhile
      using directory = new Fd(this.#check(fd, "openat", name));
      return this.tree(directory);
    }
    if (stat.links > 1) this.#done.add(stat.identity);
    const fd = sys("openat", parent.raw, cBytes(name), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd === -ENOENT) return;
    using node = new Fd(this.#check(fd, "openat", name));
    this.#give(node, stat, name, `/proc/self/fd/${parent.raw}/${name}`);
  }

  /** chown(2) takes setuid bits and capabilities away: they are given back. */
  #give(node: Fd, { kind, mode, uid, gid }: Stat, name: string, path = ""): void {
    const wanted = {
      uid: shiftedId(uid, this.from.map(({ uids }) => uids), this.to.uids),
      gid: shiftedId(gid, this.from.map(({ gids }) => gids), this.to.gids),
    };
    if (wanted.uid === uid && wanted.gid === gid) return;
    const self = `/proc/self/fd/${node.raw}`;
    const capability = kind === S_IFREG ? readXattrs(path).get(CAPABILITY) : undefined;
    const given = sys("fchownat", node.raw, "", wanted.uid, wanted.gid, AT_EMPTY_PATH);
    this.#check(given, "fchownat", name);
    if (kind !== S_IFLNK && (mode & 0o6000) !== 0) {
      this.#check(sys("fchmodat", AT_FDCWD, self, mode), "fchmodat", name);
    }
    if (capability === undefined) return;
    const value = capabilityFor(capability, idOnDisk(this.to.uids, 0) ?? 0);
    this.#check(sys("setxattr", self, CAPABILITY, value, value.length, 0), "setxattr", name);
  }

  #check(result: number, call: string, name: string): number {
    if (result >= 0) return result;
    throw new SyscallError(call, -result, `give "${toText(name)}" its owner`);
  }
}

const TREE = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
