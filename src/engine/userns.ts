/** `--userns`: which ids a container's user namespace maps, and ranges nobody else has. */
import { UserError } from "../base/errors.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { makeDirectories, namesIn, removeIfThere } from "../base/files.ts";
import { runDirectory } from "../base/places.ts";
import type { IdMapping } from "../runtime/spec_types.ts";
import { joinedContainer, modeName } from "./modes.ts";
import type { HostConfig, IdRange } from "./types.ts";

/** The maps of a container's user namespace. */
export interface UserNamespacePlan {
  readonly uids: IdMapping[];
  readonly gids: IdMapping[];
  /** The range that was taken for it, to be given back at the end. */
  readonly range?: number;
}

/**
 * Ranges of `--userns auto` start above 2^31: the upper half of the id space, which no
 * distribution gives to users. Each has 65536 ids.
 */
const FIRST_ID = 2 ** 31;
const RANGE_IDS = 65536;
const RANGES = 32767;

const rangesDirectory = () => `${runDirectory()}/userns`;

/**
 * Plans the user namespace of container `id`; undefined when it has the host's or joins another.
 * A range is taken atomically. Throws UserError for what cannot be had.
 */
export function planUserNamespace(id: string, host: HostConfig): UserNamespacePlan | undefined {
  const own = host.Diplodock ?? {};
  const mode = modeName(host.UsernsMode);
  if (joinedContainer(host.UsernsMode) !== undefined) return undefined;
  if (ownUserNamespace() !== undefined) return nested(mode);
  if (own.UidMaps?.length || own.GidMaps?.length) return explicit(own.UidMaps, own.GidMaps);
  if (mode === "" || mode === "host") return undefined;
  if (mode === "private") {
    throw new UserError('--userns=private needs "--uidmap" or "--gidmap"', 125);
  }
  if (mode === "auto") return takeRange(id, own.UsernsSize ?? RANGE_IDS);
  throw new UserError(
    `Cannot use --userns=${mode} as root: it maps the id of an ordinary user; use --userns=auto`,
    125,
  );
}

/**
 * Inside an ordinary user's namespace the kernel maps no owners of layers (mount_setattr(2) wants
 * rights over the file system itself), so that there is one namespace for all his containers.
 */
function nested(mode: string): undefined {
  if (mode === "" || mode === "host") return undefined;
  throw new UserError(
    `Cannot use --userns=${mode} as an ordinary user: the kernel lets root only show files to a ` +
      "container with other owners; without it the container's root is you",
    125,
  );
}

function explicit(uids: IdRange[] | undefined, gids: IdRange[] | undefined): UserNamespacePlan {
  const convert = (ranges: IdRange[]) =>
    ranges.map(({ ContainerID, HostID, Size }) => ({
      containerID: ContainerID,
      hostID: HostID,
      size: Size,
    }));
  // As podman: one of the two stands for both.
  return { uids: convert(uids ?? gids!), gids: convert(gids ?? uids!) };
}

/** Takes the first free range by making a link; links of containers that ended are free. */
function takeRange(id: string, ids: number): UserNamespacePlan {
  if (!Number.isInteger(ids) || ids < 1 || ids > RANGE_IDS) {
    throw new UserError(`Cannot map ${ids} ids: --userns=auto:size= takes 1 to ${RANGE_IDS}`, 125);
  }
  makeDirectories(rangesDirectory());
  for (let range = 0; range < RANGES; range++) {
    if (!claimRange(range, id)) continue;
    const map = [{ containerID: 0, hostID: FIRST_ID + range * RANGE_IDS, size: ids }];
    return { uids: map, gids: map, range };
  }
  throw new UserError("Cannot map ids: all ranges of --userns=auto are taken", 125);
}

function claimRange(range: number, id: string): boolean {
  const path = `${rangesDirectory()}/${range}`;
  try {
    Deno.symlinkSync(id, path);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  return false;
}

/** Gives all ranges of container `id` back, and those of containers that ended unseen. */
export function releaseRanges(id: string): void {
  for (const name of namesIn(rangesDirectory())) {
    const path = `${rangesDirectory()}/${name}`;
    let owner: string;
    try {
      owner = Deno.readLinkSync(path);
    } catch {
      continue; // released meanwhile
    }
    if (owner === id) removeIfThere(path);
  }
}
