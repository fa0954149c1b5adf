/**
 * Mounts as steps. Every mount is made detached (open_tree, fsmount), given its attributes, and
 * only then moved to a target that was opened inside the root: there is no moment at which it is
 * visible with fewer restrictions, and no path that a link could bend. Kernel 5.12 or newer.
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  MS_SHARED,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../ffi/constants.ts";
import { EINVAL } from "../../ffi/errno.ts";
import {
  addressIn,
  assign,
  type Block,
  block,
  goTo,
  type Place,
  slot,
  type Step,
  type Target,
  type Value,
} from "../../ffi/program.ts";
import { type Attributes, type MountOptions, TOLERATED } from "./mount_options.ts";
import {
  closeStep,
  freshLabel,
  makeDirectory,
  makeFile,
  makePlainDirectory,
  openInRoot,
} from "./paths.ts";

/** A mount after parsing: option words stop in `mount_options.ts`. */
export type Mount =
  | {
    kind: "bind";
    /** A path on the host. */
    source: string;
    target: string;
    /** Whether the source is a directory decides what is made at the target. */
    directory: boolean;
    options: MountOptions;
    /** The descriptor of a detached copy of the source, where it is made beforehand. */
    tree?: number | Place;
  }
  /** Attributes of a mount that is there already, not of those below it. */
  | { kind: "again"; target: string; attributes: Attributes }
  | { kind: "kernel"; fs: string; source: string; target: string; options: MountOptions };

/** struct mount_attr of mount_setattr(2). */
export function mountAttr(attributes: Attributes, propagation = 0, userNamespace = 0): Block {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  const idmap = userNamespace > 0 ? MOUNT_ATTR_IDMAP : 0;
  view.setBigUint64(0, BigInt((attributes.set | idmap) >>> 0), true);
  view.setBigUint64(8, BigInt(attributes.clear >>> 0), true);
  view.setBigUint64(16, BigInt(propagation), true);
  view.setBigUint64(24, BigInt(userNamespace), true);
  return block("mount attributes", bytes);
}

/** Sets attributes of the mount that `fd` is, and of those below it when `recursive`. */
export function setAttributes(
  fd: Value,
  attributes: Attributes,
  recursive: boolean,
  goal: string,
  propagation = 0,
  userNamespace = 0,
): Step[] {
  if ((attributes.set | attributes.clear | propagation | userNamespace) === 0) return [];
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  const attr = mountAttr(attributes, propagation, userNamespace);
  return [{ call: "mount_setattr", args: [fd, "", flags, addressIn(attr), 32], goal }];
}

/** Attaches the detached mount `fd` at the directory or file that `target` holds. */
export function moveMount(fd: Value, target: Value, goal: string): Step {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  return { call: "move_mount", args: [fd, "", target, "", flags], goal };
}

/** What a list of mounts knows of one of them. */
export interface MountPlace {
  /** The directory of the target is this one, which no link of an image leads to, and its name. */
  readonly above?: { readonly directory: Value; readonly name: string };
  /** Gets the descriptor of a new file system. */
  readonly made?: Place;
}

/** All of one mount: make it, restrict it, attach it inside `root`. */
export function mountSteps(mount: Mount, root: Value, place: MountPlace = {}): Step[] {
  switch (mount.kind) {
    case "bind":
      return bindSteps(mount, root, place);
    case "kernel":
      return kernelSteps(mount, root, place);
    case "again":
      return againSteps(mount, root);
  }
}

type Bind = Mount & { kind: "bind" };

const bindGoal = ({ source, target }: Bind): string => `bind "${source}" at "${target}"`;

function copyTree(mount: Bind, result: Place): Step {
  const recursive = mount.options.recursiveBind ? AT_RECURSIVE : 0;
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive;
  return {
    call: "open_tree",
    args: [AT_FDCWD, mount.source, flags],
    goal: bindGoal(mount),
    result,
  };
}

/**
 * Copies the sources of shared mounts while they still are peers of the host's: afterwards all
 * mounts of the container's namespace are cut off, and a copy of a mount that was cut off is too.
 */
export function copyShared(mounts: readonly Mount[]): { mounts: Mount[]; steps: Step[] } {
  const steps: Step[] = [];
  const copied = mounts.map((mount): Mount => {
    const shared = mount.kind === "bind" && mount.options.propagation?.flag === MS_SHARED;
    if (!shared || mount.tree !== undefined) return mount;
    const tree = slot("shared tree");
    steps.push(copyTree(mount, tree));
    return { ...mount, tree };
  });
  return { mounts: copied, steps };
}

function bindSteps(mount: Bind, root: Value, { above }: MountPlace): Step[] {
  const { target } = mount;
  const goal = bindGoal(mount);
  const tree = slot("tree"), at = slot("target");
  return [
    mount.tree === undefined ? copyTree(mount, tree) : assign(tree, mount.tree),
    ...attributeSteps(tree, mount, goal),
    ...(above ? attachBelow(tree, above, goal) : [
      ...(mount.directory ? makeDirectory : makeFile)(root, target, at, goal),
      moveMount(tree, at, goal),
      closeStep(at),
    ]),
    closeStep(tree),
  ];
}

/** Makes the directory and attaches the detached mount `fd` there. That it is there is as good. */
function attachBelow(fd: Value, above: NonNullable<MountPlace["above"]>, goal: string): Step[] {
  const { directory, name } = above;
  return [
    { call: "mkdirat", args: [directory, name, 0o755], goal, onNegative: "next" },
    { call: "move_mount", args: [fd, "", directory, name, MOVE_MOUNT_F_EMPTY_PATH], goal },
  ];
}

/** A bind that is read-only is so all the way down, as docker's are since version 25. */
function attributeSteps(tree: Place, mount: Bind, goal: string): Step[] {
  const { attributes, recursiveAttributes, recursiveBind, propagation } = mount.options;
  const restrict = `restrict the mount at "${mount.target}"`;
  return [
    ...setAttributes(tree, attributes, false, restrict),
    ...setAttributes(tree, recursiveAttributes, recursiveBind, restrict),
    ...(propagation
      ? setAttributes(tree, { set: 0, clear: 0 }, propagation.recursive, goal, propagation.flag)
      : []),
  ];
}

/** Words of a file system's options as fsconfig(2) takes them: flags and key=value pairs. */
function configSteps(context: Place, words: readonly string[], goal: string): Step[] {
  return words.map((word) => {
    const equals = word.indexOf("=");
    // Labels are quoted in the text form of options, because they have commas.
    const value = word.slice(equals + 1).replace(/^"(.*)"$/, "$1");
    const args: Value[] = equals < 0
      ? [context, FSCONFIG_SET_FLAG, word, null, 0]
      : [context, FSCONFIG_SET_STRING, word.slice(0, equals), value, 0];
    const allow = TOLERATED.has(word) ? [EINVAL] : [];
    return { call: "fsconfig", args, goal: `${goal} with "${word}"`, allow };
  });
}

/** A new instance of a file system as a detached mount in `result`. */
export function newFilesystem(
  fs: string,
  source: string,
  words: readonly string[],
  attributes: Attributes,
  result: Place,
  goal: string,
): Step[] {
  const context = slot(fs);
  return [
    { call: "fsopen", args: [fs, FSOPEN_CLOEXEC], goal, result: context },
    {
      call: "fsconfig",
      args: [context, FSCONFIG_SET_STRING, "source", source, 0],
      goal,
    },
    ...configSteps(context, words, goal),
    { call: "fsconfig", args: [context, FSCONFIG_CMD_CREATE, null, null, 0], goal },
    { call: "fsmount", args: [context, FSMOUNT_CLOEXEC, attributes.set], goal, result },
  ];
}

function kernelSteps(
  mount: Mount & { kind: "kernel" },
  root: Value,
  { above, made = slot("mount") }: MountPlace,
): Step[] {
  const goal = `mount ${mount.fs} on "${mount.target}"`;
  const at = slot("target");
  const plain = mount.fs === "proc" || mount.fs === "sysfs";
  const { attributes, recursiveAttributes, data, propagation } = mount.options;
  return [
    ...newFilesystem(mount.fs, mount.source, data, attributes, made, goal),
    ...setAttributes(made, recursiveAttributes, false, goal),
    ...(propagation
      ? setAttributes(made, { set: 0, clear: 0 }, false, goal, propagation.flag)
      : []),
    ...(above ? attachBelow(made, above, goal) : [
      ...(plain ? makePlainDirectory : makeDirectory)(root, mount.target, at, goal),
      moveMount(made, at, goal),
    ]),
  ];
}

function againSteps(mount: Mount & { kind: "again" }, root: Value): Step[] {
  const goal = `restrict the mount at "${mount.target}"`;
  const at = slot("target");
  return [
    openInRoot(root, mount.target, O_PATH, at, goal),
    ...setAttributes(at, mount.attributes, false, goal),
  ];
}

/** Makes paths of the container read-only by mounting them over themselves. Absent ones are skipped. */
export function readonlySteps(paths: readonly string[], root: Value): Step[] {
  const at = slot("target"), tree = slot("tree");
  return oneByOne(paths, (path, absent): Step[] => {
    const goal = `make "${path}" read-only`;
    const clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;
    return [
      openInRoot(root, path, O_PATH, at, goal, { onNegative: absent }),
      { call: "open_tree", args: [at, "", clone], goal, result: tree },
      ...setAttributes(tree, { set: MOUNT_ATTR_RDONLY, clear: 0 }, true, goal),
      moveMount(tree, at, goal),
    ];
  });
}

/** The steps of each path; those that are about an absent one go on with the next one's. */
function oneByOne(
  paths: readonly string[],
  one: (path: string, absent: Target) => Step[],
): Step[] {
  const labels = paths.map(() => freshLabel("path"));
  const end = freshLabel("path");
  return [
    ...paths.flatMap((path, i) => {
      const [first, ...rest] = one(path, `@${labels[i + 1] ?? end}`);
      return [{ ...first, label: labels[i] }, ...rest];
    }),
    { ...goTo("next"), label: end },
  ];
}

/**
 * Hides paths of the container: an empty read-only directory over a directory, /dev/null over a
 * file. Absent ones are skipped.
 */
export function maskSteps(paths: readonly string[], root: Value): Step[] {
  if (paths.length === 0) return [];
  const at = slot("target"), tree = slot("tree"), empty = slot("empty"), nothing = slot("null");
  const clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
  const readonly = { set: MOUNT_ATTR_RDONLY, clear: 0 };
  const hide = "hide paths";
  const one = (path: string, absent: Target): Step[] => {
    const goal = `hide "${path}"`;
    const file = freshLabel("file"), cover = freshLabel("cover"), first = freshLabel("first");
    return [
      openInRoot(root, path, O_PATH | O_DIRECTORY, at, goal, { onNegative: `@${file}` }),
      {
        call: "open_tree",
        args: [empty, "", clone],
        goal,
        result: tree,
        onNegative: `@${first}`,
        onPositive: `@${cover}`,
      },
      // Before Linux 6.15 a mount that is nowhere cannot be copied: the first place gets it itself.
      { ...moveMount(empty, at, goal), label: first, onZero: absent },
      openInRoot(root, path, O_PATH, at, goal, { label: file, onNegative: absent }),
      { call: "open_tree", args: [nothing, "", clone], goal, result: tree },
      { ...moveMount(tree, at, goal), label: cover },
    ];
  };
  return [
    ...newFilesystem("tmpfs", "tmpfs", ["mode=755", "size=0"], readonly, empty, hide),
    openInRoot(root, "dev/null", O_PATH, nothing, hide),
    ...oneByOne(paths, one),
  ];
}
