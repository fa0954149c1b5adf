/** What a container stands on: its layers, and how they become its root. */
import { UserError } from "../base/errors.ts";
import { containerDirectory } from "../base/places.ts";
import type { OverlayRoot } from "../runtime/spec_types.ts";
import { readPlannedMounts, readRoot, type RootDocument } from "./container_documents.ts";
import type { PlannedMount } from "./mount_plan.ts";
import type { ContainerRecord } from "./types.ts";

/** What was fixed when the container was made, and what its starts found out about the machine. */
export interface Foundation {
  /** Lower directories, topmost first. */
  readonly layers: readonly string[];
  readonly storage?: RootDocument["storage"];
  readonly mounts: readonly PlannedMount[];
}

/** The foundation of a container that was made. Throws UserError. */
export function readFoundation(id: string): Foundation {
  const { layers, shifted, storage } = rootDocument(id);
  return { layers: shifted ?? layers, storage, mounts: readPlannedMounts(id) };
}

/** What the container's root is made of. Throws UserError. */
export function rootDocument(id: string): RootDocument {
  const root = readRoot(id);
  if (root !== undefined) return root;
  throw new UserError(`Cannot start container ${id}: root.json is missing`);
}

/** Whether a container writes into a directory of the user's, with nothing below. */
export function hasOwnRoot({ HostConfig }: ContainerRecord): boolean {
  const own = HostConfig.Diplodock;
  return own?.RootfsDir !== undefined && own.RootfsOverlay !== true;
}

/** The directories that lie over one another where there are layers, whoever puts them together. */
export function overlayDirectories(id: string, layers: readonly string[]): OverlayRoot {
  const directory = containerDirectory(id);
  return { lower: [...layers], upper: `${directory}/upper`, work: `${directory}/work` };
}

/** The copy of the layers that a container writes into where there is no overlay. */
export const copiedRoot = (id: string): string => `${containerDirectory(id)}/copy`;

/** Where the container's changes are: alone, or with all the rest in a copy. */
export function writtenTree(id: string, storage: RootDocument["storage"]): string {
  return storage === "copy" ? copiedRoot(id) : overlayDirectories(id, []).upper;
}

/** The root of a container: an overlay of the kernel's, or a directory as it is. */
export function rootOf(
  record: ContainerRecord,
  { layers, storage }: Pick<Foundation, "layers" | "storage">,
): { path: string; overlay?: OverlayRoot } {
  if (hasOwnRoot(record)) return { path: record.HostConfig.Diplodock!.RootfsDir! };
  if (storage === "copy") return { path: copiedRoot(record.Id) };
  const path = `${containerDirectory(record.Id)}/root`;
  return storage === "fuse" ? { path } : { path, overlay: overlayDirectories(record.Id, layers) };
}

/** By this file programs tell that they are in a container, as docker's have it. */
const CONTAINER_MARK = ".dockerenv";

/**
 * Makes the directories that the container's writes go to, and in a new one the mark of a
 * container: once, so that one which was removed inside stays away.
 */
export function makeOverlayDirectories({ upper, work }: OverlayRoot): void {
  makeDirectory(work, 0o700);
  if (!makeDirectory(upper, 0o755)) return;
  Deno.openSync(`${upper}/${CONTAINER_MARK}`, { write: true, createNew: true, mode: 0o755 })
    .close();
}

/** Whether the directory is new. */
function makeDirectory(path: string, mode: number): boolean {
  try {
    Deno.mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}
