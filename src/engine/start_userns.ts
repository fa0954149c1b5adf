/** A start with a user namespace: what root of the host opens for it beforehand. */
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../../ffi/constants.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { parseIdMap } from "../base/own_namespace.ts";
import { isWithin } from "../base/paths.ts";
import { containerDirectory, isRootless, rootDirectory } from "../base/places.ts";
import { parseMountOptions } from "../runtime/mount_options.ts";
import type { IdMapping, Spec } from "../runtime/spec_types.ts";
import {
  createUserNamespace,
  idmappedOverlay,
  idmappedTree,
  plainTree,
  shiftedOverlay,
} from "../runtime/userns_trees.ts";
import { CONTAINER_MARK, joinedPid } from "./bundle_facts.ts";
import { readRecord, resolveContainer } from "./containers.ts";
import { asksUserNamespace, joinedContainer } from "./modes.ts";
import type { ContainerRecord } from "./types.ts";
import { planUserNamespace, type UserNamespacePlan } from "./userns.ts";

/**
 * Where the root is attached while it is built. Any directory that everybody may reach does: the
 * container's own lies below directories that are closed to its ids.
 */
const ROOT_AT = "/proc";

/** The user namespace of a start. Disposing closes what is open for it. */
export interface StartUserNamespace extends Disposable {
  readonly fd: Fd;
  readonly plan: UserNamespacePlan;
  /** Opens the root and all binds of the bundle with the owners the container shall see. */
  open(spec: Spec): OpenedTrees;
}

/** Descriptors that the first process gets. */
export interface OpenedTrees {
  readonly root: { readonly fd: number; readonly at: string };
  /** Binds by their index in the bundle. */
  readonly trees: ReadonlyMap<number, number>;
  readonly fds: readonly Fd[];
}

/** Makes the user namespace that the container was made with; undefined when it has the host's. */
export async function openUserNamespace(
  record: ContainerRecord,
): Promise<StartUserNamespace | undefined> {
  const donor = joinedContainer(record.HostConfig.UsernsMode);
  if (donor !== undefined && !asksUserNamespace(readRecord(resolveContainer(donor)).HostConfig)) {
    return undefined; // it has ours
  }
  const plan = donor === undefined
    ? planUserNamespace(record.Id, record.HostConfig)
    : mapsOf(joinedPid(donor, "user"));
  if (plan === undefined) return undefined;
  const own = new DisposableStack();
  const fd = own.use(
    donor === undefined
      ? createUserNamespace(plan.uids, plan.gids)
      : openAt(null, `/proc/${joinedPid(donor, "user")}/ns/user`),
  );
  const lower = isRootless() ? await layersFor(record, plan) : undefined;
  return {
    fd,
    plan,
    open: (spec) => openTrees({ record, spec, plan, lower }, fd, own),
    [Symbol.dispose]: () => own.dispose(),
  };
}

/** The maps of another container's user namespace. */
function mapsOf(pid: number): UserNamespacePlan {
  const read = (file: string): IdMapping[] =>
    parseIdMap(Deno.readTextFileSync(`/proc/${pid}/${file}`))
      .map(({ inside, outside, count }) => ({
        containerID: inside,
        hostID: outside,
        size: count,
      }));
  return { uids: read("uid_map"), gids: read("gid_map") };
}

/** What decides which trees are opened. */
interface Wanted {
  readonly record: ContainerRecord;
  readonly spec: Spec;
  readonly plan: UserNamespacePlan;
  /** An ordinary user's layers with the container's owners: nothing is mapped for him. */
  readonly lower?: readonly string[];
}

/** The layers with the owners that the container's ids are in our namespace. */
async function layersFor(record: ContainerRecord, plan: UserNamespacePlan): Promise<string[]> {
  if (record.Image === "") {
    throw new UserError(
      `Cannot use --userns=${record.HostConfig.UsernsMode} as an ordinary user with ` +
        "the machine's own root or a directory: the kernel maps no owners for you; use an image",
      125,
    );
  }
  const { shiftedLayers } = await import("../image/shifted_layers.ts");
  const find = (map: readonly IdMapping[]) => (id: number) => {
    const range = map.find(({ containerID, size }) => containerID <= id && id < containerID + size);
    return range === undefined ? 0 : range.hostID + id - range.containerID;
  };
  const key = [plan.uids, plan.gids].map((map) =>
    map.map(({ containerID, hostID, size }) => `${containerID}.${hostID}.${size}`).join("+")
  ).join("-");
  return await shiftedLayers(rootDirectory(), record.Image, key, {
    uid: find(plan.uids),
    gid: find(plan.gids),
  });
}

/** The host's id of root inside. */
function rootOf(mappings: readonly IdMapping[]): number {
  const map = mappings.find(({ containerID }) => containerID === 0);
  if (map !== undefined) return map.hostID;
  throw new UserError("Cannot map ids: root of the container (0) is in no mapping", 125);
}

/** The upper directory, and the mark in it as long as it is there, become root's of the inside. */
function giveToRoot(upper: string, { uids, gids }: UserNamespacePlan): void {
  const [uid, gid] = [rootOf(uids), rootOf(gids)];
  Deno.chownSync(upper, uid, gid);
  // Not through what the container may have put there: a link of its own leads to the host's.
  sys("fchownat", AT_FDCWD, `${upper}/${CONTAINER_MARK}`, uid, gid, AT_SYMLINK_NOFOLLOW);
}

function openTrees(
  { record, spec, plan, lower }: Wanted,
  userNamespace: Fd,
  own: DisposableStack,
): OpenedTrees {
  const overlay = spec.diplodock?.overlay;
  if (lower !== undefined) giveToRoot(overlay!.upper, plan);
  const root = own.use(
    lower !== undefined
      ? shiftedOverlay({ ...overlay!, lower: [...lower] })
      : overlay
      ? idmappedOverlay({
        overlay,
        directory: containerDirectory(record.Id),
        rootUid: rootOf(plan.uids),
        rootGid: rootOf(plan.gids),
      }, userNamespace)
      : idmappedTree(spec.root!.path, userNamespace),
  );
  const fds = [userNamespace, root];
  const trees = new Map<number, number>();
  (spec.mounts ?? []).forEach(({ type, source = "", options = [] }, index) => {
    const { bind, recursiveBind, idmap } = parseMountOptions(options);
    if ((!bind && type !== "bind") || source === "") return;
    // What is ours belongs to the container; what is the user's keeps its owners unless asked.
    if (lower !== undefined && idmap !== "no") {
      throw new UserError(
        `Cannot map the owners of "${source}" as an ordinary user: leave "idmap" out`,
        125,
      );
    }
    const mapped = lower === undefined && (idmap !== "no" || isWithin(source, rootDirectory()));
    const tree = own.use(
      mapped
        ? idmappedTree(source, userNamespace, recursiveBind)
        : plainTree(source, recursiveBind),
    );
    trees.set(index, tree.raw);
    fds.push(tree);
  });
  return { root: { fd: root.raw, at: ROOT_AT }, trees, fds };
}
