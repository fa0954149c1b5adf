/**
 * Named directories that outlive containers: volumes/<name>/{data/, volume.json}. A volume is in
 * use as long as a container's record mentions it, so nothing has to be counted.
 */
import { lockFile } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import {
  isAbsent,
  lstatIfThere,
  makeDirectories,
  namesIn,
  readIfThere,
  removeIfThere,
  writeAtomic,
} from "../base/files.ts";
import { quoteGo } from "../base/quote.ts";
import { containerDirectory, rootDirectory } from "../base/places.ts";
import { readPlannedMounts } from "./container_documents.ts";
import { listRecords, newId } from "./containers.ts";
import { checkVolumeName } from "./names.ts";
import type { ContainerRecord } from "./types.ts";

/** The label docker gives to volumes that nobody named. */
const ANONYMOUS_LABEL = "com.docker.volume.anonymous";

/** A directory under volumes/ that is being made or taken away; no volume's name has a dot first. */
const TEMPORARY = ".tmp-";

/** What `volume.json` holds and `volume inspect` shows, but for the mount point. */
export interface VolumeRecord {
  /** RFC 3339 without a fraction. */
  CreatedAt: string;
  Driver: string;
  Labels: Record<string, string> | null;
  Name: string;
  /** `type`, `o` and `device` of a file system that is mounted at use. */
  Options: Record<string, string> | null;
  Scope: string;
}

/** How a volume is wanted. */
export interface VolumeWish {
  readonly driver?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Made for one container: `rm -v` and `prune` take it. */
  readonly anonymous?: boolean;
}

const volumesDirectory = () => `${rootDirectory()}/volumes`;

/** Where everything of a volume is kept. */
export function volumeDirectory(name: string): string {
  return `${volumesDirectory()}/${name}`;
}

/** The host path of a volume's content. */
export function volumeData(name: string): string {
  return `${volumeDirectory(name)}/data`;
}

/** The file that tells of a fill that has begun and not ended (fillVolume()). */
export const fillingPath = (name: string): string => `${volumeDirectory(name)}/filling`;

/** The file that tells whose owners a volume's files have where they are not their own. */
export const volumeOwnersPath = (name: string): string => `${volumeDirectory(name)}/owners.json`;

/** docker's words for a volume that is not there. */
export function noSuchVolume(name: string): string {
  return `get ${name}: no such volume`;
}

/** The record of a volume, or undefined when there is none by this name. */
export function findVolume(name: string): VolumeRecord | undefined {
  if (name === "" || name.startsWith(".") || name.includes("/")) return undefined;
  const path = `${volumeDirectory(name)}/volume.json`;
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as VolumeRecord;
  } catch (error) {
    throw new UserError(
      `Cannot read volume "${name}": ${path} is not valid JSON (${(error as Error).message}); ` +
        "restore the file, or remove the volume's directory",
    );
  }
}

/** All volumes by name; `onBroken` is told of those whose records cannot be read. */
export function listVolumes(onBroken: (error: UserError) => void): VolumeRecord[] {
  const names = namesIn(volumesDirectory()).filter((name) => !name.startsWith(".")).sort();
  return names.flatMap((name) => {
    try {
      return findVolume(name) ?? [];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      onBroken(error);
      return [];
    }
  });
}

/** Whether nobody named the volume. */
export function isAnonymous(volume: VolumeRecord): boolean {
  return Object.hasOwn(volume.Labels ?? {}, ANONYMOUS_LABEL);
}

/**
 * The volume `name`, made if it is not there; labels and options of one that is there stay as
 * they are. `mayFill` says that nothing is in it yet: the caller fills it from the image.
 * Throws UserError with docker's texts.
 */
export function ensureVolume(
  name: string,
  wish: VolumeWish = {},
): { mountpoint: string; isNew: boolean; mayFill: boolean } {
  const { record, isNew } = createVolume(name, wish);
  const mountpoint = volumeData(name);
  const mayFill = isNew || hasMount(record) || isEmpty(mountpoint) || isHalfFilled(name);
  return { mountpoint, isNew, mayFill };
}

/** Whether a volume's content is another file system, mounted at use. */
export function hasMount(volume: VolumeRecord): boolean {
  return volume.Options?.type !== undefined;
}

/** Those of a container's volumes that have to be mounted while it runs. */
export function volumesToMount({ Mounts }: Pick<ContainerRecord, "Mounts">): string[] {
  return Mounts.flatMap(({ Type, Name }) => {
    const volume = Type === "volume" && Name !== undefined ? findVolume(Name) : undefined;
    return volume !== undefined && hasMount(volume) ? [volume.Name] : [];
  });
}

/** The volume `name`, and whether it was made just now. Throws UserError with docker's texts. */
export function createVolume(
  name: string,
  wish: VolumeWish,
): { record: VolumeRecord; isNew: boolean } {
  if (name.length > 1) checkVolumeName(name);
  checkWish(name, wish);
  makeDirectories(volumesDirectory(), 0o711);
  const temporary = `${volumesDirectory()}/${TEMPORARY}${newId().slice(0, 16)}`;
  const record = recordOf(name, wish);
  using _lock = lockFile(lockPath());
  const existing = findVolume(name);
  if (existing !== undefined) return { record: existing, isNew: false };
  if (namesIn(volumesDirectory()).includes(name)) {
    throw new UserError(
      `Cannot use volume "${name}": ${
        volumeDirectory(name)
      }/volume.json is lost; restore the file, ` +
        "or move the volume's directory away",
    );
  }
  try {
    makeDirectories(`${temporary}/data`, 0o755);
    Deno.chmodSync(temporary, 0o711);
    Deno.chmodSync(`${temporary}/data`, 0o755);
    writeAtomic(`${temporary}/volume.json`, JSON.stringify(record), true);
    Deno.renameSync(temporary, volumeDirectory(name));
  } catch (error) {
    removeIfThere(temporary, true);
    throw error;
  }
  return { record, isNew: true };
}

const lockPath = () => `${volumesDirectory()}/.lock`;

function recordOf(name: string, wish: VolumeWish): VolumeRecord {
  const labels = { ...wish.labels, ...(wish.anonymous && { [ANONYMOUS_LABEL]: "" }) };
  const options = { ...wish.options };
  return {
    CreatedAt: `${new Date().toISOString().slice(0, 19)}Z`,
    Driver: "local",
    Labels: Object.keys(labels).length > 0 ? labels : null,
    Name: name,
    Options: Object.keys(options).length > 0 ? options : null,
    Scope: "local",
  };
}

/** Options of the driver "local", and those each needs beside itself. */
const OPTIONS: Record<string, readonly string[]> = {
  type: ["device"],
  device: ["type"],
  o: ["device", "type"],
  size: [],
};

function checkWish(name: string, { driver = "local", options = {} }: VolumeWish): void {
  const refuse = (why: string): never => {
    throw new UserError(`create ${name}: ${why}`);
  };
  if (name.length < 2) {
    refuse("volume name is too short, names should be at least two alphanumeric characters");
  }
  if (driver !== "local") {
    refuse(
      `error looking up volume plugin ${driver}: plugin ${quoteGo(driver)} not found`,
    );
  }
  for (const option of Object.keys(options)) {
    if (!Object.hasOwn(OPTIONS, option)) refuse(`invalid option: ${quoteGo(option)}`);
  }
  if ("size" in options) refuse("quota size requested but no quota support");
  for (const option of Object.keys(options)) {
    for (const needed of OPTIONS[option]) {
      if (!(needed in options)) refuse(`missing required option: ${quoteGo(needed)}`);
    }
  }
}

function isEmpty(directory: string): boolean {
  for (const _entry of Deno.readDirSync(directory)) return false;
  return true;
}

function isHalfFilled(name: string): boolean {
  return readIfThere(fillingPath(name)) !== undefined;
}

/**
 * The ids of the containers, running or not, whose records mention each volume. Of a record that is
 * damaged the planned mounts tell: it may be restored, and then its data has to be there.
 */
export function volumeUsers(): Map<string, string[]> {
  const users = new Map<string, string[]>();
  const note = (id: string, names: readonly string[]) => {
    for (const name of new Set(names)) users.set(name, [...(users.get(name) ?? []), id]);
  };
  for (const { Id, Mounts } of listRecords((id) => note(id, plannedVolumes(id)))) {
    note(Id, Mounts.flatMap(({ Type, Name }) => Type === "volume" && Name ? [Name] : []));
  }
  return users;
}

function plannedVolumes(id: string): string[] {
  try {
    const volumes = readPlannedMounts(id).filter(({ type }) => type === "volume");
    return volumes.map(({ source }) => source);
  } catch (error) {
    if (error instanceof UserError) return []; // damaged too: nothing tells of its volumes
    throw error;
  }
}

/**
 * Removes a volume and its content. Throws UserError with docker's texts when it is not there or
 * a container has it.
 */
export async function removeVolume(name: string): Promise<void> {
  const record = findVolume(name);
  if (record === undefined) throw new UserError(noSuchVolume(name));
  const aside = takeAside(name, () => {
    const ids = volumeUsers().get(name) ?? [];
    if (ids.length > 0) {
      throw new UserError(`remove ${name}: volume is in use - [${ids.join(", ")}]`);
    }
  });
  // Mounts move with their directory.
  if (hasMount(record)) (await import("./volume_mount.ts")).detachAll(`${aside}/data`);
  removeIfThere(aside, true);
}

/**
 * Renames the volume away under the lock that its makers take. A container that is being made
 * may have got the volume and not yet have a record: such makers are waited for.
 */
function takeAside(name: string, check: () => void): string {
  const aside = `${volumesDirectory()}/${TEMPORARY}${newId().slice(0, 16)}`;
  for (;;) {
    {
      using _lock = lockFile(lockPath());
      const makers = halfMadeContainers();
      if (makers.length === 0) {
        check();
        try {
          Deno.renameSync(volumeDirectory(name), aside);
        } catch (error) {
          if (isAbsent(error)) throw new UserError(noSuchVolume(name));
          throw error;
        }
        return aside;
      }
    }
    halfMadeContainers().forEach(waitForMaker);
  }
}

/** Containers without a record whose makers are alive: they hold their locks. */
function halfMadeContainers(): string[] {
  return namesIn(`${rootDirectory()}/containers`).filter((id) => {
    if (!/^[0-9a-f]{64}$/.test(id) || hasFile(`${containerDirectory(id)}/container.json`)) {
      return false;
    }
    return !tryMakersLock(id, false);
  });
}

function waitForMaker(id: string): void {
  tryMakersLock(id, true);
}

/** Whether nobody holds the lock of a container's maker (any more, when told to wait). */
function tryMakersLock(id: string, wait: boolean): boolean {
  if (!hasFile(`${containerDirectory(id)}/lock`)) return true;
  try {
    using lock = lockFile(`${containerDirectory(id)}/lock`, wait);
    return lock !== undefined;
  } catch (error) {
    if (!hasFile(`${containerDirectory(id)}/lock`)) return true;
    throw error;
  }
}

function hasFile(path: string): boolean {
  return lstatIfThere(path)?.isFile === true;
}

/**
 * Fills a new volume with what the image has at `target`: content, owners, modes, attributes,
 * links. `lower` are the image's layers, topmost first. A volume that got content meanwhile, or
 * a target that the image lacks, is left as it is.
 */
export async function fillVolume(
  mountpoint: string,
  lower: readonly string[],
  target: string,
): Promise<void> {
  const name = mountpoint.slice(volumesDirectory().length + 1, -"/data".length);
  const { fill } = await import("./volume_fill.ts");
  await fill(name, lower, target);
}

/** Removes what interrupted makers and removers left behind. */
export function sweepVolumes(): void {
  const left = namesIn(volumesDirectory()).filter((name) => name.startsWith(TEMPORARY));
  if (left.length === 0) return;
  using _lock = lockFile(lockPath());
  for (const name of left) removeIfThere(`${volumesDirectory()}/${name}`, true);
}
