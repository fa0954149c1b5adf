/** The user namespace that this process is in: the machine's first one, or one with a map. */
import { readIfThere } from "./files.ts";

/** A line of uid_map or gid_map. user_namespaces(7). */
export interface MappedRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** Which ids exist in a user namespace. */
export interface OwnIds {
  readonly uids: readonly MappedRange[];
  readonly gids: readonly MappedRange[];
}

/** Parses the text of /proc/PID/uid_map. */
export function parseIdMap(text: string): MappedRange[] {
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const [inside, outside, count] = line.trim().split(/\s+/).map(Number);
    return { inside, outside, count };
  });
}

const ALL_IDS = 2 ** 32 - 1;

/** Whether a map is the one of the machine's first user namespace: every id is itself. */
function isEverything([first]: readonly MappedRange[]): boolean {
  return first?.inside === 0 && first.outside === 0 && first.count === ALL_IDS;
}

let own: OwnIds | null | undefined;

/** The ids of our user namespace; undefined when every id of the machine is itself here. */
export function ownUserNamespace(): OwnIds | undefined {
  if (own === undefined) {
    const uids = parseIdMap(readIfThere("/proc/self/uid_map") ?? "");
    own = uids.length === 0 || isEverything(uids)
      ? null
      : { uids, gids: parseIdMap(readIfThere("/proc/self/gid_map") ?? "") };
  }
  return own ?? undefined;
}
