/** What `image inspect` and `history` show. */
import type { Digest } from "./digest.ts";
import { type IndexEntry, readEntries } from "./index_file.ts";
import { namesOf, resolveId } from "./lookup.ts";
import { type ImageRecord, lostRecord, readRecord } from "./records.ts";
import { sizeOf } from "./list.ts";
import { noSuchImage } from "./no_such_image.ts";
import { sortedMap } from "../base/sorted_map.ts";
import { shortId } from "./digest.ts";
import type { Store } from "./store.ts";
import type { ImageRunConfig } from "./types.ts";

/** The config in docker's order, with the `null`s it prints. */
function inspectConfig(config: ImageRunConfig): Record<string, unknown> {
  return {
    Hostname: "",
    Domainname: "",
    User: config.User ?? "",
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(config.ExposedPorts && { ExposedPorts: sortedMap(config.ExposedPorts) }),
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: config.Env ?? null,
    Cmd: config.Cmd ?? null,
    ...(config.Healthcheck && { Healthcheck: config.Healthcheck }),
    Image: "",
    Volumes: config.Volumes ? sortedMap(config.Volumes) : null,
    WorkingDir: config.WorkingDir ?? "",
    Entrypoint: config.Entrypoint ?? null,
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ? sortedMap(config.Labels) : null,
    ...(config.StopSignal && { StopSignal: config.StopSignal }),
    ...(config.Shell && { Shell: config.Shell }),
  };
}

function graphDriver(store: Store, record: ImageRecord): Record<string, unknown> {
  const [upper, ...lower] = record.chain.toReversed().map((id) => store.layerRoot(id));
  return {
    Data: {
      ...(lower.length > 0 && { LowerDir: lower.join(":") }),
      ...(upper !== undefined && { UpperDir: upper }),
    },
    Name: "overlay2",
  };
}

function inspectRecord(
  store: Store,
  record: ImageRecord,
  entries: readonly IndexEntry[],
): Record<string, unknown> {
  const { config } = record;
  const names = namesOf(entries, record.id);
  return {
    Id: record.id,
    RepoTags: names.repoTags,
    RepoDigests: names.repoDigests,
    Parent: record.parent ?? "",
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? "",
    ...(config.created && { Created: config.created }),
    DockerVersion: config.docker_version ?? "",
    Author: config.author ?? "",
    Config: inspectConfig(config.config ?? {}),
    Architecture: config.architecture,
    ...(config.variant && { Variant: config.variant }),
    Os: config.os,
    Size: sizeOf(record),
    GraphDriver: graphDriver(store, record),
    RootFS: {
      Type: "layers",
      ...(config.rootfs.diff_ids.length > 0 && { Layers: config.rootfs.diff_ids }),
    },
    Metadata: { LastTagTime: record.lastTagTime },
    Descriptor: record.manifest,
  };
}

/** The record that `name` means. Throws NoSuchImageError, BadNameError. */
export function findRecord(store: Store, name: string): ImageRecord {
  const id = resolveId(readEntries(store), name);
  if (id === undefined) throw noSuchImage(name);
  const record = readRecord(store, id);
  if (record === undefined) throw lostRecord(store, id, name);
  return record;
}

/** One image as docker's API shows it. Throws NoSuchImageError, BadNameError. */
export function inspectImage(store: Store, name: string): Record<string, unknown> {
  return inspectRecord(store, findRecord(store, name), readEntries(store));
}

/** One line of `history`, newest first. */
export interface HistoryLine {
  /** undefined: `<missing>`. */
  id?: Digest;
  /** RFC 3339. */
  created?: string;
  createdBy: string;
  size: number;
  comment: string;
  tags: string[];
}

/** The steps that made an image. The images between are not stored, so only the newest has an id. */
export function historyOf(store: Store, name: string): HistoryLine[] {
  const record = findRecord(store, name);
  const entries = readEntries(store);
  const steps = record.config.history ?? [];
  let layer = 0;
  const lines: HistoryLine[] = steps.map((step) => ({
    ...(step.created && { created: step.created }),
    createdBy: step.created_by ?? "",
    size: step.empty_layer ? 0 : record.layerSizes[layer++] ?? 0,
    comment: step.comment ?? "",
    tags: [],
  }));
  // An image without a history still has layers.
  for (; layer < record.layerSizes.length; layer++) {
    lines.push({ createdBy: "", size: record.layerSizes[layer], comment: "", tags: [] });
  }
  if (lines.length === 0) lines.push({ createdBy: "", size: 0, comment: "", tags: [] });
  nameLines(store, record, entries, lines);
  return lines.reverse();
}

/** Gives ids to the newest line and to those that an image it was committed from ended with. */
function nameLines(
  store: Store,
  record: ImageRecord,
  entries: readonly IndexEntry[],
  lines: HistoryLine[],
): void {
  for (let at: ImageRecord | undefined = record; at !== undefined;) {
    const steps = Math.max(at.config.history?.length ?? 0, at.layerSizes.length, 1);
    const line = lines[steps - 1];
    if (line !== undefined) {
      line.id = at.id;
      line.tags = namesOf(entries, at.id).repoTags;
    }
    at = at.parent === undefined ? undefined : readRecord(store, at.parent);
  }
}

/** An id as tables show it. */
export function shownId(id: Digest | undefined, whole: boolean): string {
  if (id === undefined) return "<missing>";
  return whole ? id : shortId(id);
}
