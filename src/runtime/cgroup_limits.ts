/** Setting limits: rows of the table become writes, writes happen, what is missing is told. */
import { EBUSY, EINVAL, ENOENT, EOPNOTSUPP, errnoText } from "../../ffi/errno.ts";
import { UserError } from "../base/errors.ts";
import { readNumber, writeControl } from "./cgroup_files.ts";
import type { Limit } from "./cgroup_limit.ts";
import { LIMITS } from "./cgroup_table.ts";
import type { WrittenFiles } from "./cgroup_undo.ts";
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
      // Nobody misses what he does not want.
      if (targets.length === 0 && value === false) continue;
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

/** The cgroup's directory for a controller; undefined where this machine has none. */
type DirectoryOf = (controller: string) => string | undefined;

/**
 * Writes the limits in `resources`. Returns the warnings of what is missing, in docker's words.
 * Throws UserError where the kernel refuses a value; with `written`, what was written before that
 * is taken back.
 */
export function setLimits(
  resources: Resources,
  version: 1 | 2,
  directoryOf: DirectoryOf,
  written?: WrittenFiles,
): string[] {
  if (resources.memory?.checkBeforeUpdate) checkUsage(resources, version, directoryOf);
  try {
    const warnings = writeAll(plannedWrites(resources, version), directoryOf, written);
    writeUnified(resources, version, directoryOf);
    return warnings;
  } catch (error) {
    written?.restore();
    throw error;
  }
}

function writeAll(
  writes: readonly PlannedWrite[],
  directoryOf: DirectoryOf,
  written: WrittenFiles | undefined,
): string[] {
  const warnings = new Set<string>();
  const again: PlannedWrite[] = [];
  for (const write of writes) {
    const result = writeFirst(write, directoryOf, written);
    // Pairs (memory and swap, quota and period) are checked against each other: the second value
    // may have to be there before the first.
    if (result === -EINVAL || result === -EBUSY) again.push(write);
    else if (result < 0) refuse(write, result, warnings);
  }
  for (const write of again) {
    const result = writeFirst(write, directoryOf, written);
    if (result < 0) refuse(write, result, warnings);
  }
  return [...warnings];
}

/**
 * The result of the write that found its file; -ENOENT where no file is there. A file that does
 * nothing for this device (its disk has not that scheduler) is as good as none.
 */
function writeFirst(
  { choices }: PlannedWrite,
  directoryOf: DirectoryOf,
  written: WrittenFiles | undefined,
): number {
  for (const { controller, file, text } of choices) {
    const directory = directoryOf(controller);
    if (directory === undefined) continue;
    const path = `${directory}/${file}`;
    written?.remember(path, text);
    const result = writeControl(path, text);
    if (result !== -ENOENT && result !== -EOPNOTSUPP) return result;
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
  const hint = file === "cpu.rt_runtime_us" && result === -EINVAL
    ? " (more than cpu.rt_runtime_us of the cgroup above has left)"
    : "";
  throw new UserError(
    `Cannot set ${name}: write "${text}" to ${file}: ${errnoText(-result)}${hint}`,
  );
}

function writeUnified(
  resources: Resources,
  version: 1 | 2,
  directoryOf: DirectoryOf,
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
  directoryOf: DirectoryOf,
): void {
  const wanted = resources.memory?.limit;
  const directory = directoryOf("memory");
  if (version === 1 || wanted === undefined || wanted < 0 || directory === undefined) return;
  const current = () => readNumber(`${directory}/memory.current`);
  let used = current();
  // Page cache is not in use: let the kernel drop it first (Linux 5.19).
  if (used !== undefined && used > wanted) {
    writeControl(`${directory}/memory.reclaim`, String(used - wanted));
    used = current();
  }
  if (used !== undefined && used > wanted) {
    throw new UserError(`Cannot set --memory: ${used} bytes are in use, ${wanted} were asked for`);
  }
}
