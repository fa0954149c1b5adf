/**
 * Users and groups of a container: `--user`, `--group-add` and an image's /etc/passwd and
 * /etc/group. Pure functions over the texts; the files are the image's, so hostile ones are meant
 * to be met: lines without a number where one belongs are passed over (docker takes them as 0,
 * which is root), numbers are range-checked, sizes are bounded.
 */
import { UserError } from "../base/errors.ts";

/** Ids are what fits a signed 32-bit number, as in docker. */
const MAX_ID = 2 ** 31 - 1;
/** A larger file is an attack or a mistake; the caller need not read more. */
export const MAX_USER_FILE_BYTES = 4 << 20;
/** NGROUPS_MAX of setgroups(2). */
const MAX_GROUPS = 65536;

/** Who a process will be. */
export interface ResolvedUser {
  uid: number;
  gid: number;
  /** Supplementary groups without `gid`, in the file's order. */
  groups: number[];
  /** For HOME where the environment has none. "/" without an entry in passwd. */
  home: string;
  /** The name in passwd, if there is one. */
  name?: string;
}

/** One line of /etc/passwd. */
interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/** One line of /etc/group. */
interface GroupEntry {
  name: string;
  gid: number;
  members: string;
}

/** The fields of each line of `text`, one after the other. */
function* entries(text: string, file: string): Generator<string[]> {
  if (text.length > MAX_USER_FILE_BYTES) {
    throw new UserError(
      `Cannot read "${file}" of the image: larger than ${MAX_USER_FILE_BYTES} bytes`,
    );
  }
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end).trim();
    if (line !== "") yield line.split(":");
    start = end + 1;
  }
}

function* passwdEntries(text: string): Generator<PasswdEntry> {
  for (const [name, , uid, gid, , home] of entries(text, "/etc/passwd")) {
    const entry = { name, uid: fileId(uid), gid: fileId(gid), home: home || "/" };
    if (entry.uid >= 0 && entry.gid >= 0) yield entry;
  }
}

function* groupEntries(text: string): Generator<GroupEntry> {
  for (const [name, , gid, members] of entries(text, "/etc/group")) {
    const entry = { name, gid: fileId(gid), members: members ?? "" };
    if (entry.gid >= 0) yield entry;
  }
}

/** An id of a file, or -1 where there is none that the kernel would take. */
function fileId(text: string | undefined): number {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return -1;
  const id = Number(text);
  return id <= MAX_ID ? id : -1;
}

/** An id that the user wrote, or undefined for a name. Throws UserError out of docker's range. */
function givenId(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > MAX_ID) {
    throw new UserError(`uids and gids must be in range 0-${MAX_ID}`);
  }
  return id;
}

function first<T>(items: Iterable<T>, matches: (item: T) => boolean): T | undefined {
  for (const item of items) if (matches(item)) return item;
  return undefined;
}

/**
 * Resolves "user", "uid", "user:group" … ("" is uid 0) against the texts of the image's files; a
 * missing file is "". A number is an id even where a name looks like it. Supplementary groups are
 * those the user is a member of, only where no group was given. Throws UserError with docker's
 * texts.
 */
export function resolveUser(spec: string, passwd: string, group: string): ResolvedUser {
  const [userArg, groupArg = ""] = spec.split(":");
  const uidArg = userArg === "" ? 0 : givenId(userArg);
  const gidArg = givenId(groupArg);
  const entry = first(
    passwdEntries(passwd),
    uidArg === undefined ? ({ name }) => name === userArg : ({ uid }) => uid === uidArg,
  );
  if (entry === undefined && uidArg === undefined) {
    throw new UserError(`unable to find user ${userArg}: no matching entries in passwd file`);
  }
  const user: ResolvedUser = entry === undefined
    ? { uid: uidArg!, gid: 0, groups: [], home: "/" }
    : { uid: entry.uid, gid: entry.gid, groups: [], home: entry.home, name: entry.name };
  if (groupArg !== "") user.gid = findGroup(groupArg, gidArg, group);
  else if (entry !== undefined) user.groups = memberships(entry.name, entry.gid, group);
  return user;
}

function findGroup(text: string, gid: number | undefined, group: string): number {
  if (gid !== undefined) return gid;
  const entry = first(groupEntries(group), ({ name }) => name === text);
  if (entry === undefined) {
    throw new UserError(`unable to find group ${text}: no matching entries in group file`);
  }
  return entry.gid;
}

function memberships(user: string, primary: number, group: string): number[] {
  const gids = new Set<number>();
  for (const { gid, members } of groupEntries(group)) {
    if (gid === primary || !members.includes(user)) continue;
    if (members.split(",").includes(user)) gids.add(gid);
    if (gids.size > MAX_GROUPS) {
      throw new UserError(`Cannot use user "${user}": member of more than ${MAX_GROUPS} groups`);
    }
  }
  return [...gids];
}

/**
 * The ids of `--group-add`, names looked up in the text of the image's /etc/group, without
 * duplicates. Throws UserError with docker's texts.
 */
export function resolveGroups(names: readonly string[], group: string): number[] {
  const find = (name: string) => {
    try {
      return findGroup(name, givenId(name), group);
    } catch (error) {
      throw new UserError((error as Error).message.replace(/^unable/, "Unable")); // as docker has it here
    }
  };
  return [...new Set(names.map(find))];
}

/**
 * `process.user.additionalGids` as docker writes them: the primary group is among them, so that a
 * set-group-id program cannot get rid of it (CVE-2022-36109).
 */
export function additionalGids(user: ResolvedUser, added: readonly number[]): number[] {
  return [...new Set([user.gid, ...user.groups, ...added])];
}
