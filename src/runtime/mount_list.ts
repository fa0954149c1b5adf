/**
 * The mounts of a container in their order. Most of them lie on a tmpfs that one before them
 * brought: they are made and attached by the descriptor of that tmpfs, in two steps, where a
 * target anywhere in the root takes a walk of ten. Fewer steps are a faster start.
 */
import { MOUNT_ATTR_RDONLY } from "../../ffi/constants.ts";
import { type Place, slot, type Step, type Value } from "../../ffi/program.ts";
import { type Mount, mountSteps } from "./mounts.ts";
import { inside } from "./paths.ts";

/** What is known of the targets so far, as paths inside the root without links in them. */
interface Known {
  /** A tmpfs of this list that nothing but this list has written to. */
  readonly fresh: Map<string, Place>;
  /** Mounts of proc and sysfs: the kernel's own directories, no image's links. */
  readonly plain: Set<string>;
}

/** All of `mounts`, inside the root that `root` holds. */
export function mountListSteps(mounts: readonly Mount[], root: Value): Step[] {
  const known: Known = { fresh: new Map(), plain: new Set() };
  return mounts.flatMap((mount) => {
    const target = inside(mount.target);
    const slash = target.lastIndexOf("/");
    const above = mount.kind === "again" || mount.kind === "bind" && !mount.directory || slash < 0
      ? undefined
      : known.fresh.get(target.slice(0, slash));
    // A target behind a link may be anywhere, over what was known as well.
    if (above === undefined && !isPlain(mount, target, known)) known.fresh.clear();
    cover(known, mount, target);
    const made = isTmpfs(mount) ? slot("mount") : undefined;
    if (made !== undefined) known.fresh.set(target, made);
    return mountSteps(mount, root, {
      above: above && { directory: above, name: target.slice(slash + 1) },
      made,
    });
  });
}

function isTmpfs(mount: Mount): boolean {
  if (mount.kind !== "kernel" || mount.fs !== "tmpfs") return false;
  const { attributes, recursiveAttributes, copyUp } = mount.options;
  return !copyUp && ((attributes.set | recursiveAttributes.set) & MOUNT_ATTR_RDONLY) === 0;
}

/** Whether no link of the image can have a say in where `target` is. */
function isPlain(mount: Mount, target: string, { plain }: Known): boolean {
  if (mount.kind === "kernel" && (mount.fs === "proc" || mount.fs === "sysfs")) return true;
  return !target.split("/").includes("..") &&
    [...plain].some((path) => target.startsWith(`${path}/`));
}

/** What lies at or below `target` is covered, or no longer to be written to. */
function cover({ fresh, plain }: Known, mount: Mount, target: string): void {
  if (mount.kind === "again") {
    if ((mount.attributes.set & MOUNT_ATTR_RDONLY) !== 0) fresh.delete(target);
    return;
  }
  for (const known of [fresh, plain]) {
    for (const path of known.keys()) {
      if (path === target || path.startsWith(`${target}/`)) known.delete(path);
    }
  }
  if (mount.kind === "kernel" && (mount.fs === "proc" || mount.fs === "sysfs")) plain.add(target);
}
