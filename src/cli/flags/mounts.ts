/** `-v`, `--mount`, `--tmpfs`: what is mounted into the container, as the user spells it. */
import { parseSize } from "../../base/units.ts";
import { cleanPath } from "../../base/paths.ts";
import { parseBool } from "../args.ts";
import type { Mount } from "../../engine/types.ts";
import { badFlag, cut, parseCsvRecord } from "./units.ts";

/** A source that starts with a dot is relative to the client's directory. */
function absoluteSource(source: string, cwd: string): string {
  return source.startsWith(".") ? cleanPath(`${cwd}/${source}`) : source;
}

/** All `-v`: binds and named volumes go on as text, anonymous ones by their path. */
export interface VolumeFlags {
  binds: string[];
  anonymous: string[];
}

/**
 * Sorts `-v` values and makes relative sources absolute. The engine checks the rest: only
 * the number of fields, and that none is empty, is looked at here.
 */
export function parseVolumes(specs: readonly string[], cwd: string): VolumeFlags {
  const flags: VolumeFlags = { binds: [], anonymous: [] };
  for (const spec of new Set(specs)) {
    if (spec === "") badFlag("invalid empty volume spec");
    const fields = spec.split(":");
    // What comes first in the text is what docker says of it.
    if (fields.slice(0, 3).includes("")) {
      badFlag(`invalid spec: ${spec}: empty section between colons`);
    }
    // A letter before a colon is a drive of Windows to docker's client; the daemon refuses it then.
    const isTooMuch = spec.split(/(?<!(?:^|:)[a-zA-Z]):/).length > 3;
    if (isTooMuch) badFlag(`invalid spec: ${spec}: too many colons`);
    if (fields.length === 1) flags.anonymous.push(spec);
    else flags.binds.push([absoluteSource(fields[0], cwd), ...fields.slice(1)].join(":"));
  }
  return flags;
}

/** `--tmpfs /path[:options]`: options by path. They are checked by the engine. */
export function parseTmpfs(specs: readonly string[]): Record<string, string> {
  return Object.fromEntries(specs.map((spec) => {
    const [path, options] = cut(spec, ":");
    return [path, options ?? ""];
  }));
}

/** Reads the `key=value` fields of one `--mount` into a Mount. */
type FieldReader = (mount: Mount, value: string, key: string) => void;

function readBool(key: string, value: string): boolean {
  try {
    return parseBool(value);
  } catch {
    badFlag(`invalid value for ${key}: ${value}`);
  }
}

function volumeOptions(mount: Mount) {
  return mount.VolumeOptions ??= { DriverConfig: {} };
}

const bindOptions = (mount: Mount) => mount.BindOptions ??= {};
const tmpfsOptions = (mount: Mount) => mount.TmpfsOptions ??= {};

function setPair(map: Record<string, string>, text: string): void {
  const [key, value] = cut(text, "=");
  if (key !== "") map[key] = value ?? "";
}

const readSource: FieldReader = (mount, value) => {
  mount.Source = value;
};
const readTarget: FieldReader = (mount, value) => {
  mount.Target = value;
};
const readReadonly: FieldReader = (mount, value, key) => {
  mount.ReadOnly = readBool(key, value);
};

const RECURSIVE: Record<string, (mount: Mount) => void> = {
  enabled: () => {},
  disabled: (mount) => bindOptions(mount).NonRecursive = true,
  writable: (mount) => bindOptions(mount).ReadOnlyNonRecursive = true,
  readonly: (mount) => bindOptions(mount).ReadOnlyForceRecursive = true,
};

const FIELDS: Record<string, FieldReader> = {
  type: (mount, value) => mount.Type = value.toLowerCase() as Mount["Type"],
  source: readSource,
  src: readSource,
  target: readTarget,
  dst: readTarget,
  destination: readTarget,
  readonly: readReadonly,
  ro: readReadonly,
  consistency: (mount, value) => mount.Consistency = value.toLowerCase(),
  "bind-propagation": (mount, value) => bindOptions(mount).Propagation = value.toLowerCase(),
  "bind-nonrecursive": (mount, value, key) =>
    bindOptions(mount).NonRecursive = readBool(key, value),
  "bind-recursive": (mount, value, key) => {
    if (!Object.hasOwn(RECURSIVE, value)) {
      badFlag(
        `invalid value for ${key}: ${value} ` +
          `(must be "enabled", "disabled", "writable", or "readonly")`,
      );
    }
    RECURSIVE[value](mount);
  },
  "volume-subpath": (mount, value) => volumeOptions(mount).Subpath = value,
  "volume-nocopy": (mount, value, key) => volumeOptions(mount).NoCopy = readBool(key, value),
  "volume-label": (mount, value) => setPair(volumeOptions(mount).Labels ??= {}, value),
  "volume-driver": (mount, value) => volumeOptions(mount).DriverConfig!.Name = value,
  "volume-opt": (mount, value) => setPair(volumeOptions(mount).DriverConfig!.Options ??= {}, value),
  "image-subpath": (mount, value) => mount.ImageOptions = { Subpath: value },
  "tmpfs-size": (mount, value, key) => {
    try {
      tmpfsOptions(mount).SizeBytes = parseSize(value);
    } catch {
      badFlag(`invalid value for ${key}: ${value}`);
    }
  },
  "tmpfs-mode": (mount, value, key) => {
    const mode = /^[0-7]+$/.test(value) ? parseInt(value, 8) : NaN;
    if (!(mode < 2 ** 32)) badFlag(`invalid value for ${key}: ${value}`);
    tmpfsOptions(mount).Mode = mode;
  },
};

/** Fields that may stand alone, without "=value". */
const BARE: Record<string, (mount: Mount) => void> = {
  readonly: (mount) => mount.ReadOnly = true,
  ro: (mount) => mount.ReadOnly = true,
  "volume-nocopy": (mount) => volumeOptions(mount).NoCopy = true,
  "bind-nonrecursive": (mount) => bindOptions(mount).NonRecursive = true,
};

/** Parses one `--mount`: a CSV record of `key=value`. A relative source stays as it is. */
export function parseMount(text: string): Mount {
  const mount: Mount = { Type: "volume", Target: "" };
  for (const field of parseCsvRecord(text)) {
    const [rawKey, value] = cut(field, "=");
    const key = rawKey.toLowerCase();
    if (value === undefined) {
      if (!Object.hasOwn(BARE, key)) {
        badFlag(`invalid field '${field}' must be a key=value pair`);
      }
      BARE[key](mount);
    } else {
      if (!Object.hasOwn(FIELDS, key)) badFlag(`unexpected key '${key}' in '${field}'`);
      FIELDS[key](mount, value, key);
    }
  }
  checkMount(mount);
  return mount;
}

/** The mounts with their relative sources made absolute. */
export function absoluteMounts(mounts: readonly Mount[], cwd: string): Mount[] {
  return mounts.map((mount) =>
    mount.Source === undefined ? mount : { ...mount, Source: absoluteSource(mount.Source, cwd) }
  );
}

/** What does not fit together within one `--mount`. */
function checkMount(mount: Mount): void {
  if ((mount.Type as string) === "") badFlag("type is required");
  if (mount.Target === "") badFlag("target is required");
  const groups = [
    ["volume", mount.VolumeOptions],
    ["image", mount.ImageOptions],
    ["bind", mount.BindOptions],
    ["tmpfs", mount.TmpfsOptions],
  ] as const;
  for (const [type, options] of groups) {
    if (options !== undefined && mount.Type !== type) {
      badFlag(`cannot mix '${type}-*' options with mount type '${mount.Type}'`);
    }
  }
  const bind = mount.BindOptions ?? {};
  const requires = (value: string, other: string) =>
    badFlag(`option 'bind-recursive=${value}' requires '${other}' to be specified in conjunction`);
  if (bind.ReadOnlyNonRecursive && !mount.ReadOnly) requires("writable", "readonly");
  if (bind.ReadOnlyForceRecursive && !mount.ReadOnly) requires("readonly", "readonly");
  if (bind.ReadOnlyForceRecursive && bind.Propagation !== "rprivate") {
    requires("readonly", "bind-propagation=rprivate");
  }
}
