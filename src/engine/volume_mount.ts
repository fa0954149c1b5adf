/**
 * Volumes whose content is a file system of their own (`-o type=tmpfs|nfs|none,…`): mounted on
 * their data directory when the first container needs it, unmounted when none does any more.
 */
import { MNT_DETACH, MS_BIND, MS_REC, MS_REMOUNT, UMOUNT_NOFOLLOW } from "../../ffi/constants.ts";
import { EINVAL, ENOENT, errnoText, SyscallError } from "../../ffi/errno.ts";
import { lockFile } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { mountPoints, parseMounts } from "../base/mount_points.ts";
import { containerDirectory } from "../base/places.ts";
import { listRecords } from "./containers.ts";
import { stateOf } from "./state.ts";
import { parseVolumeOptions } from "./volume_options.ts";
import { findVolume, hasMount, noSuchVolume, volumeData, volumeDirectory } from "./volumes.ts";

/** Whether something is mounted on `path`, by the mount table of this process. */
function isMounted(path: string): boolean {
  return mountPoints().includes(path);
}

/**
 * Mounts the volume `name` unless it is mounted or needs no mount. To be called with a start;
 * disposing unmounts it again if no container uses it. Throws UserError with docker's text.
 */
export function mountVolume(name: string): Disposable {
  const record = findVolume(name);
  if (record === undefined) throw new UserError(noSuchVolume(name));
  if (!hasMount(record)) return { [Symbol.dispose]: () => {} };
  using _lock = lockFile(`${volumeDirectory(name)}/mount-lock`);
  const data = volumeData(name);
  if (!isMounted(data)) {
    const { type, o = "", device = "" } = record.Options!;
    const { flags, data: text } = parseVolumeOptions(o);
    const isBind = (flags & MS_BIND) !== 0;
    const failed = sys(
      "mount",
      device,
      data,
      isBind ? null : type,
      flags,
      text === "" ? null : text,
    );
    const result = failed < 0 || !isBind ? failed : restrictBind(data, flags);
    if (result < 0) throw mountFailure(device, data, { flags, text }, result);
  }
  return { [Symbol.dispose]: () => unmountVolume(name) };
}

/**
 * The first call of a bind ignores all flags but MS_REC: they are set by another one, which has to
 * name what the mount has already. In a user namespace that must not go. 0, or the negative error
 * number; then nothing is mounted. mount(2), mount_namespaces(7).
 */
function restrictBind(data: string, flags: number): number {
  if ((flags & ~(MS_BIND | MS_REC)) === 0) return 0;
  const { attributes = [] } = parseMounts().findLast(({ target }) => target === data) ?? {};
  const has = parseVolumeOptions(attributes.join(",")).flags;
  const result = sys("mount", null, data, null, has | flags | MS_REMOUNT, null);
  if (result < 0) detachAll(data);
  return result;
}

/** As docker's library for mounts puts it. */
function mountFailure(
  device: string,
  data: string,
  { flags, text }: { flags: number; text: string },
  result: number,
): UserError {
  const source = device === "" ? "" : `${device}:`;
  const how = flags === 0 ? "" : `, flags: 0x${flags.toString(16)}`;
  const what = text === "" ? "" : `, data: ${text}`;
  return new UserError(
    `error while mounting volume '${data}': failed to mount local volume: ` +
      `mount ${source}${data}${how}${what}: ${errnoText(-result)}`,
  );
}

/**
 * Unmounts the volume `name` if no container uses it. To be called when a container ended;
 * `except` is one that no longer counts, whose lock the caller may hold.
 */
export function unmountVolume(name: string, except?: string): void {
  const record = findVolume(name);
  if (record === undefined || !hasMount(record)) return;
  using _lock = lockFile(`${volumeDirectory(name)}/mount-lock`);
  const isUsed = listRecords().some(({ Id, Mounts }) =>
    Id !== except && Mounts.some(({ Type, Name }) => Type === "volume" && Name === name) &&
    mayRun(Id)
  );
  if (!isUsed) detachAll(volumeData(name));
}

/** Mounts the volumes `names` for a start; `takeBack` gets what undoes it. */
export function mountForStart(
  id: string,
  names: readonly string[],
  takeBack: (back: () => void) => void,
): void {
  for (const name of names) {
    mountVolume(name);
    takeBack(() => unmountVolume(name, id));
  }
}

/** Whether a container runs, or somebody is at it: then it may be about to run. */
export function mayRun(id: string): boolean {
  if (stateOf(id).kind === "running") return true;
  try {
    using lock = lockFile(`${containerDirectory(id)}/lock`, false);
    return lock === undefined;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOENT) return false; // removed meanwhile
    throw error;
  }
}

/** Unmounts all that is mounted on `path`; who has files open there keeps them. umount2(2). */
export function detachAll(path: string): void {
  for (;;) {
    const result = sys("umount2", path, MNT_DETACH | UMOUNT_NOFOLLOW);
    if (result === -EINVAL || result === -ENOENT) return; // nothing is mounted there
    if (result < 0) throw new SyscallError("umount2", -result, `unmount "${path}"`);
  }
}
