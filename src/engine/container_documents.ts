/** The files of a container beside its record. A power cut may have left them empty or cut short. */
import { UserError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import type { Spec } from "../runtime/spec_types.ts";
import type { PlannedMount } from "./mount_plan.ts";

/** The mounts that were planned when the container was made. Throws UserError for a broken file. */
export function readPlannedMounts(id: string): PlannedMount[] {
  return readDocument<PlannedMount[]>(id, "mounts.json", Array.isArray) ?? [];
}

/** The layers that the container stands on, topmost first; undefined without a file. */
export function readRootLayers(id: string): string[] | undefined {
  const hasLayers = (value: unknown) => Array.isArray((value as { layers?: unknown }).layers);
  return readDocument<{ layers: string[] }>(id, "root.json", hasLayers)?.layers;
}

/** The bundle of the last start; undefined before the first one. */
export function readConfig(id: string): Spec | undefined {
  const hasProcess = (value: unknown) => typeof (value as Spec).process === "object";
  return readDocument<Spec>(id, "config.json", hasProcess);
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
