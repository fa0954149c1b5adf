/**
 * A container's root put together by fuse-overlayfs(1): where the kernel refuses overlayfs. The
 * program ends when its mount does.
 */
import { readSaid, startInBackground } from "../../ffi/background.ts";
import { MNT_DETACH, UMOUNT_NOFOLLOW, WALL } from "../../ffi/constants.ts";
import { EINVAL, ENOENT, SyscallError } from "../../ffi/errno.ts";
import { pipe } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { mountPoints } from "../base/mount_points.ts";
import { containerDirectory } from "../base/places.ts";
import { findProgram } from "../base/programs.ts";
import { openMachineRoot } from "./fuse_host.ts";
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
  using undo = new DisposableStack();
  const inherited: number[] = [];
  const lower = overlay.lower.map((layer) => {
    if (layer !== "/") return layer;
    const { root, namespace } = undo.use(openMachineRoot(target));
    inherited.push(root.raw, namespace.raw);
    return `/proc/self/fd/${root.raw}`;
  });
  const { upper, work } = overlay;
  const options = `lowerdir=${lower.join(":")},upperdir=${upper},workdir=${work}`;
  const { code, said } = runProgram([program, "-o", options, target], inherited);
  if (code === 0 && isMounted(target)) return;
  throw new UserError(`fuse-overlayfs failed: ${said || `exit code ${code}`}`, 125);
}

/** Runs a program that goes on in the background when it is ready. */
function runProgram(
  argv: readonly string[],
  inherited: readonly number[],
): { code: number; said: string } {
  const says = pipe();
  using out = says.read;
  let pid: number;
  try {
    pid = startInBackground(argv, inherited, says.write);
  } finally {
    says.write[Symbol.dispose]();
  }
  const said = readSaid(out), status = new Uint8Array(8);
  check(`wait for ${argv[0]}`, "wait4", pid, status, WALL, 0);
  return { code: status[1], said };
}

/** Takes the mount away, if there is one. */
export function unmountFuse(id: string): void {
  const result = sys("umount2", targetOf(id), MNT_DETACH | UMOUNT_NOFOLLOW);
  if (result >= 0 || result === -EINVAL || result === -ENOENT) return;
  throw new SyscallError("umount2", -result, `unmount the root of container ${id.slice(0, 12)}`);
}

function isMounted(target: string): boolean {
  return mountPoints().includes(target);
}
