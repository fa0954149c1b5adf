/**
 * From `-v`, `--mount`, `--tmpfs`, `--volumes-from` and the image's VOLUMEs to one list of
 * mounts, checked and without duplicates. Nothing is created: the engine then finds the host
 * path of each.
 */
import { UserError } from "../base/errors.ts";
import { cleanPath } from "../base/paths.ts";
import { quoteGo } from "../base/quote.ts";
import { checkVolumeName } from "./names.ts";
import { parseTmpfsOptions, tmpfsWords } from "./tmpfs_options.ts";
import type { CreateRequest, Mount, MountPoint } from "./types.ts";

/** How far "read-only" reaches into mounts below the source. */
export type ReadonlyReach = "top" | "all" | "force";

/** One mount that was asked for. */
export interface PlannedMount {
  readonly type: "bind" | "volume" | "tmpfs" | "image";
  /** Absolute host path, volume name ("" for an anonymous one), image; "" for a tmpfs. */
  readonly source: string;
  /** Absolute and clean. */
  readonly target: string;
  readonly readonly: boolean;
  /** "rprivate", "rslave" …; "" where it has no meaning. */
  readonly propagation: string;
  /** Bind the mounts below the source as well. */
  readonly recursive: boolean;
  readonly readonlyReach: ReadonlyReach;
  /** The text of `Mode` in inspect: the options of `-v` as typed. */
  readonly mode: string;
  /** SELinux: "z" shared, "Z" private. */
  readonly relabel: "" | "z" | "Z";
  /** A new volume is filled from the image's directory unless this is set. */
  readonly noCopy: boolean;
  /** A source that is missing is made, as an empty directory (`-v` only). */
  readonly createSource: boolean;
  /** Show the owners of the source as the container's user namespace has them. */
  readonly idmap: boolean;
  /** Below the volume or image. */
  readonly subpath: string;
  readonly driver: string;
  readonly driverOptions: Record<string, string>;
  readonly labels: Record<string, string>;
  /** Option words of a tmpfs. */
  readonly tmpfsOptions: readonly string[];
}

const NOTHING: Omit<PlannedMount, "type" | "source" | "target"> = {
  readonly: false,
  propagation: "",
  recursive: true,
  readonlyReach: "all",
  mode: "",
  relabel: "",
  noCopy: false,
  createSource: false,
  idmap: false,
  subpath: "",
  driver: "",
  driverOptions: {},
  labels: {},
  tmpfsOptions: [],
};

const PROPAGATIONS = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/** The kinds of words in the third field of `-v`; at most one of each. */
const MODE_WORDS: Record<string, readonly string[]> = {
  access: ["rw", "ro"],
  label: ["z", "Z"],
  propagation: PROPAGATIONS,
  copy: ["nocopy"],
  consistency: ["consistent", "cached", "delegated"],
  idmap: ["idmap"],
};

/** The words of a mode by kind; undefined where one is unknown or a kind is there twice. */
function parseMode(mode: string): Record<string, string> | undefined {
  const found: Record<string, string> = {};
  for (const word of mode === "" ? [] : mode.split(",")) {
    const kind = Object.keys(MODE_WORDS).find((name) => MODE_WORDS[name].includes(word));
    if (kind === undefined || kind in found) return undefined;
    found[kind] = word;
  }
  return found;
}

function refuse(message: string): never {
  throw new UserError(message);
}

/** Checks where a mount goes. The texts are docker's. */
function checkTarget(target: string, fail: (why: string) => never): void {
  if (target === "") fail("field Target must not be empty");
  if (cleanPath(target) === "/") fail("invalid specification: destination can't be '/'");
  if (!target.startsWith("/")) {
    fail(`invalid mount path: '${target}' mount path must be absolute`);
  }
}

/**
 * Parses one of the API's Binds, `SOURCE:TARGET[:MODE]`, or `TARGET` alone for an anonymous
 * volume. Throws a UserError with docker's text.
 */
export function parseBind(text: string, volumeDriver = ""): PlannedMount {
  const invalid = `invalid volume specification: '${text}'`;
  const fields = text.split(":");
  if (fields[0] === "" || fields.length > 3) refuse(invalid);
  const [source, target, mode = ""] = fields.length === 1 ? ["", fields[0]] : fields;
  if (fields.length === 2 && parseMode(target) !== undefined) refuse(invalid);
  const words = parseMode(mode);
  if (words === undefined) refuse(`invalid mode: ${mode}`);
  const type = source.startsWith("/") ? "bind" : "volume";
  const fail = (why: string) =>
    refuse(`${invalid}: invalid mount config for type ${quoteGo(type)}: ${why}`);
  checkTarget(target, fail);
  if (type === "volume") {
    if (source !== "") checkVolumeName(source);
    if (words.propagation !== undefined) fail("field BindOptions must not be specified");
  } else if (words.copy !== undefined) fail("field VolumeOptions must not be specified");
  return {
    ...NOTHING,
    type,
    source: type === "bind" ? cleanPath(source) : source,
    target: cleanPath(target),
    readonly: words.access === "ro",
    propagation: type === "bind" ? words.propagation ?? "rprivate" : "",
    mode,
    relabel: (words.label ?? "") as PlannedMount["relabel"],
    noCopy: words.copy !== undefined,
    createSource: type === "bind",
    idmap: words.idmap !== undefined,
    driver: type === "volume" ? volumeDriver : "",
  };
}

/** Whether a relative path stays where it starts. */
function isLocal(path: string): boolean {
  return path !== "" && !path.startsWith("/") && !path.split("/").includes("..");
}

/** Checks one `--mount` with docker's texts; what it is on the host is not looked at. */
function checkMount(mount: Mount, fail: (why: string) => never): void {
  checkTarget(mount.Target, fail);
  const extra = (field: string, value: unknown) => {
    if (value) fail(`field ${field} must not be specified`);
  };
  const { Type: type, Source: source = "", BindOptions: bind, VolumeOptions: volume } = mount;
  if (type !== "bind") extra("BindOptions", bind);
  if (type !== "volume") extra("VolumeOptions", volume);
  if (type !== "image") extra("ImageOptions", mount.ImageOptions);
  const subpath = volume?.Subpath ?? mount.ImageOptions?.Subpath ?? "";
  if (subpath !== "" && source === "") fail("must not set Subpath when using anonymous volumes");
  if (subpath !== "" && !isLocal(subpath)) {
    fail("subpath must be a relative path within the volume");
  }
  switch (type) {
    case "bind":
      if (source === "") fail("field Source must not be empty");
      if (bind?.Propagation && !PROPAGATIONS.includes(bind.Propagation)) {
        fail(`invalid propagation mode: ${bind.Propagation}`);
      }
      if (!source.startsWith("/")) {
        fail(`invalid mount path: '${source}' mount path must be absolute`);
      }
      return;
    case "volume":
      if (mount.ReadOnly && source === "") {
        fail("must not set ReadOnly mode when using anonymous volumes");
      }
      if (source !== "") checkVolumeName(source);
      return;
    case "tmpfs":
      return extra("Source", source);
    case "image":
      if (source === "") fail("field Source must not be empty");
      return;
    default:
      fail("mount type unknown");
  }
}

/** Turns one `--mount` into a planned one. Throws a UserError with docker's text. */
export function planMount(mount: Mount): PlannedMount {
  checkMount(
    mount,
    (why) => refuse(`invalid mount config for type ${quoteGo(mount.Type)}: ${why}`),
  );
  const { BindOptions: bind = {}, VolumeOptions: volume = {} } = mount;
  const source = mount.Source ?? "";
  const isBind = mount.Type === "bind";
  return {
    ...NOTHING,
    type: mount.Type as PlannedMount["type"],
    source: isBind ? cleanPath(source) : source,
    target: cleanPath(mount.Target),
    readonly: mount.Type === "image" || (mount.ReadOnly ?? false),
    propagation: isBind ? bind.Propagation ?? "rprivate" : "",
    recursive: !bind.NonRecursive,
    readonlyReach: bind.ReadOnlyForceRecursive
      ? "force"
      : bind.ReadOnlyNonRecursive || bind.NonRecursive
      ? "top"
      : "all",
    mode: mount.Type === "volume" ? "z" : "",
    noCopy: volume.NoCopy ?? false,
    createSource: bind.CreateMountpoint ?? false,
    subpath: volume.Subpath ?? mount.ImageOptions?.Subpath ?? "",
    driver: volume.DriverConfig?.Name ?? "",
    driverOptions: volume.DriverConfig?.Options ?? {},
    labels: volume.Labels ?? {},
    tmpfsOptions: mount.Type === "tmpfs" ? tmpfsWords(mount.TmpfsOptions, mount.ReadOnly) : [],
  };
}

/** `--volumes-from NAME[:MODE]`. */
export interface VolumesFrom {
  container: string;
  /** "" keeps what the other container has. */
  mode: string;
}

/** Parses one `--volumes-from`. Propagation and copy modes are not for it. */
export function parseVolumesFrom(text: string): VolumesFrom {
  if (text === "") refuse("volumes-from specification cannot be an empty string");
  const colon = text.indexOf(":");
  if (colon < 0) return { container: text, mode: "" };
  const mode = text.slice(colon + 1);
  const words = parseMode(mode);
  if (words === undefined || words.propagation || words.copy || words.idmap) {
    refuse(`invalid mode: ${mode}`);
  }
  return { container: text.slice(0, colon), mode };
}

/** The mount of another container as `--volumes-from` takes it over. */
function inherit(mount: MountPoint, mode: string): PlannedMount {
  const readonly = !mount.RW || mode.split(",").includes("ro");
  return {
    ...NOTHING,
    type: mount.Type,
    source: mount.Type === "volume" ? mount.Name ?? "" : mount.Source,
    target: mount.Destination,
    readonly,
    propagation: mount.Propagation,
    mode: mode === "" ? mount.Mode : mode,
    driver: mount.Driver ?? "",
  };
}

/** The mounts of another container, found by the name that `--volumes-from` gave. */
export type MountsOf = (container: string) => readonly MountPoint[];

/** An anonymous volume, from `-v /path` or the image's VOLUME. */
function anonymous(path: string): PlannedMount {
  const target = cleanPath(path);
  const fail = (why: string) => refuse(`invalid mount config for type "volume": ${why}`);
  checkTarget(path, fail);
  return { ...NOTHING, type: "volume", source: "", target };
}

/**
 * All mounts of a container, in the order in which they were given; later kinds win over
 * earlier ones as in docker: volumes-from, then -v, --mount and --tmpfs (two of these at one
 * place are an error), then anonymous volumes where nothing is mounted yet. `request.Volumes`
 * must hold the image's too (mergeImage()). Throws a UserError with docker's text.
 */
export function planMounts(request: CreateRequest, mountsOf: MountsOf): PlannedMount[] {
  const host = request.HostConfig;
  const planned = new Map<string, PlannedMount>();
  for (const { container, mode } of (host.VolumesFrom ?? []).map(parseVolumesFrom)) {
    for (const mount of mountsOf(container)) {
      planned.set(mount.Destination, inherit(mount, mode));
    }
  }
  const own = [
    ...Object.entries(host.Tmpfs ?? {}).map(([path, options]) => planTmpfs(path, options)),
    ...(host.Binds ?? []).map((bind) => parseBind(bind, host.VolumeDriver)),
    ...(host.Mounts ?? []).map(planMount),
  ];
  const seen = new Set<string>();
  for (const mount of own) {
    if (seen.has(mount.target)) refuse(`Duplicate mount point: ${mount.target}`);
    seen.add(mount.target);
    planned.set(mount.target, mount);
  }
  for (const path of Object.keys(request.Volumes ?? {})) {
    const mount = anonymous(path);
    if (!planned.has(mount.target)) planned.set(mount.target, mount);
  }
  return [...planned.values()];
}

/** One `--tmpfs PATH[:OPTIONS]`. */
function planTmpfs(path: string, options: string): PlannedMount {
  checkTarget(path, (why) => refuse(why));
  const words = parseTmpfsOptions(options);
  return {
    ...NOTHING,
    type: "tmpfs",
    source: "",
    target: cleanPath(path),
    readonly: words.includes("ro"),
    mode: options,
    tmpfsOptions: words,
  };
}

/** How `inspect` shows a mount. `hostPath` is where it lies, `name` the volume's name. */
export function toMountPoint(
  mount: PlannedMount,
  hostPath: string,
  name = mount.source,
): MountPoint {
  return {
    Type: mount.type,
    ...(mount.type === "volume" && { Name: name }),
    Source: mount.type === "tmpfs" ? "" : hostPath,
    Destination: mount.target,
    ...(mount.type === "volume" && { Driver: mount.driver || "local" }),
    Mode: mount.mode,
    RW: !mount.readonly,
    Propagation: mount.propagation,
  };
}
