/**
 * The ids that an ordinary user may use besides his own: /etc/subuid and /etc/subgid, and the
 * setuid programs newuidmap and newgidmap that know of them. subuid(5), newuidmap(1).
 */
import { UserError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import { findProgram } from "../base/programs.ts";
import type { IdMapping } from "./spec_types.ts";

/** A range of ids that belongs to a user. */
export interface SubordinateRange {
  readonly start: number;
  readonly count: number;
}

/** The ranges of `names` (the user's name and his number) in the text of subuid or subgid. */
export function parseSubordinateIds(text: string, names: readonly string[]): SubordinateRange[] {
  return text.split("\n").flatMap((line) => {
    const [name, start, count] = line.split(":").map((word) => word.trim());
    if (!names.includes(name) || !/^\d+$/.test(start ?? "") || !/^\d+$/.test(count ?? "")) {
      return [];
    }
    return Number(count) === 0 ? [] : [{ start: Number(start), count: Number(count) }];
  });
}

/** The name of user `uid` in the text of /etc/passwd. */
export function userNameIn(passwd: string, uid: number): string | undefined {
  const line = passwd.split("\n").find((row) => row.split(":")[2] === String(uid));
  return line?.split(":")[0];
}

/** Root inside is the user outside; the ids above it are the subordinate ones, in their order. */
export function userMap(id: number, ranges: readonly SubordinateRange[]): IdMapping[] {
  const map: IdMapping[] = [{ containerID: 0, hostID: id, size: 1 }];
  let next = 1;
  for (const { start, count } of ranges) {
    map.push({ containerID: next, hostID: start, size: count });
    next += count;
  }
  return map;
}

/** The maps of an ordinary user's namespace. */
export interface UserMaps {
  readonly uids: IdMapping[];
  readonly gids: IdMapping[];
  /** Why there is only one id; absent where there are more. */
  readonly single?: string;
}

/** The maps for the user `uid`; with one id only where he has no others, or no way to them. */
export function planUserMaps(uid: number, gid: number): UserMaps {
  const name = userNameIn(readIfThere("/etc/passwd") ?? "", uid);
  const names = [String(uid), ...(name === undefined ? [] : [name])];
  const uids = parseSubordinateIds(readIfThere("/etc/subuid") ?? "", names);
  const gids = parseSubordinateIds(readIfThere("/etc/subgid") ?? "", names);
  const who = name ?? String(uid);
  const single = uids.length === 0 || gids.length === 0
    ? `/etc/sub${uids.length === 0 ? "u" : "g"}id has no range for ${who}`
    : findProgram("newuidmap") === undefined || findProgram("newgidmap") === undefined
    ? "newuidmap and newgidmap are not installed (Debian: uidmap; Fedora: shadow-utils)"
    : undefined;
  if (single !== undefined) return { uids: userMap(uid, []), gids: userMap(gid, []), single };
  return { uids: userMap(uid, uids), gids: userMap(gid, gids) };
}

/** Writes the maps of the user namespace of process `pid`. Throws UserError with the reason. */
export function writeUserMaps(pid: number, { uids, gids, single }: UserMaps): void {
  if (single === undefined) {
    runMapper("newuidmap", pid, uids);
    runMapper("newgidmap", pid, gids);
    return;
  }
  const line = ([{ containerID, hostID, size }]: IdMapping[]) => `${containerID} ${hostID} ${size}`;
  // Without privilege the kernel wants setgroups given up before it takes a map of groups.
  Deno.writeTextFileSync(`/proc/${pid}/uid_map`, line(uids));
  Deno.writeTextFileSync(`/proc/${pid}/setgroups`, "deny");
  Deno.writeTextFileSync(`/proc/${pid}/gid_map`, line(gids));
}

function runMapper(program: string, pid: number, map: readonly IdMapping[]): void {
  const words = map.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size]);
  const { code, stderr } = new Deno.Command(findProgram(program)!, {
    args: [String(pid), ...words.map(String)],
    stdin: "null",
    stdout: "null",
  }).outputSync();
  if (code === 0) return;
  const file = program === "newuidmap" ? "/etc/subuid" : "/etc/subgid";
  throw new UserError(
    `Cannot map the ids of ${file}: ${new TextDecoder().decode(stderr).trim()} ` +
      `(see that ${program} is setuid root and that the range in ${file} is as it should be)`,
    125,
  );
}
