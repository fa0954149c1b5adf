/** `--userns`: which ids a container's user namespace maps, and ranges nobody else has. */
import { UserError } from "../base/errors.ts";
import { type MappedRange, type OwnIds, ownUserNamespace } from "../base/own_namespace.ts";
import { readIfThere } from "../base/files.ts";
import { isRootless, userId } from "../base/places.ts";
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
  const ids = isRootless() ? ownUserNamespace() : undefined;
  if (ids !== undefined && !own.UidMaps && !own.GidMaps) return nested(mode, host, ids);
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
 * Inside an ordinary user's namespace: `keep-id` puts the user himself (root of that namespace) where
 * his own number is, `nomap` leaves him out; the others follow in their order.
 */
function nestedMap(mode: "keep-id" | "nomap", own: number, all: number): IdMapping[] {
  const map = (containerID: number, hostID: number, size: number): IdMapping[] =>
    size > 0 ? [{ containerID, hostID, size }] : [];
  if (mode === "nomap") return map(0, 1, all - 1);
  return [
    ...map(0, 1, Math.min(own, all - 1)),
    ...map(own, 0, 1),
    ...map(own + 1, own + 1, all - own - 1),
  ];
}

function nested(mode: string, host: HostConfig, own: OwnIds): UserNamespacePlan | undefined {
  if (mode === "" || mode === "host") return undefined;
  if (mode !== "keep-id" && mode !== "nomap") {
    throw new UserError(
      `Cannot use --userns=${mode} as an ordinary user: use keep-id, nomap or host`,
      125,
    );
  }
  const { KeepUid, KeepGid } = host.Diplodock ?? {};
  const total = (ranges: OwnIds["uids"]) => ranges.reduce((sum, { count }) => sum + count, 0);
  const [uids, gids] = [total(own.uids), total(own.gids)];
  if (uids < 2 || gids < 2) {
    throw new UserError(
      `Cannot use --userns=${mode}: you have no subordinate ids (/etc/subuid, /etc/subgid)`,
      125,
    );
  }
  return {
    uids: nestedMap(mode, KeepUid ?? userId(), uids),
    gids: nestedMap(mode, KeepGid ?? groupId(), gids),
  };
}

/** The user's group, as the machine knows it. */
function groupId(): number {
  return ownUserNamespace()?.gids.find(({ inside }) => inside === 0)?.outside ?? 0;
}

function explicit(uids: IdRange[] | undefined, gids: IdRange[] | undefined): UserNamespacePlan {
  const convert = (ranges: IdRange[]) =>
    ranges.map(({ ContainerID, HostID, Size }) => ({
      containerID: ContainerID,
      hostID: HostID,
      size: Size,
    }));
  const own = ownUserNamespace();
  // As podman: one of the two stands for both.
  return {
    uids: splitMap(convert(uids ?? gids!), own?.uids),
    gids: splitMap(convert(gids ?? uids!), own?.gids),
  };
}

/**
 * The same map with its ranges cut where ours are: the kernel takes none that lies in two of them.
 * Throws UserError for an id that we do not have ourselves.
 */
export function splitMap(
  map: readonly IdMapping[],
  own: readonly MappedRange[] | undefined,
): IdMapping[] {
  if (own === undefined) return [...map];
  return map.flatMap(({ containerID, hostID, size }) => {
    const pieces: IdMapping[] = [];
    for (let done = 0; done < size;) {
      const id = hostID + done;
      const range = own.find(({ inside, count }) => inside <= id && id < inside + count);
      if (range === undefined) {
        throw new UserError(`Cannot map id ${id}: it is none of yours (${textOf(own)})`, 125);
      }
      const length = Math.min(size - done, range.inside + range.count - id);
      pieces.push({ containerID: containerID + done, hostID: id, size: length });
      done += length;
    }
    return pieces;
  });
}

/** Ranges in words: "0 to 65536". */
function textOf(ranges: readonly { inside: number; count: number }[]): string {
  const sorted = ranges.toSorted((a, b) => a.inside - b.inside);
  const spans: { from: number; to: number }[] = [];
  for (const { inside, count } of sorted) {
    const last = spans.at(-1);
    if (last?.to === inside - 1) last.to += count;
    else spans.push({ from: inside, to: inside + count - 1 });
  }
  return spans.map(({ from, to }) => from === to ? `${from}` : `${from} to ${to}`).join(", ");
}

/** Refuses a user or group that the container's user namespace does not have. Throws UserError. */
export function checkMapped(
  { uid, gid, additionalGids }: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids: readonly number[];
  },
  { uids, gids }: OwnIds,
): void {
  const check = (what: string, id: number, ranges: readonly MappedRange[]) => {
    if (ranges.some(({ inside, count }) => inside <= id && id < inside + count)) return;
    throw new UserError(
      `Cannot run as ${what} ${id}: the container's user namespace has no such id, but ` +
        `${textOf(ranges)}`,
      126,
    );
  };
  check("user", uid, uids);
  for (const group of [gid, ...additionalGids]) check("group", group, gids);
}

/** A map of a bundle as the kernel tells of one. */
export function rangesOf(map: readonly IdMapping[]): MappedRange[] {
  return map.map(({ containerID, hostID, size }) => ({
    inside: containerID,
    outside: hostID,
    count: size,
  }));
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
