/** `--userns`: which ids a container's user namespace maps, and ranges nobody else has. */
import { UserError } from "../base/errors.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { readIfThere } from "../base/files.ts";
import { parseSubordinateIds, type SubordinateRange } from "../runtime/subordinate_ids.ts";
import type { IdMapping } from "../runtime/spec_types.ts";
import { joinedContainer, modeName } from "./modes.ts";
import type { HostConfig, IdRange } from "./types.ts";
import { claimRange } from "./userns_ranges.ts";

/** The maps of a container's user namespace. */
export interface UserNamespacePlan {
  readonly uids: IdMapping[];
  readonly gids: IdMapping[];
  /** The range that was taken for it, to be given back at the end. */
  readonly range?: number;
}

/**
 * Ranges of `--userns auto` are those of the name "containers" in /etc/subuid and /etc/subgid, as
 * podman has it, where both files say the same; else they start above 2^31: the upper half of the id space, which no
 * distribution gives to users. Each has 65536 ids.
 */
const FIRST_ID = 2 ** 31;
const RANGE_IDS = 65536;
const RANGES = 32767;

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

/** Takes the first free range. */
function takeRange(id: string, ids: number): UserNamespacePlan {
  if (!Number.isInteger(ids) || ids < 1 || ids > RANGE_IDS) {
    throw new UserError(`Cannot map ${ids} ids: --userns=auto:size= takes 1 to ${RANGE_IDS}`, 125);
  }
  const firsts = firstIds();
  for (let range = 0; range < firsts.length; range++) {
    if (!claimRange(firsts[range], id)) continue;
    const map = [{ containerID: 0, hostID: firsts[range], size: ids }];
    return { uids: map, gids: map, range };
  }
  throw new UserError("Cannot map ids: all ranges of --userns=auto are taken", 125);
}

/** The first ids of all ranges there are, taken or not. */
function firstIds(): number[] {
  const read = (file: string) => parseSubordinateIds(readIfThere(file) ?? "", ["containers"]);
  return rangesFrom(read("/etc/subuid"), read("/etc/subgid"));
}

/** The same, from what the two files have for "containers". Pure. */
export function rangesFrom(
  uids: readonly SubordinateRange[],
  gids: readonly SubordinateRange[],
): number[] {
  const both = uids.filter(({ start, count }) =>
    gids.some((gid) => gid.start === start && gid.count === count)
  );
  const listed = both.flatMap(({ start, count }) =>
    Array.from({ length: Math.floor(count / RANGE_IDS) }, (_, i) => start + i * RANGE_IDS)
  );
  if (listed.length > 0) return listed;
  return Array.from({ length: RANGES }, (_, i) => FIRST_ID + i * RANGE_IDS);
}
