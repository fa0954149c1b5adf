/** `image mount`: the files of an image, read only, without a container. */
import {
  AT_FDCWD,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MNT_DETACH,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import { mountPoints } from "../base/mount_points.ts";
import { type Digest, hexOf } from "./digest.ts";
import { lockBriefly } from "./locks.ts";
import type { ImageRecord, LayerRecord } from "./records.ts";
import { isThere, type Store } from "./store.ts";

/** Where an image is mounted, if it is. */
export function mountPoint(store: Store, id: Digest): string {
  return `${store.root}/mounts/${hexOf(id)}`;
}

/** The ids of all mounted images. Source: /proc/self/mountinfo, field 5. */
export function mountedImages(store: Store): Digest[] {
  const prefix = `${store.root}/mounts/`;
  return mountPoints().filter((target) => target.startsWith(prefix))
    .map((target) => `sha256:${target.slice(prefix.length)}` as Digest);
}

/**
 * The directories laid over one another, topmost first, read only and without a place in the file
 * system: the descriptor is the way in, and the mount goes with it. fsmount(2).
 */
export function detachedOverlay(store: Store, layers: readonly string[], goal: string): Fd {
  for (const layer of layers) checkMarks(layer, goal);
  using fs = new Fd(check(goal, "fsopen", "overlay", FSOPEN_CLOEXEC));
  // overlayfs wants two lower directories; an empty one changes nothing.
  const lowers = layers.length === 1 ? [...layers, emptyDirectory(store)] : layers;
  for (const lower of lowers) {
    check(goal, "fsconfig", fs.raw, FSCONFIG_SET_STRING, "lowerdir+", lower, 0);
  }
  check(goal, "fsconfig", fs.raw, FSCONFIG_CMD_CREATE, null, null, 0);
  return new Fd(check(goal, "fsmount", fs.raw, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY));
}

/** What marks as files say is gone would be there. */
function checkMarks(layer: string, goal: string): void {
  const record = readIfThere(`${layer}/../layer.json`);
  if (record === undefined || !(JSON.parse(record) as LayerRecord).hasMarkFiles) return;
  throw new UserError(
    `Cannot ${goal}: the file system of the store takes no marks of overlayfs for what a layer ` +
      "deletes; start a container of the image and export that, or move the store to ext4, xfs, " +
      "btrfs or tmpfs (DIPLODOCK_ROOT)",
  );
}

/** Mounts an image unless it is mounted already; the directory. */
export function mountImage(store: Store, record: ImageRecord): string {
  const target = mountPoint(store, record.id);
  if (record.chain.length === 0) throw new UserError(`Cannot mount ${record.id}: it has no layers`);
  Deno.mkdirSync(target, { recursive: true, mode: 0o700 });
  using _lock = lockBriefly(store.lock("mounts"));
  if (mountedImages(store).includes(record.id)) return target;
  const goal = `mount image ${record.id}`;
  const lowers = record.chain.toReversed().map((id) => store.layerRoot(id));
  using mount = detachedOverlay(store, lowers, goal);
  check(goal, "move_mount", mount.raw, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
  return target;
}

function emptyDirectory(store: Store): string {
  const path = `${store.root}/mounts/.empty`;
  Deno.mkdirSync(path, { recursive: true, mode: 0o755 });
  return path;
}

/** Unmounts an image; whether it was mounted. */
export function unmountImage(store: Store, id: Digest): boolean {
  const target = mountPoint(store, id);
  if (!isThere(target)) return false;
  using _lock = lockBriefly(store.lock("mounts"));
  const wasMounted = mountedImages(store).includes(id);
  if (wasMounted) check(`unmount image ${id}`, "umount2", target, MNT_DETACH);
  Deno.removeSync(target);
  return wasMounted;
}
