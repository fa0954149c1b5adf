/** A container's record and state as one line of `ps`. Pure: what was looked up comes in. */
import { quoteGo } from "../base/quote.ts";
import { humanDuration } from "../base/duration.ts";
import { formatTimeTable, parseTime } from "../base/time.ts";
import { formatSize } from "../base/units.ts";
import { portsText } from "./ports.ts";
import { exitCodeOf, type State, statusWord } from "./state.ts";
import type { ContainerRecord, MountPoint } from "./types.ts";

/** docker's words for what a health check says; "none": there is no check. */
export type HealthStatus = "starting" | "healthy" | "unhealthy" | "none";

/** Sizes on disk, in bytes. */
export interface Sizes {
  /** What the container itself wrote. */
  readonly own: number;
  /** With its image. */
  readonly all: number;
}

/** All that one line is made of. */
export interface Listed {
  readonly record: ContainerRecord;
  readonly state: State;
  readonly health: HealthStatus;
  readonly sizes?: Sizes;
  /** The name that it was made by means another image by now, or none. */
  readonly isRenamed?: boolean;
}

/** How a line is shown. */
export interface SummaryOptions {
  /** Nanoseconds since 1970. */
  readonly now: bigint;
  readonly noTrunc: boolean;
}

const COMMAND_LENGTH = 20;
const MOUNT_LENGTH = 15;

/** The fields that templates of `ps` may name. */
export interface Summary {
  [name: string]: string | null | ((name: string) => string);
  ID: string;
  Names: string;
}

/** The fields of one line. */
export function summarize(listed: Listed, { now, noTrunc }: SummaryOptions): Summary {
  const { record, state, sizes } = listed;
  const created = parseTime(record.Created) ?? 0n;
  const labels = record.Config.Labels ?? {};
  const cut = (text: string, length: number) => noTrunc ? text : ellipsis(text, length);
  return {
    Command: quoteGo(cut(commandText(record), COMMAND_LENGTH)),
    CreatedAt: formatTimeTable(created),
    ID: noTrunc ? record.Id : record.Id.slice(0, 12),
    Image: imageText(listed, noTrunc),
    Labels: Object.keys(labels).sort().map((key) => `${key}=${labels[key]}`).join(","),
    LocalVolumes: String(record.Mounts.filter(({ Driver }) => Driver === "local").length),
    Mounts: shownMounts(record).map((mount) => cut(mountName(mount), MOUNT_LENGTH)).join(","),
    Names: record.Name.replace(/^\//, ""),
    Networks: Object.keys(record.NetworkSettings.Networks).sort().join(","),
    Platform: null,
    Ports: state.kind === "running" ? portsText(record.NetworkSettings.Ports) : "",
    RunningFor: `${humanDuration(now - created)} ago`,
    Size: sizes === undefined
      ? "0B"
      : `${formatSize(sizes.own)}${sizes.all > 0 ? ` (virtual ${formatSize(sizes.all)})` : ""}`,
    State: statusWord(state),
    Status: statusText(listed, now),
    Label: (name: string) => labels[name] ?? "",
  };
}

function ellipsis(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : characters.slice(0, length - 1).join("") + "…";
}

/** The words that run; docker quotes those with blanks. */
export function commandText({ Path, Args }: ContainerRecord): string {
  return [Path, ...Args.map((word) => word.includes(" ") ? `'${word}'` : word)].join(" ");
}

/** As docker shows it: the name that was given, or the id where that name means it no more. */
export function imageName({ record: { Config, Image }, isRenamed }: Listed): string {
  return isRenamed === true ? Image : Config.Image;
}

function imageText(listed: Listed, noTrunc: boolean): string {
  const name = imageName(listed);
  if (name === "") return "<no image>";
  const { Image } = listed.record;
  const isId = name === Image || `sha256:${name}` === Image;
  return isId && !noTrunc ? Image.replace(/^sha256:/, "").slice(0, 12) : name;
}

/** The mounts that docker lists: what --tmpfs asked for is under HostConfig only. */
export function shownMounts({ Mounts, HostConfig: { Tmpfs = {} } }: ContainerRecord): MountPoint[] {
  return Mounts.filter(({ Type, Destination }) =>
    Type !== "tmpfs" || !Object.hasOwn(Tmpfs, Destination)
  );
}

function mountName({ Name, Source, Destination }: ContainerRecord["Mounts"][number]): string {
  return Name || Source || Destination;
}

/** When a container ended, nanoseconds since 1970. */
export function finishedAt(state: State): bigint | undefined {
  if (state.kind !== "exited" && state.kind !== "restarting") return undefined;
  return state.exit?.timeNs ?? parseTime(state.startedAt);
}

/** The STATUS column. */
export function statusText({ state, health }: Listed, now: bigint): string {
  const since = (moment: bigint | undefined) => humanDuration(now - (moment ?? now));
  switch (state.kind) {
    case "created":
      return "Created";
    case "running": {
      const up = `Up ${since(parseTime(state.run.startedAt))}`;
      if (state.paused) return `${up} (Paused)`;
      if (health === "none") return up;
      return `${up} (${health === "starting" ? "health: starting" : health})`;
    }
    case "restarting":
      return `Restarting (${exitCodeOf(state)}) ${since(finishedAt(state))} ago`;
    case "exited":
      return `Exited (${exitCodeOf(state)}) ${since(finishedAt(state))} ago`;
  }
}
