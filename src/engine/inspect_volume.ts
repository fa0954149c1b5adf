/** A volume as docker's API shows it. */
import { UserError } from "../base/errors.ts";
import { findVolume, noSuchVolume, volumeData, type VolumeRecord } from "./volumes.ts";

/** What `volume inspect` prints of a volume, in docker's order. */
export function shownVolume(volume: VolumeRecord): Record<string, unknown> {
  const { CreatedAt, Driver, Labels, Name, Options, Scope } = volume;
  return { CreatedAt, Driver, Labels, Mountpoint: volumeData(Name), Name, Options, Scope };
}

/** The volume `name`. Throws UserError with docker's text when there is none. */
export function inspectVolume(name: string): Record<string, unknown> {
  const volume = findVolume(name);
  if (volume === undefined) throw new UserError(noSuchVolume(name));
  return shownVolume(volume);
}
