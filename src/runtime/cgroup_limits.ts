/** Setting limits: rows of the table become writes, writes happen, what is missing is told. */
import { EBUSY, EINVAL, ENOENT, errnoText } from "../../ffi/errno.ts";
import { UserError } from "../base/errors.ts";
import { readNumber, writeControl } from "./cgroup_files.ts";
import type { Limit } from "./cgroup_limit.ts";
import { LIMITS } from "./cgroup_table.ts";
import type { Resources } from "./spec_types.ts";

/** One value to be written: to the first of the files that exists. */
export interface PlannedWrite {
  readonly limit: Limit;
  readonly choices: readonly { controller: string; file: string; text: string }[];
}

/** The writes that `resources` asks for on cgroup version `version`, in order. Pure. */
export function plannedWrites(resources: Resources, version: 1 | 2): PlannedWrite[] {
  const writes: PlannedWrite[] = [];
  for (const limit of LIMITS) {
    for (const value of limit.values(resources)) {
      const targets = version === 1 ? limit.v1 : limit.v2;
      const choices = targets.flatMap(({ controller, file, text }) => {
        const written = text(value, resources);
        return written === undefined
          ? []
          : [{ controller, file: fileName(file, value), text: written }];
      });
      // A target that has nothing to say of this value is no missing file.
      if (choices.length > 0 || targets.length === 0) writes.push({ limit, choices });
    }
  }
  return writes;
}

function fileName(file: string, value: unknown): string {
  if (!file.includes("<size>")) return file;
  const size = (value as { pageSize: string }).pageSize;
  if (!/^\d+[KMGT]B$/.test(size)) {
    throw new UserError(`Cannot limit huge pages of "${size}": want e.g. 2MB, 1GB`);
  }
  return file.replace("<size>", size);
}

/** Files of cgroup v2 that the bundle names itself. Throws UserError for what is not a file name. */
function unifiedWrites(resources: Resources): [file: string, text: string][] {
  const entries = Object.entries(resources.unified ?? {});
  for (const [file] of entries) {
    if (!/^[a-z0-9_]+\.[A-Za-z0-9_.]+$/.test(file)) {
      throw new UserError(`Cannot write cgroup file "${file}": not a name of one`);
    }
  }
  return entries;
}

/**
 * Writes the limits in `resources`. `directoryOf` gives the cgroup's directory for a controller, or
 * undefined where this machine has none. Returns the warnings of what is missing, in docker's words.
 * Throws UserError where the kernel refuses a value.
 */
export function setLimits(
  resources: Resources,
  version: 1 | 2,
  directoryOf: (controller: string) => string | undefined,
): string[] {
  const warnings = new Set<string>();
  const again: PlannedWrite[] = [];
  if (resources.memory?.checkBeforeUpdate) checkUsage(resources, version, directoryOf);
  for (const write of plannedWrites(resources, version)) {
    const result = writeFirst(write, directoryOf);
    // Pairs (memory and swap, quota and period) are checked against each other: the second value
    // may have to be there before the first.
    if (result === -EINVAL || result === -EBUSY) again.push(write);
    else if (result < 0) refuse(write, result, warnings);
  }
  for (const write of again) {
    const result = writeFirst(write, directoryOf);
    if (result < 0) refuse(write, result, warnings);
  }
  writeUnified(resources, version, directoryOf);
  return [...warnings];
}

/** The result of the write that found its file; -ENOENT where no file is there. */
function writeFirst(
  { choices }: PlannedWrite,
  directoryOf: (controller: string) => string | undefined,
): number {
  for (const { controller, file, text } of choices) {
    const directory = directoryOf(controller);
    if (directory === undefined) continue;
    const result = writeControl(`${directory}/${file}`, text);
    if (result !== -ENOENT) return result;
  }
  return -ENOENT;
}

function refuse({ limit, choices }: PlannedWrite, result: number, warnings: Set<string>): void {
  if (result === -ENOENT) {
    if (limit.missing !== undefined) warnings.add(limit.missing);
    return;
  }
  const { file, text } = choices[0];
  const name = limit.flags === "" ? limit.field : limit.flags.split(", ").at(-1);
  throw new UserError(`Cannot set ${name}: write "${text}" to ${file}: ${errnoText(-result)}`);
}

function writeUnified(
  resources: Resources,
  version: 1 | 2,
  directoryOf: (controller: string) => string | undefined,
): void {
  const entries = unifiedWrites(resources);
  if (entries.length > 0 && version === 1) {
    throw new UserError("Cannot set unified cgroup files: this machine has cgroup v1");
  }
  for (const [file, text] of entries) {
    const result = writeControl(`${directoryOf("")}/${file}`, text);
    if (result < 0) {
      throw new UserError(`Cannot set ${file}: write "${text}": ${errnoText(-result)}`);
    }
  }
}

/** OCI's checkBeforeUpdate: v2 would kill processes to get below a smaller limit. */
function checkUsage(
  resources: Resources,
  version: 1 | 2,
  directoryOf: (controller: string) => string | undefined,
): void {
  const wanted = resources.memory?.limit;
  const directory = directoryOf("memory");
  if (version === 1 || wanted === undefined || wanted < 0 || directory === undefined) return;
  const used = readNumber(`${directory}/memory.current`);
  if (used !== undefined && used > wanted) {
    throw new UserError(`Cannot set --memory: ${used} bytes are in use, ${wanted} were asked for`);
  }
}
