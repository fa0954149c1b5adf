/**
 * What stands in for what this machine refuses a start: fuse-overlayfs or a copy of the layers for
 * overlayfs, changed owners on the disk for idmapped mounts. A container keeps what it once got.
 */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { openAt } from "../../ffi/fd.ts";
import { slot } from "../../ffi/program.ts";
import { reap, spawn } from "../../ffi/spawn.ts";
import { UserError } from "../base/errors.ts";
import { makeDirectories, removeIfThere } from "../base/files.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { containerDirectory, isRootless } from "../base/places.ts";
import { newFilesystem } from "../runtime/mounts.ts";
import type { OverlayRoot } from "../runtime/spec_types.ts";
import { idmappedOverlay } from "../runtime/userns_trees.ts";
import { writeRoot } from "./container_documents.ts";
import { copiedRoot, hasOwnRoot, overlayDirectories, rootDocument } from "./foundation.ts";
import { mountFuse } from "./fuse_root.ts";
import { ownLayers } from "./own_layers.ts";
import { sayOnce } from "./say_once.ts";
import type { StartUserNamespace } from "./start_userns.ts";
import type { ContainerRecord } from "./types.ts";
import { copyLayers } from "./volume_fill.ts";

/** The calls by which a root is put together. */
const CALLS: ReadonlySet<string> = new Set(["fsopen", "fsconfig", "fsmount", "mount_setattr"]);

/**
 * Looks why the launch of a container failed with `error`; whether something was prepared with
 * which it may do. A trial tells a machine that cannot from a container that is broken.
 */
export async function standIn(
  record: ContainerRecord,
  error: SyscallError,
  userns: StartUserNamespace | undefined,
): Promise<boolean> {
  if (!CALLS.has(error.call) || hasOwnRoot(record)) return false;
  const root = rootDocument(record.Id);
  if (userns !== undefined && root.owners === undefined && !isRootless()) {
    const why = refusalOf(record.Id, (overlay, directory) => {
      const roots = { rootUid: userns.plan.uids[0].hostID, rootGid: userns.plan.gids[0].hostID };
      idmappedOverlay({ overlay, directory, ...roots }, userns.fd)[Symbol.dispose]();
    });
    if (why === undefined) return false;
    await ownLayers(record, { uids: userns.plan.uids, gids: userns.plan.gids });
    sayOnce(
      "own-layers",
      `nothing maps the owners of files here (${why}): each range of ids gets a copy of the ` +
        "image's layers, and a volume's files the owners of the container that uses them",
    );
    return true;
  }
  const why = root.storage === undefined ? refusalOf(record.Id, tryOverlay) : undefined;
  if (why === undefined) return false;
  replaceOverlay(record, why);
  return true;
}

/**
 * The same before the first start of a container of the machine's own root for an ordinary user:
 * what is put together for an overlay there would be in the way of anything else. Whether
 * something stands in.
 */
export function standInBefore(record: ContainerRecord): boolean {
  const why = refusalOf(record.Id, tryOverlay);
  if (why !== undefined) replaceOverlay(record, why);
  return why !== undefined;
}

/** fuse-overlayfs where it is installed and works, else a copy. */
function replaceOverlay(record: ContainerRecord, why: string): void {
  const root = rootDocument(record.Id), layers = root.shifted ?? root.layers;
  try {
    mountFuse(record.Id, layers);
    writeRoot(record.Id, { ...root, storage: "fuse" });
    sayOnce("fuse", `this machine refuses overlayfs (${why}): fuse-overlayfs stands in for it`);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (layers.includes("/")) throw tooLarge(why, error.message);
    copy(record.Id, layers);
    writeRoot(record.Id, { ...root, storage: "copy" });
    sayOnce(
      "copy",
      `this machine refuses overlayfs (${why}), and ${error.message}: each container gets a copy ` +
        "of its image's files",
    );
  }
}

/** A copy of all that the machine has is nothing to be made without being asked for. */
function tooLarge(why: string, noFuse: string): UserError {
  return new UserError(
    `Cannot run the machine's own root: this machine refuses overlayfs (${why}), ${noFuse}, and ` +
      '"/" is too large to be copied; install fuse-overlayfs, set DIPLODOCK_ROOT to a directory ' +
      "on ext4, xfs, btrfs or tmpfs, or use an image",
    125,
  );
}

/** Copies the layers and what the container has written; made aside, so that it is whole or not there. */
function copy(id: string, layers: readonly string[]): void {
  const aside = `${containerDirectory(id)}/copying`;
  removeIfThere(aside, true);
  removeIfThere(copiedRoot(id), true);
  makeDirectories(aside, 0o755);
  const { upper } = overlayDirectories(id, layers);
  using target = openAt(null, aside, O_RDONLY | O_DIRECTORY);
  copyLayers([upper, ...layers], target);
  Deno.renameSync(aside, copiedRoot(id));
}

/** Mounts an overlay as a start does, and gives it up. */
function tryOverlay({ lower, upper, work }: OverlayRoot): void {
  const options = [`lowerdir=${lower[0]}`, `upperdir=${upper}`, `workdir=${work}`];
  if (ownUserNamespace() !== undefined) options.push("userxattr");
  const none = { set: 0, clear: 0 };
  reap(spawn(newFilesystem("overlay", "overlay", options, none, slot("trial"), "try an overlay")));
}

/** How the machine refuses what `attempt` does in a directory on the container's file system. */
function refusalOf(
  id: string,
  attempt: (overlay: OverlayRoot, directory: string) => void,
): string | undefined {
  const directory = `${containerDirectory(id)}/trial`;
  removeIfThere(directory, true);
  for (const name of ["lower", "upper", "work"]) makeDirectories(`${directory}/${name}`, 0o755);
  const overlay = {
    lower: [`${directory}/lower`],
    upper: `${directory}/upper`,
    work: `${directory}/work`,
  };
  try {
    attempt(overlay, directory);
    return undefined;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return error.message.replace(/^Cannot .*?: (?=[a-z_0-9]+: E)/, "").replace(/ \(.*\)$/, "");
  } finally {
    removeIfThere(directory, true);
  }
}
