/** The bundle of a start, and all of the container's root that has to be there before it. */
import { readIfThere } from "../base/files.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import type { Spec } from "../runtime/spec_types.ts";
import { readRoot, writeConfig } from "./container_documents.ts";
import {
  type Foundation,
  hasOwnRoot,
  makeOverlayDirectories,
  readFoundation,
  rootOf,
} from "./foundation.ts";
import type { HostRoot } from "./host_layer.ts";
import { specOf } from "./start_plan.ts";
import { readStartNote, writeStartNote } from "./state.ts";
import type { ContainerRecord } from "./types.ts";
import type { UserNamespacePlan } from "./userns.ts";
import { volumeOwnersPath } from "./volumes.ts";

/** Makes what the container's root is put together from, and writes the bundle; returns it. */
export async function bundleOf(
  record: ContainerRecord,
  netns: string | undefined,
  userns: UserNamespacePlan | undefined,
): Promise<Spec> {
  const foundation = await foundationOf(record);
  const { overlay } = rootOf(record, foundation);
  if (overlay !== undefined) makeOverlayDirectories(overlay);
  if (foundation.storage === "fuse") await enterFuse(record.Id, foundation.layers);
  await settleVolumes(record);
  const spec = await withHostLayer(
    record,
    foundation,
    await specOf(record, foundation, netns, userns),
  );
  writeConfig(record.Id, spec);
  return spec;
}

/** What the container stands on; for an ordinary user's view of "/" it is found out here. */
async function foundationOf(record: ContainerRecord): Promise<Foundation> {
  const foundation = readFoundation(record.Id);
  const isNew = foundation.layers[0] === "/" && foundation.storage === undefined &&
    ownUserNamespace() !== undefined && readRoot(record.Id)?.pieces === undefined;
  if (!isNew || hasOwnRoot(record)) return foundation;
  const { standInBefore } = await import("./stand_in.ts");
  return standInBefore(record) ? readFoundation(record.Id) : foundation;
}

/** In a user namespace the machine's own root cannot be one layer of an overlay. */
async function withHostLayer(
  record: ContainerRecord,
  { layers, storage }: Foundation,
  spec: Spec,
): Promise<Spec> {
  if (layers[0] !== "/" || ownUserNamespace() === undefined || hasOwnRoot(record)) return spec;
  const { hostRoot, readonlyBind } = await import("./host_layer.ts");
  const overlay = spec.diplodock?.overlay;
  const host: Partial<HostRoot> & Pick<HostRoot, "mounts"> =
    storage === "fuse" || overlay === undefined
      ? { mounts: (await import("./fuse_host.ts")).machineAliases().map(readonlyBind) }
      : hostRoot(record.Id, overlay);
  return {
    ...spec,
    mounts: [...host.mounts, ...spec.mounts ?? []],
    diplodock: {
      ...spec.diplodock,
      ...(host.overlay && { overlay: host.overlay }),
      rootMounts: host.mounts.length,
    },
  };
}

/** A root that a process puts together is there before it is looked at; noted for who cleans up. */
async function enterFuse(id: string, layers: readonly string[]): Promise<void> {
  const { mountFuse } = await import("./fuse_root.ts");
  writeStartNote(id, { ...readStartNote(id)!, fuse: true });
  mountFuse(id, layers);
}

/** Takes away what enterFuse() mounted. */
export async function leaveRoot(id: string): Promise<void> {
  if (readStartNote(id)?.fuse !== true) return;
  const { unmountFuse } = await import("./fuse_root.ts");
  unmountFuse(id);
}

/** Volumes whose files have had the owners of one container get those of this one. */
async function settleVolumes(record: ContainerRecord): Promise<void> {
  const owners = readRoot(record.Id)?.owners?.[0];
  const isOther = ({ Type, Name }: ContainerRecord["Mounts"][number]) =>
    Type === "volume" && Name !== undefined &&
    (owners !== undefined || readIfThere(volumeOwnersPath(Name)) !== undefined);
  if (!record.Mounts.some(isOther)) return;
  const { giveVolumes } = await import("./volume_owners.ts");
  giveVolumes(record, owners);
}
