/** An image's explanation as text for people; where each thing is, and what it is good for. */
import { formatSize } from "../base/units.ts";
import type { ExplainedLayer, ImageExplanation } from "../engine/explain_image.ts";
import { section, shortener, table, wrapLines } from "./explain_layout.ts";
import { alignColumns } from "./output.ts";

const short = (digest: string) => digest.slice("sha256:".length, "sha256:".length + 12);

/** The whole text. `columns` is the width to keep to; `root` the engine's directory. */
export function imageText(image: ImageExplanation, columns: number, root: string): string {
  const names = [["$ROOT", root], ["$BLOBS", `${root}/images/blobs/sha256`]] as const;
  const shorten = shortener(names);
  const bytes = image.layers.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  const title = image.names[0] ?? image.id;
  return [
    `Image ${title} (${short(image.id)}): ${image.platform}, ${image.layers.length} ` +
    `layer${image.layers.length === 1 ? "" : "s"}, ${formatSize(bytes)} of files.\n`,
    section(
      "NAMES used below, and 12 digits of each digest, which is the SHA-256 of what it names",
      alignColumns(names.map((pair) => pair.join("\t"))),
    ),
    section("DOCUMENTS, each found by the one before", documentTable(image, columns, shorten)),
    section("LAYERS, lowest first", layerTable(image.layers, columns)),
    section("WHAT THE DIGESTS OF A LAYER ARE", wrapLines(DIGESTS, columns)),
    section("HISTORY, oldest first", historyTable(image, columns)),
    section("SETTINGS that a container gets", settingsTable(image, columns)),
    section("ROOT of a container $ID, by overlayfs", wrapLines(rootLines(image, shorten), columns)),
  ].filter((part) => part !== "").join("\n");
}

function documentTable(
  { names, index, manifest, config }: ImageExplanation,
  columns: number,
  shorten: (text: string) => string,
): string {
  const known = names.length === 0 ? "no name" : names.join(", ");
  const blob = (path: string) => shorten(path).replace(/([0-9a-f]{12})[0-9a-f]{52}/, "$1…");
  return table(["DOCUMENT", "WHERE", "SIZE", "SAYS"], [
    ["index", shorten(index), "", `${known}: manifest ${short(manifest.digest)}`],
    [
      "manifest",
      blob(manifest.path),
      formatSize(manifest.size),
      `the config is ${short(config.digest)}, and which blobs the layers are`,
    ],
    [
      "config",
      blob(config.path),
      formatSize(config.size),
      "settings, history, and what is in each layer (its diff id); its digest is the image's id",
    ],
  ], columns);
}

/** "application/vnd.oci.image.layer.v1.tar+gzip" -> "tar+gzip". */
function formOf({ blob: { mediaType } }: ExplainedLayer): string {
  return /tar.*$/.exec(mediaType)?.[0].replace(".", "+") ?? mediaType;
}

function layerTable(layers: readonly ExplainedLayer[], columns: number): string {
  if (layers.length === 0) return "";
  const header = ["LAYER", "BLOB", "FORM", "SIZE", "DIFF ID", "CHAIN ID", "FILES"];
  const rows = layers.map((layer, i) => [
    String(i + 1),
    short(layer.blob.digest),
    formOf(layer),
    formatSize(layer.blob.size),
    short(layer.diffId),
    short(layer.chainId),
    formatSize(layer.fileBytes),
  ]);
  const table = alignColumns([header, ...rows].map((row) => row.join("\t")));
  return table + wrapLines(layers.flatMap(remarks), columns);
}

function remarks({ sharedWith, isUnpacked }: ExplainedLayer, i: number): string[] {
  const others = sharedWith.map((name) => name.startsWith("sha256:") ? short(name) : name);
  return [
    ...(others.length === 0 ? [] : [`Layer ${i + 1} is in other images too: ${others.join(", ")}`]),
    ...(isUnpacked ? [] : [`Layer ${i + 1} is not unpacked now: its next use does it`]),
  ];
}

const DIGESTS = [
  "BLOB: of the layer as registries and archives have it, compressed or not: $BLOBS/BLOB…",
  "DIFF ID: of the same, not compressed. Two that were compressed differently are one layer.",
  "CHAIN ID: of the chain id below, a blank and the diff id; that of the lowest is its diff id. " +
  "The files are unpacked once, for all images that have the same layers up to there: " +
  "$ROOT/layers/CHAIN ID…/fs",
];

function historyTable({ history }: ImageExplanation, columns: number): string {
  const rows = history.map(({ layer, createdBy }) => [
    layer === undefined ? "settings only" : `layer ${layer}`,
    createdBy.replaceAll(/\s+/g, " "),
  ]);
  return rows.length === 0 ? "" : table(["MADE", "BY"], rows, columns);
}

/** What of the config says something to `run`, and which flag says it instead. */
function settingsTable({ settings }: ImageExplanation, columns: number): string {
  const { Entrypoint, Cmd, Env, User, WorkingDir, ExposedPorts, Volumes, StopSignal } = settings;
  const keys = (map?: Record<string, unknown>) => Object.keys(map ?? {}).join(" ");
  const rows = [
    ["Entrypoint", JSON.stringify(Entrypoint ?? []), "--entrypoint"],
    ["Cmd", JSON.stringify(Cmd ?? []), "what stands behind IMAGE"],
    [
      "Env",
      (Env ?? []).map((word) => /\s/.test(word) ? JSON.stringify(word) : word).join(" "),
      "-e",
    ],
    ["User", User ?? "", "-u"],
    ["WorkingDir", WorkingDir ?? "", "-w"],
    ["ExposedPorts", keys(ExposedPorts), "--expose; -P publishes them"],
    ["Volumes", keys(Volumes), "-v; a volume without a name each"],
    ["StopSignal", StopSignal ?? "", "--stop-signal"],
    ["Healthcheck", JSON.stringify(settings.Healthcheck?.Test ?? []), "--health-cmd"],
    ["Labels", keys(settings.Labels), "-l"],
  ].filter(([, value]) => value !== "" && value !== "[]");
  return rows.length === 0
    ? ""
    : table(["SETTING", "FLAG INSTEAD", "VALUE"], rows.map(([a, b, c]) => [a, c, b]), columns);
}

function rootLines({ overlay }: ImageExplanation, shorten: (text: string) => string): string[] {
  const lower = overlay.lower.map((path) => path.replace(/([0-9a-f]{12})[0-9a-f]{52}/, "$1…"));
  return [
    `mount -t overlay overlay -o lowerdir=${lower.join(":")},upperdir=${overlay.upper},` +
    `workdir=${overlay.work} ${overlay.root}`,
    "The topmost layer that has a file shows it. What the container writes goes to upperdir; the " +
    "layers stay as they are. A file of a layer that it removes is hidden by a character device " +
    "0:0 of that name there, a directory that it replaces bears trusted.overlay.opaque=y. In a " +
    "layer's archive these are .wh.NAME and .wh..wh..opq. commit makes a layer of upperdir.",
  ].map(shorten);
}
