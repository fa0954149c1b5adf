/**
 * A container's root put together by fuse-overlayfs(1): where the kernel refuses overlayfs. The
 * program ends when its mount does.
 */
import { MNT_DETACH, UMOUNT_NOFOLLOW } from "../../ffi/constants.ts";
import { EINVAL, ENOENT, SyscallError } from "../../ffi/errno.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import { findProgram } from "../base/programs.ts";
import { makeOverlayDirectories, overlayDirectories } from "./foundation.ts";

const targetOf = (id: string) => `${containerDirectory(id)}/root`;

/** Mounts the root of container `id` unless it is mounted. Throws UserError saying why it cannot. */
export function mountFuse(id: string, layers: readonly string[]): void {
  const overlay = overlayDirectories(id, layers), target = targetOf(id);
  if (isMounted(target)) return;
  makeOverlayDirectories(overlay);
  const program = findProgram("fuse-overlayfs");
  if (program === undefined) throw new UserError("fuse-overlayfs is not installed", 125);
  if ([target, ...layers].some((path) => /[\\:,]/.test(path))) {
    throw new UserError("fuse-overlayfs takes no paths with a colon or a comma", 125);
  }
  const { lower, upper, work } = overlay;
  const options = `lowerdir=${lower.join(":")},upperdir=${upper},workdir=${work}`;
  const { code, stderr } = new Deno.Command(program, {
    args: ["-o", options, target],
    stdin: "null",
    stdout: "null",
  }).outputSync();
  if (code === 0 && isMounted(target)) return;
  const why = new TextDecoder().decode(stderr).trim().replaceAll("\n", "; ");
  throw new UserError(`fuse-overlayfs failed: ${why || `exit code ${code}`}`, 125);
}

/** Takes the mount away, if there is one. */
export function unmountFuse(id: string): void {
  const result = sys("umount2", targetOf(id), MNT_DETACH | UMOUNT_NOFOLLOW);
  if (result >= 0 || result === -EINVAL || result === -ENOENT) return;
  throw new SyscallError("umount2", -result, `unmount the root of container ${id.slice(0, 12)}`);
}

function isMounted(target: string): boolean {
  const table = readIfThere("/proc/self/mountinfo") ?? "";
  return table.split("\n").some((line) => line.split(" ")[4] === target);
}
