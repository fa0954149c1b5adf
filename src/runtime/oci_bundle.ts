/** From a bundle on disk to the spec that is started: paths made absolute, defaults filled in. */
import { UserError } from "../base/errors.ts";
import { isAbsent } from "../base/files.ts";
import { ALL_CAPABILITIES } from "./capabilities.ts";
import { ALLOWED_DEVICES } from "./cgroup_devices.ts";
import { parseSpec } from "./spec.ts";
import type { Capabilities, DeviceRule, Spec } from "./spec_types.ts";

/** A bundle after reading. */
export interface Bundle {
  /** Absolute. */
  readonly directory: string;
  readonly spec: Spec;
}

/**
 * Reads the bundle in `path` (relative to the working directory). Throws UserError with runc's
 * texts where there is none; warnings of what is ignored go to `warn`.
 */
export function readBundle(path: string, warn: (text: string) => void): Bundle {
  const directory = realDirectory(path);
  let text: string;
  try {
    text = Deno.readTextFileSync(`${directory}/config.json`);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new UserError("JSON specification file config.json not found");
  }
  return { directory, spec: completeSpec(parseSpec(text), directory, warn) };
}

function realDirectory(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new UserError(`chdir ${path}: no such file or directory`);
  }
}

/** Makes paths absolute and adds what every container may do. Changes and returns `spec`. */
function completeSpec(spec: Spec, directory: string, warn: (text: string) => void): Spec {
  const absolute = (path: string) => path.startsWith("/") ? path : `${directory}/${path}`;
  if (spec.root) spec.root.path = absolute(spec.root.path);
  for (const mount of spec.mounts ?? []) {
    if (!mount.destination.startsWith("/")) {
      warn(`mount destination ${mount.destination} is not absolute`);
      mount.destination = `/${mount.destination}`;
    }
    const bound = mount.type === "bind" ||
      mount.options?.some((word) => word === "bind" || word === "rbind");
    if (bound && mount.source !== undefined) mount.source = absolute(mount.source);
  }
  const capabilities = spec.process?.capabilities;
  if (capabilities) spec.process!.capabilities = knownCapabilities(capabilities, warn);
  spec.linux ??= {};
  spec.linux.resources ??= {};
  spec.linux.resources.devices = deviceRules(spec.linux.resources.devices ?? []);
  return spec;
}

/** Names that this kernel's headers do not have are ignored, as the specification asks. */
function knownCapabilities(sets: Capabilities, warn: (text: string) => void): Capabilities {
  const unknown = new Set<string>();
  const known = (names: string[] | undefined) =>
    names?.filter((name) => {
      const is = ALL_CAPABILITIES.includes(name);
      if (!is) unknown.add(name);
      return is;
    });
  const { inheritable = [], permitted = [] } = sets;
  // The kernel's own rule: capabilities(7), "Ambient".
  const raisable = (name: string) => inheritable.includes(name) && permitted.includes(name);
  const ambient = known(sets.ambient)?.filter((name) => {
    if (!raisable(name)) warn(`can't raise ambient capability ${name}: it is not inheritable`);
    return raisable(name);
  });
  const out: Capabilities = {
    bounding: known(sets.bounding),
    effective: known(sets.effective),
    inheritable: known(sets.inheritable),
    permitted: known(sets.permitted),
    ambient,
  };
  if (unknown.size > 0) warn(`ignoring unknown capabilities: ${[...unknown].join(", ")}`);
  return out;
}

/**
 * The bundle's rules, then the default devices: config-linux.md demands that those work. Without
 * rules everything is denied first, as runc does.
 */
function deviceRules(rules: readonly DeviceRule[]): DeviceRule[] {
  const deny: DeviceRule[] = rules.length === 0 ? [{ allow: false, access: "rwm" }] : [];
  return [
    ...deny,
    ...rules,
    { allow: true, type: "c", access: "m" },
    { allow: true, type: "b", access: "m" },
    ...ALLOWED_DEVICES.map(([major, minor]): DeviceRule => ({
      allow: true,
      type: "c",
      major,
      ...(minor !== undefined && { minor }),
      access: "rwm",
    })),
  ];
}
