/**
 * OCI mount options become numbers here and go no further as text. Source: mount(8),
 * mount_setattr(2), opencontainers/runtime-spec config.md "Linux mount options".
 */
import {
  MOUNT_ATTR_ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_REC,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "../../ffi/constants.ts";
import { UserError } from "../base/errors.ts";

/** What to switch on and off: the two words of struct mount_attr. */
export interface Attributes {
  readonly set: number;
  readonly clear: number;
}

/** How a mount passes events on; `recursive`: its submounts too. */
export interface Propagation {
  readonly flag: number;
  readonly recursive: boolean;
}

/** Options after parsing. `data` is for the file system itself. */
export interface MountOptions {
  readonly bind: boolean;
  readonly recursiveBind: boolean;
  readonly attributes: Attributes;
  readonly recursiveAttributes: Attributes;
  readonly propagation?: Propagation;
  readonly data: readonly string[];
  readonly copyUp: boolean;
  readonly idmap: "no" | "plain" | "recursive";
  /** Only the attributes of what is mounted there already change. */
  readonly remount: boolean;
}

const ATTRIBUTES: Record<string, [set: number, clear: number]> = {
  ro: [MOUNT_ATTR_RDONLY, 0],
  rw: [0, MOUNT_ATTR_RDONLY],
  nosuid: [MOUNT_ATTR_NOSUID, 0],
  suid: [0, MOUNT_ATTR_NOSUID],
  nodev: [MOUNT_ATTR_NODEV, 0],
  dev: [0, MOUNT_ATTR_NODEV],
  noexec: [MOUNT_ATTR_NOEXEC, 0],
  exec: [0, MOUNT_ATTR_NOEXEC],
  nodiratime: [MOUNT_ATTR_NODIRATIME, 0],
  diratime: [0, MOUNT_ATTR_NODIRATIME],
  noatime: [MOUNT_ATTR_NOATIME, MOUNT_ATTR_ATIME],
  atime: [0, MOUNT_ATTR_ATIME],
  relatime: [0, MOUNT_ATTR_ATIME],
  norelatime: [0, MOUNT_ATTR_ATIME],
  strictatime: [MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_ATIME],
  nostrictatime: [0, MOUNT_ATTR_ATIME],
  nosymfollow: [MOUNT_ATTR_NOSYMFOLLOW, 0],
  symfollow: [0, MOUNT_ATTR_NOSYMFOLLOW],
};

const PROPAGATIONS: Record<string, number> = {
  private: MS_PRIVATE,
  shared: MS_SHARED,
  slave: MS_SLAVE,
  unbindable: MS_UNBINDABLE,
};

/** Words that are neither attributes nor for the file system. */
const WITHOUT_EFFECT = new Set(["defaults", "async", "loud", "silent", "norecurse", "nofail"]);

/**
 * Words for the file system as a whole that every file system may refuse: those it has no use for
 * are left out, as mount(2) does with its flags.
 */
export const TOLERATED: ReadonlySet<string> = new Set(
  "acl noacl iversion noiversion mand nomand sync dirsync lazytime nolazytime".split(" "),
);

/** All words that mean something here; a file system's own words are not among them. Sorted. */
export function knownMountOptions(): string[] {
  const recursive = (words: object) => Object.keys(words).map((word) => `r${word}`);
  return [
    ...["bind", "rbind", "idmap", "ridmap", "remount", "tmpcopyup"],
    ...Object.keys(ATTRIBUTES),
    ...recursive(ATTRIBUTES),
    ...Object.keys(PROPAGATIONS),
    ...recursive(PROPAGATIONS),
    ...["async", "defaults", "loud", "silent"],
    ...TOLERATED,
  ].sort();
}

/** Sorts option words; a later word wins over an earlier one, as mount(8) has it. */
export function parseMountOptions(words: readonly string[]): MountOptions {
  let bind = false, recursiveBind = false, copyUp = false, remount = false;
  let idmap: MountOptions["idmap"] = "no";
  let attributes: Attributes = { set: 0, clear: 0 };
  let recursiveAttributes: Attributes = { set: 0, clear: 0 };
  let propagation: Propagation | undefined;
  const data: string[] = [];
  for (const word of words) {
    const below = word.startsWith("r") ? word.slice(1) : "";
    if (word === "bind" || word === "rbind") {
      bind = true;
      recursiveBind = word === "rbind";
    } else if (word === "idmap" || word === "ridmap") {
      idmap = word === "idmap" ? "plain" : "recursive";
    } else if (Object.hasOwn(ATTRIBUTES, word)) {
      attributes = merge(attributes, ATTRIBUTES[word]);
    } else if (Object.hasOwn(PROPAGATIONS, word)) {
      propagation = { flag: PROPAGATIONS[word], recursive: false };
    } else if (Object.hasOwn(PROPAGATIONS, below)) {
      propagation = { flag: PROPAGATIONS[below], recursive: true };
    } else if (Object.hasOwn(ATTRIBUTES, below)) {
      recursiveAttributes = merge(recursiveAttributes, ATTRIBUTES[below]);
    } else if (word === "tmpcopyup") copyUp = true;
    else if (word === "remount") remount = true;
    else if (word !== "" && !WITHOUT_EFFECT.has(word)) data.push(word);
  }
  return {
    bind,
    recursiveBind,
    attributes,
    recursiveAttributes,
    propagation,
    data,
    copyUp,
    idmap,
    remount,
  };
}

function merge(before: Attributes, [set, clear]: [number, number]): Attributes {
  return { set: (before.set & ~clear) | set, clear: (before.clear & ~set) | clear };
}

/** What `linux.rootfsPropagation` asks for. */
export interface RootPropagation {
  /** All mounts that come from the host, before any is made; 0: they stay as they are. */
  readonly inherited: number;
  /** The container's root, when it is the root; 0: private. */
  readonly root: number;
}

/**
 * Private is docker's and our default. With "shared" mounts pass between host and container where
 * a bind asks for it, so nothing is cut off. Throws UserError for an unknown word.
 */
export function rootPropagation(word = "private"): RootPropagation {
  const recursive = word.startsWith("r") && !Object.hasOwn(PROPAGATIONS, word);
  const plain = recursive ? word.slice(1) : word;
  const more = recursive ? MS_REC : 0;
  switch (plain) {
    case "":
    case "private":
      return { inherited: MS_PRIVATE, root: 0 };
    case "slave":
      return { inherited: MS_SLAVE, root: 0 };
    case "shared":
      return { inherited: 0, root: MS_SHARED | more };
    case "unbindable":
      return { inherited: MS_PRIVATE, root: MS_UNBINDABLE | more };
  }
  throw new UserError(`Cannot use rootfsPropagation "${word}": unknown`);
}
