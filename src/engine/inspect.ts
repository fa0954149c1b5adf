/** A container as docker's API shows it: the record, and what is derived from its state. */
import { sortedMap } from "../base/sorted_map.ts";
import { readIfThere } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import { formatTime, ZERO_TIME } from "../base/time.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { oomKills } from "../runtime/oom_kills.ts";
import { readRoot } from "./container_documents.ts";
import { copiedRoot } from "./foundation.ts";
import { type Health, readHealth } from "./health_state.ts";
import { oomKilledMark } from "./marks.ts";
import { currentSettings } from "./network_settings.ts";
import { readStartError, type StartError } from "./start_error.ts";
import { shownState } from "./restart_policy.ts";
import { exitCodeOf, type State, statusWord } from "./state.ts";
import { finishedAt, shownMounts, type Sizes } from "./summary.ts";
import type { ContainerRecord } from "./types.ts";

/** What cannot be told from the state alone. */
export interface Circumstances {
  readonly health?: Health;
  /** The OOM killer took a process of the last run. */
  readonly oomKilled: boolean;
  /** Why the last start failed. */
  readonly startError?: StartError;
}

/** `State` of `inspect`, in docker's order. */
function inspectState(
  state: State,
  { health, oomKilled, startError }: Circumstances,
): Record<string, unknown> {
  const isRunning = state.kind === "running";
  const finished = finishedAt(state);
  const startedAt = state.kind === "created"
    ? ZERO_TIME
    : isRunning
    ? state.run.startedAt
    : state.startedAt;
  return {
    Status: statusWord(state),
    Running: isRunning || state.kind === "restarting",
    Paused: isRunning && state.paused,
    Restarting: state.kind === "restarting",
    OOMKilled: oomKilled,
    Dead: false,
    Pid: isRunning ? state.run.pid : 0,
    ExitCode: startError?.code ?? exitCodeOf(state),
    Error: startError?.text ?? "",
    StartedAt: startedAt,
    FinishedAt: finished === undefined ? ZERO_TIME : formatTime(finished),
    ...(health !== undefined && { Health: health }),
  };
}

/** Maps come out sorted, as from docker. */
function sortedConfig(config: ContainerRecord["Config"]): ContainerRecord["Config"] {
  const { ExposedPorts, Labels, Volumes } = config;
  return {
    ...config,
    ...(ExposedPorts && { ExposedPorts: sortedMap(ExposedPorts) }),
    ...(Labels && { Labels: sortedMap(Labels) }),
    ...(Volumes && { Volumes: sortedMap(Volumes) }),
  };
}

/** All that `inspect` prints of a container, in docker's order; sizes where they were asked for. */
function inspectRecord(
  record: ContainerRecord,
  state: State,
  circumstances: Circumstances,
  sizes?: Sizes,
): Record<string, unknown> {
  const {
    Id,
    Created,
    Path,
    Args,
    Image,
    HostConfig,
    Mounts: _mounts,
    Config,
    NetworkSettings: _settings,
    ...rest
  } = record;
  const { CreateCommand, ...others } = rest;
  return {
    Id,
    Created,
    Path,
    Args,
    State: inspectState(state, circumstances),
    Image,
    ...others,
    ExecIDs: null,
    HostConfig,
    GraphDriver: graphDriver(record),
    ...(sizes !== undefined && { SizeRw: sizes.own, SizeRootFs: sizes.all }),
    Mounts: shownMounts(record),
    Config: sortedConfig(Config),
    NetworkSettings: currentSettings(
      record,
      state.kind === "running" ? state.run.pid : undefined,
    ),
    CreateCommand,
  };
}

/** Where the container's files lie on the host. `MergedDir` shows them only from inside. */
function graphDriver({ Id, Driver, HostConfig }: ContainerRecord): Record<string, unknown> {
  const directory = containerDirectory(Id);
  const own = HostConfig.Diplodock;
  if (own?.RootfsDir !== undefined && own.RootfsOverlay !== true) {
    return { Data: { MergedDir: own.RootfsDir }, Name: "directory" };
  }
  const { layers = [], shifted = layers, storage } = readRoot(Id) ?? {};
  if (storage === "copy") return { Data: { MergedDir: copiedRoot(Id) }, Name: "copy" };
  return {
    Data: {
      LowerDir: shifted.join(":"),
      MergedDir: `${directory}/root`,
      UpperDir: `${directory}/upper`,
      WorkDir: `${directory}/work`,
    },
    Name: storage === "fuse" ? "fuse-overlayfs" : Driver,
  };
}

/** Looks a recorded container up as `inspect` does. */
export function inspectContainer(record: ContainerRecord, sizes?: Sizes): Record<string, unknown> {
  const state = shownState(record);
  const health = readHealth(record, state.kind === "running");
  const startError = state.kind === "running" ? undefined : readStartError(record.Id);
  const oomKilled = wasOomKilled(record.Id, state);
  return inspectRecord(record, state, { health, oomKilled, startError }, sizes);
}

/** Whether the OOM killer took a process in this run, or in the last one: noted when it ended. */
function wasOomKilled(id: string, state: State): boolean {
  if (state.kind === "running") return oomKills(openCgroup(state.run.cgroup)) > 0;
  return readIfThere(oomKilledMark(id)) !== undefined;
}
