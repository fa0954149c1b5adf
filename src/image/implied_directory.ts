/** Directories that an archive only implies, by the paths of what is in them. */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { sys } from "../../ffi/libc.ts";
import { blankEntry } from "./blank_entry.ts";
import { readXattrs } from "./metadata.ts";
import { statAt } from "./stat.ts";
import type { TarEntry } from "./tar.ts";
import { openDirectoryIn } from "./tree_walk.ts";

/** Mode, owner and time of such a directory: those it has in the layers below, topmost first. */
export function impliedDirectory(path: string, lowers: readonly string[]): TarEntry {
  const entry = blankEntry(path, "directory", 0o755);
  for (const lower of lowers) {
    const root = sys("openat", AT_FDCWD, lower, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) continue;
    const fd = openDirectoryIn(root, path);
    const stat = fd < 0 ? undefined : statAt(fd, ".");
    if (stat !== undefined) {
      entry.mode = stat.mode;
      entry.uid = stat.uid;
      entry.gid = stat.gid;
      entry.mtime = stat.mtime;
      entry.xattrs = readXattrs(`/proc/self/fd/${fd}/.`);
      sys("close", fd);
      sys("close", root);
      break;
    }
    sys("close", root);
  }
  return entry;
}
