/** The files of a container beside its record. A power cut may have left them empty or cut short. */
import { UserError } from "../base/errors.ts";
import { readIfThere, writeAtomic } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import { rawInteger } from "../runtime/exact_json.ts";
import type { IdMapping, Spec } from "../runtime/spec_types.ts";
import type { PlannedMount } from "./mount_plan.ts";

/** The mounts that were planned when the container was made. Throws UserError for a broken file. */
export function readPlannedMounts(id: string): PlannedMount[] {
  return readDocument<PlannedMount[]>(id, "mounts.json", Array.isArray) ?? [];
}

/** Notes them. */
export function writePlannedMounts(id: string, mounts: readonly PlannedMount[]): void {
  writeAtomic(`${containerDirectory(id)}/mounts.json`, JSON.stringify(mounts));
}

/** The owners that files have on the disk, by the ids that they have in the container. */
export interface DiskOwners {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** What a container's root is made of: `root.json`. */
export interface RootDocument {
  /** Lower directories, topmost first. */
  readonly layers: readonly string[];
  /**
   * What stands in for the kernel's overlayfs where this machine refuses it: fuse-overlayfs, or a
   * copy of the layers that the container writes into.
   */
  readonly storage?: "fuse" | "copy";
  /** The same layers with `owners`: these are the lower directories then. */
  readonly shifted?: readonly string[];
  /**
   * Where nothing maps owners, the container's own files have those that its ids are on this
   * machine. While files change theirs, those of before come behind.
   */
  readonly owners?: readonly DiskOwners[];
  /**
   * The machine's own root for an ordinary user: the directories ("" is the root) of which the
   * container has the files of these names as copies, made at its first start.
   */
  readonly pieces?: Readonly<Record<string, readonly string[]>>;
}

/** What the container's root is made of; undefined without a file. Throws UserError. */
export function readRoot(id: string): RootDocument | undefined {
  const hasLayers = (value: unknown) => Array.isArray((value as { layers?: unknown }).layers);
  return readDocument<RootDocument>(id, "root.json", hasLayers);
}

/** Notes what the container's root is made of. */
export function writeRoot(id: string, root: RootDocument): void {
  writeAtomic(`${containerDirectory(id)}/root.json`, JSON.stringify(root));
}

/** The layers that the container stands on, topmost first; undefined without a file. */
export function readRootLayers(id: string): readonly string[] | undefined {
  return readRoot(id)?.layers;
}

/** The bundle of the last start; undefined before the first one. */
export function readConfig(id: string): Spec | undefined {
  const hasProcess = (value: unknown) => typeof (value as Spec).process === "object";
  return readDocument<Spec>(id, "config.json", hasProcess);
}

/** Writes the bundle that the container is started by, for exec and for who wants to read it. */
export function writeConfig(id: string, spec: Spec): void {
  writeAtomic(`${containerDirectory(id)}/config.json`, specText(spec));
}

const NO_LIMIT = rawInteger("18446744073709551615");

/**
 * The text of config.json. "No limit" is written as the specification has it (2^64-1, a number
 * JavaScript cannot hold), so that other runtimes read the bundle as well.
 */
export function specText(spec: Spec): string {
  const rlimits = spec.process?.rlimits;
  if (rlimits === undefined) return JSON.stringify(spec);
  const exact = (limit: number) => limit === -1 || limit >= 2 ** 64 ? NO_LIMIT : limit;
  const written = rlimits.map(({ type, soft, hard }) => ({
    type,
    soft: exact(soft),
    hard: exact(hard),
  }));
  return JSON.stringify({ ...spec, process: { ...spec.process, rlimits: written } });
}

function readDocument<T>(
  id: string,
  name: string,
  isWhole: (value: unknown) => boolean,
): T | undefined {
  const path = `${containerDirectory(id)}/${name}`;
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  const value = parse(text);
  if (typeof value === "object" && value !== null && isWhole(value)) return value as T;
  const short = id.slice(0, 12);
  throw new UserError(
    `Cannot read container ${short}: ${path} is damaged; restore the file, or remove the ` +
      `container with: diplodock rm -f ${short}`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
