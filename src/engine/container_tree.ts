/**
 * A container's files seen from the host, without trusting them. One descriptor of its root is
 * opened; every path is then resolved below it with RESOLVE_IN_ROOT, so that neither links nor
 * renames by the container lead outside.
 */
import {
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWNS,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  PR_SET_SECUREBITS,
  SECBIT_NO_SETUID_FIXUP,
} from "../../ffi/constants.ts";
import { Fd, openAt } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { slot, type Step } from "../../ffi/program.ts";
import { openedBy, reap, spawn } from "../../ffi/spawn.ts";
import { UserError } from "../base/errors.ts";
import { readIfThere, statIfThere } from "../base/files.ts";
import {
  type MappedRange,
  type OwnIds,
  ownUserNamespace,
  parseIdMap,
} from "../base/own_namespace.ts";
import { parseMountOptions } from "../runtime/mount_options.ts";
import { type Mount, mountSteps, setAttributes } from "../runtime/mounts.ts";
import { tryAgain } from "../runtime/paths.ts";
import { kernelAtLeast } from "../runtime/plan.ts";
import { rootSteps } from "../runtime/root.ts";
import type { SpecMount } from "../runtime/spec_types.ts";
import { readPlannedMounts, readRoot } from "./container_documents.ts";
import { makeOverlayDirectories, readFoundation, rootOf } from "./foundation.ts";
import { mountFuse, unmountFuse } from "./fuse_root.ts";
import { hostRoot } from "./host_layer.ts";
import { openRunningHost } from "./host_view.ts";
import { lockContainer } from "./containers.ts";
import { outsideId } from "./copy_sinks.ts";
import { locateMounts } from "./locate_mounts.ts";
import { isAlive, stateOf } from "./state.ts";
import type { ContainerRecord } from "./types.ts";
import { rangesOf } from "./userns.ts";
import { mountVolume, unmountVolume } from "./volume_mount.ts";
import { findVolume } from "./volumes.ts";

/** The root of a container, with its mounts. Disposing gives up the view. */
export interface ContainerTree extends Disposable {
  readonly root: Fd;
  /** Where the owners of files are shown as this machine's ids: how they map. */
  readonly ids?: OwnIds;
}

/** Two containers' trees, or one tree for both. */
export interface ContainerTrees extends Disposable {
  readonly from: ContainerTree;
  readonly to: ContainerTree;
}

/** Opens both trees; always in the same order, so that two who do it never wait for each other. */
export function openContainerTrees(from: ContainerRecord, to: ContainerRecord): ContainerTrees {
  using undo = new DisposableStack();
  const trees = new Map<string, ContainerTree>();
  for (const record of [from, to].sort((a, b) => a.Id < b.Id ? -1 : 1)) {
    if (!trees.has(record.Id)) trees.set(record.Id, undo.use(openContainerTree(record)));
  }
  const held = undo.move();
  return {
    from: trees.get(from.Id)!,
    to: trees.get(to.Id)!,
    [Symbol.dispose]: () => held.dispose(),
  };
}

/**
 * Opens the root of a container. Running: its own view, by /proc. Stopped: its layers and volumes
 * mounted in a mount namespace that nobody is in and only our descriptor keeps; the container's
 * lock is held meanwhile, because two mounts of one upper directory would spoil it.
 */
export function openContainerTree(record: ContainerRecord): ContainerTree {
  using undo = new DisposableStack();
  const lock = undo.use(lockContainer(record.Id));
  const state = stateOf(record.Id);
  if (state.kind === "running") {
    const { pid, startTime } = state.run;
    const root = undo.use(openAt(null, `/proc/${pid}/root`, O_PATH | O_DIRECTORY));
    if (!isAlive(pid, startTime)) {
      throw new UserError(`container ${record.Id} is not running`); // the number was reused
    }
    const ids = idMapsOf(pid);
    undo.move();
    lock[Symbol.dispose](); // it may be stopped meanwhile; the descriptor stays good
    return { root, ...(ids && { ids }), [Symbol.dispose]: () => root[Symbol.dispose]() };
  }
  mountVolumes(record, undo);
  const { root, namespace } = mountStopped(record, undo);
  undo.use(namespace);
  undo.use(root);
  const ids = ownersOf(record.Id);
  const held = undo.move();
  return { root, ...(ids && { ids }), [Symbol.dispose]: () => held.dispose() };
}

/** How the owners of a stopped container's files map, where they differ on the disk. */
function ownersOf(id: string): OwnIds | undefined {
  const [owners] = readRoot(id)?.owners ?? [];
  return owners && { uids: rangesOf(owners.uids), gids: rangesOf(owners.gids) };
}

/** How the owners of a process's files map; undefined where they need no map. */
function idMapsOf(pid: number): OwnIds | undefined {
  const namespaceOf = (who: number | "self") => Deno.readLinkSync(`/proc/${who}/ns/user`);
  if (namespaceOf(pid) === namespaceOf("self")) return undefined;
  const read = (file: string) => parseIdMap(readIfThere(`/proc/${pid}/${file}`) ?? "");
  const uids = read("uid_map"), gids = read("gid_map");
  const isPlain = (ranges: readonly MappedRange[]) =>
    ranges.every(({ inside, outside }) => inside === outside);
  return isPlain(uids) && isPlain(gids) ? undefined : { uids, gids };
}

/**
 * Until disposed, files are made as root of the container: an id without a place in its user
 * namespace may not make any there. All capabilities stay (securebits). setfsuid(2), which
 * changes this thread alone.
 */
export function actAsRootOf({ ids }: ContainerTree): Disposable {
  const uid = ids && outsideId(ids.uids, 0), gid = ids && outsideId(ids.gids, 0);
  if (Deno.uid() !== 0 || uid === undefined || gid === undefined) return { [Symbol.dispose]() {} };
  check("keep capabilities", "prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
  sys("setfsgid", gid);
  sys("setfsuid", uid);
  return {
    [Symbol.dispose]() {
      sys("setfsuid", 0);
      sys("setfsgid", 0);
    },
  };
}

/** Mounts those volumes that are file systems of their own, until `undo` is disposed. */
function mountVolumes(record: ContainerRecord, undo: DisposableStack): void {
  for (const { Type, Name } of record.Mounts) {
    if (Type !== "volume" || Name === undefined || findVolume(Name) === undefined) continue;
    mountVolume(Name);
    undo.defer(() => unmountVolume(Name, record.Id));
  }
}

/** Mounts a stopped container's files; the namespace's descriptor keeps the mounts. */
function mountStopped(
  record: ContainerRecord,
  undo: DisposableStack,
  volumes = true,
): { root: Fd; namespace: Fd } {
  const foundation = readFoundation(record.Id);
  const { path: directory, overlay: planned } = rootOf(record, foundation);
  if (planned !== undefined) makeOverlayDirectories(planned);
  // For an ordinary user the machine's own root is put together from several mounts.
  const host = planned?.lower[0] === "/" && ownUserNamespace() !== undefined
    ? hostRoot(record.Id, planned)
    : undefined;
  const overlay = host?.overlay ?? planned;
  if (foundation.storage === "fuse") {
    undo.defer(() => unmountFuse(record.Id));
    mountFuse(record.Id, foundation.layers);
  }
  const root = slot("root", -1), namespace = slot("mount namespace", -1);
  const steps: Step[] = [
    { call: "unshare", args: [CLONE_NEWNS], goal: "make a mount namespace" },
    ...rootSteps({
      directory,
      ...(overlay !== undefined && { overlay }),
      propagation: { inherited: MS_PRIVATE, root: 0 },
      userxattr: ownUserNamespace() !== undefined,
      layersOneByOne: kernelAtLeast(6, 5),
    }, root),
    ...(host?.mounts.map(hostMount) ?? []).flatMap((mount) => mountSteps(mount, root)),
    ...(volumes ? volumeMounts(record) : []).flatMap((mount) => mountSteps(mount, root)),
    ...(record.HostConfig.ReadonlyRootfs
      ? setAttributes(root, { set: MOUNT_ATTR_RDONLY, clear: 0 }, false, "make the root read-only")
      : []),
    {
      call: "openat",
      args: [AT_FDCWD, "/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC, 0],
      goal: "keep the mount namespace",
      result: namespace,
    },
  ];
  const child = tryAgain(() => spawn(steps, { flags: CLONE_FILES }));
  const opened = { root: openedBy(child, root), namespace: openedBy(child, namespace) };
  reap(child);
  return opened;
}

/**
 * The files of a container of the machine's own root for an ordinary user, without what is mounted
 * into it. Running: its mounts without these; stopped: put together anew, its lock held meanwhile.
 */
export function openHostRoot(record: ContainerRecord): ContainerTree {
  using undo = new DisposableStack();
  const lock = undo.use(lockContainer(record.Id));
  const state = stateOf(record.Id);
  const { root, namespace } = state.kind === "running"
    ? openRunningHost(record.Id, state.run)
    : mountStopped(record, undo, false);
  undo.use(namespace);
  undo.use(root);
  if (state.kind === "running") lock[Symbol.dispose]();
  const held = undo.move();
  return { root, [Symbol.dispose]: () => held.dispose() };
}

/** A part of the machine's own root as a mount. */
function hostMount({ type, source = "", destination, options = [] }: SpecMount): Mount {
  const parsed = parseMountOptions(options);
  return type === "bind"
    ? {
      kind: "bind",
      source,
      target: destination,
      directory: statIfThere(source)?.isDirectory !== false,
      options: parsed,
    }
    : { kind: "kernel", fs: type!, source, target: destination, options: parsed };
}

/** Volumes and binds; what is gone on the host cannot be shown. */
function volumeMounts(record: ContainerRecord): Mount[] {
  return locateMounts(readPlannedMounts(record.Id)).flatMap((mount): Mount[] => {
    if (mount.type !== "bind" && mount.type !== "volume") return [];
    const source = mount.subpath === "" ? mount.hostPath : `${mount.hostPath}/${mount.subpath}`;
    const directory = statIfThere(source)?.isDirectory;
    if (directory === undefined) return [];
    const words = [mount.recursive ? "rbind" : "bind", mount.readonly ? "rro" : "rw"];
    return [{
      kind: "bind",
      source,
      target: mount.target,
      directory,
      options: parseMountOptions(words),
    }];
  });
}
