/** config.json as it is read: checked against the shape of the specification, errors by JSON path. */
import { UserError } from "../base/errors.ts";
import { exactInteger, parseExactJson } from "./exact_json.ts";
import { PROCESS_SHAPE, RESOURCES_SHAPE, type Shape, SPEC_SHAPE } from "./spec_shape.ts";
import type { MemoryResources, Process, Resources, Spec } from "./spec_types.ts";

/** Above this a limit in bytes means "none": engines write 2^63-1 rounded down to pages. */
const NO_LIMIT = 2 ** 62;

/** Parses the text of a bundle's config.json. Throws UserError, e.g. "root.path: want a string". */
export function parseSpec(text: string): Spec {
  const spec = parseJson(text, "config.json", SPEC_SHAPE) as Spec;
  if (spec.process) completeProcess(spec.process);
  if (spec.linux?.resources) completeResources(spec.linux.resources);
  return spec;
}

/** Parses the file of `exec --process`. */
export function parseProcess(text: string): Process {
  return completeProcess(parseJson(text, "process", PROCESS_SHAPE) as Process);
}

/** Parses what `update --resources` reads. */
export function parseResources(text: string): Resources {
  return completeResources(parseJson(text, "resources", RESOURCES_SHAPE) as Resources);
}

function parseJson(text: string, what: string, shape: Shape): unknown {
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch (error) {
    throw new UserError(`Cannot read ${what}: ${(error as Error).message}`);
  }
  return conform(value, shape, "", what);
}

/** Objects of Go are never absent: what the specification demands may still be missing. */
function completeProcess(process: Process): Process {
  process.user ??= { uid: 0, gid: 0 };
  process.user.uid ??= 0;
  process.user.gid ??= 0;
  return process;
}

function completeResources(resources: Resources): Resources {
  const memory = resources.memory;
  if (memory) {
    for (const name of ["limit", "reservation", "swap", "kernel", "kernelTCP"] as const) {
      const value: MemoryResources[typeof name] = memory[name];
      if (value !== undefined && value >= NO_LIMIT) memory[name] = -1;
    }
  }
  return resources;
}

/**
 * `value` if it has the shape, with null taken for absent and large integers as numbers where no
 * exact ones are wanted. Properties that are not known stay: the specification says to ignore them.
 */
function conform(value: unknown, shape: Shape, path: string, what: string): unknown {
  if (typeof shape === "string") return conformPlain(value, shape, path, what);
  if ("list" in shape) {
    if (!Array.isArray(value)) throw wrong(path, "a list", value, what);
    const list: unknown[] = value;
    for (let i = 0; i < list.length; i++) {
      list[i] = conform(list[i], shape.list, `${path}[${i}]`, what);
    }
    return list;
  }
  const isNumber = exactInteger(value) !== undefined; // a great one is an object here
  if (value === null || typeof value !== "object" || Array.isArray(value) || isNumber) {
    throw wrong(path, "an object", value, what);
  }
  const object = value as Record<string, unknown>;
  const at = (name: string) => path === "" ? name : `${path}.${name}`;
  if ("map" in shape) {
    for (const name of Object.keys(object)) {
      object[name] = conform(object[name], shape.map, at(name), what);
    }
    return object;
  }
  for (const field in shape.object) {
    const required = field.endsWith("!");
    const name = required ? field.slice(0, -1) : field;
    const found = object[name];
    if (found === undefined || found === null) {
      if (required) throw new UserError(`Cannot use ${what}: ${at(name)} is missing`);
      delete object[name];
      continue;
    }
    object[name] = conform(found, shape.object[field], at(name), what);
  }
  return object;
}

function conformPlain(
  value: unknown,
  shape: "string" | "boolean" | "integer" | "exact",
  path: string,
  what: string,
): unknown {
  if (shape === "integer" || shape === "exact") {
    const exact = exactInteger(value);
    if (exact === undefined) throw wrong(path, "a whole number", value, what);
    return shape === "exact" ? value : Number(exact);
  }
  const found: string = typeof value;
  if (found !== shape) throw wrong(path, `a ${shape}`, value, what);
  return value;
}

function wrong(path: string, want: string, value: unknown, what: string): UserError {
  const found = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
  return new UserError(`Cannot use ${what}: ${path || "the file"} is ${found}, want ${want}`);
}
