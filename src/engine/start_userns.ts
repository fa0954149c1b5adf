/** A start with a user namespace: what root of the host opens for it beforehand. */
import { type Fd, openAt } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import { ownUserNamespace, parseIdMap } from "../base/own_namespace.ts";
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
import { joinedPid } from "./bundle_facts.ts";
import { readRoot } from "./container_documents.ts";
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
  using undo = new DisposableStack();
  const fd = undo.use(
    donor === undefined
      ? createUserNamespace(plan.uids, plan.gids)
      : openAt(null, `/proc/${joinedPid(donor, "user")}/ns/user`),
  );
  // Nothing maps owners for an ordinary user, nor where a start found that out before.
  if (isRootless() || readRoot(record.Id)?.owners !== undefined) {
    const { ownLayers } = await import("./own_layers.ts");
    await ownLayers(record, { uids: plan.uids, gids: plan.gids });
  }
  const own = undo.move();
  return {
    fd,
    plan,
    open: (spec) => openTrees({ record, spec, plan }, fd, own),
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
}

/** The host's id of root inside. */
function rootOf(mappings: readonly IdMapping[]): number {
  const map = mappings.find(({ containerID }) => containerID === 0);
  if (map !== undefined) return map.hostID;
  throw new UserError("Cannot map ids: root of the container (0) is in no mapping", 125);
}

function openTrees(wanted: Wanted, userNamespace: Fd, own: DisposableStack): OpenedTrees {
  const { record, spec, plan } = wanted;
  const isMapped = readRoot(record.Id)?.owners === undefined;
  const root = own.use(isMapped ? mappedRoot(wanted, userNamespace) : ownedRoot(spec));
  const fds = [userNamespace, root];
  const trees = new Map<number, number>();
  (spec.mounts ?? []).forEach(({ type, source = "", options = [] }, index) => {
    const { bind, recursiveBind, idmap } = parseMountOptions(options);
    if ((!bind && type !== "bind") || source === "") return;
    // What is ours belongs to the container; what is the user's keeps its owners unless asked.
    if (isRootless() && idmap !== "no") {
      throw new UserError(
        `Cannot map the owners of "${source}" as an ordinary user: leave "idmap" out`,
        125,
      );
    }
    const isOurs = isWithin(source, rootDirectory());
    if (!isMapped && isWithin(source, containerDirectory(record.Id))) {
      Deno.chownSync(source, rootOf(plan.uids), rootOf(plan.gids));
    }
    const tree = own.use(
      idmap !== "no" || (isMapped && isOurs)
        ? idmappedTree(source, userNamespace, recursiveBind)
        : plainTree(source, recursiveBind),
    );
    trees.set(index, tree.raw);
    fds.push(tree);
  });
  return { root: { fd: root.raw, at: ROOT_AT }, trees, fds };
}

/** The root with mapped owners. */
function mappedRoot({ record, spec, plan }: Wanted, userNamespace: Fd): Fd {
  const overlay = spec.diplodock?.overlay;
  if (overlay === undefined) return idmappedTree(spec.root!.path, userNamespace);
  return idmappedOverlay({
    overlay,
    directory: containerDirectory(record.Id),
    rootUid: rootOf(plan.uids),
    rootGid: rootOf(plan.gids),
  }, userNamespace);
}

/** The root with the owners that it has on the disk. */
function ownedRoot(spec: Spec): Fd {
  const overlay = spec.diplodock?.overlay;
  return overlay === undefined
    ? plainTree(spec.root!.path, true)
    : shiftedOverlay(overlay, ownUserNamespace() !== undefined);
}
