/** Finds or makes what each planned mount shows: host directories, volumes, images. */
import { UserError } from "../base/errors.ts";
import { makeDirectories, statIfThere } from "../base/files.ts";
import type { LocatedMount } from "./bundle_context.ts";
import { newId } from "./containers.ts";
import { emitVolumeEvent } from "./events.ts";
import { type PlannedMount, toMountPoint } from "./mount_plan.ts";
import type { MountPoint } from "./types.ts";
import { ensureVolume, fillVolume, volumeData } from "./volumes.ts";

/** The mounts of a container as its record keeps them, and those volumes that are new and empty. */
export interface PreparedMounts {
  readonly points: MountPoint[];
  /** The planned mounts with the names of anonymous volumes filled in. */
  readonly planned: PlannedMount[];
}

/**
 * Makes volumes and missing bind sources, and fills new volumes from the image. `lower` are the
 * image's layers, topmost first. Throws UserError with docker's texts.
 */
export async function prepareMounts(
  planned: readonly PlannedMount[],
  lower: readonly string[],
): Promise<PreparedMounts> {
  const prepared: PreparedMounts = { points: [], planned: [] };
  for (const mount of planned) {
    const { located, mode } = await prepareMount(mount, lower);
    prepared.planned.push(located);
    prepared.points.push(toMountPoint({ ...located, mode }, located.hostPath));
  }
  return prepared;
}

async function prepareMount(
  mount: PlannedMount,
  lower: readonly string[],
): Promise<{ located: LocatedMount; mode: string }> {
  switch (mount.type) {
    case "bind":
      prepareSource(mount);
      return { located: { ...mount, hostPath: mount.source }, mode: mount.mode };
    case "volume": {
      const located = await prepareVolume(mount, lower);
      // As docker says it: of volumes that have no name there is no word on SELinux.
      return { located, mode: mount.mode || (mount.source === "" ? "" : "z") };
    }
    case "tmpfs":
      return { located: { ...mount, hostPath: "" }, mode: mount.mode };
    case "image":
      throw new UserError(
        `Cannot mount image "${mount.source}" at "${mount.target}": ` +
          `--mount type=image is not supported; unpack it with: diplodock image mount`,
      );
  }
}

/** `-v` makes a missing source as a directory; `--mount` refuses it. */
function prepareSource({ source, createSource }: PlannedMount): void {
  if (statIfThere(source) !== undefined) return;
  if (!createSource) {
    throw new UserError(
      `invalid mount config for type "bind": bind source path does not exist: ${source}`,
    );
  }
  makeDirectories(source, 0o755);
}

async function prepareVolume(
  mount: PlannedMount,
  lower: readonly string[],
): Promise<LocatedMount> {
  const anonymous = mount.source === "";
  const name = anonymous ? newId() : mount.source;
  const { mountpoint, isNew, mayFill } = ensureVolume(name, {
    driver: mount.driver || "local",
    options: mount.driverOptions,
    labels: mount.labels,
    anonymous,
  });
  if (isNew) emitVolumeEvent(name, "create");
  if (mayFill && !mount.noCopy) await fillVolume(mountpoint, lower, mount.target);
  return { ...mount, source: name, hostPath: mountpoint };
}

/** The mounts of a recorded container with their host paths, for a start. */
export function locateMounts(planned: readonly PlannedMount[]): LocatedMount[] {
  return planned.map((mount) => ({
    ...mount,
    hostPath: mount.type === "volume"
      ? volumeData(mount.source)
      : mount.type === "tmpfs"
      ? ""
      : mount.source,
  }));
}
