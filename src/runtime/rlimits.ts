/** Resource limits of processes: `--ulimit`, OCI's names, the kernel's numbers. */
import { UserError } from "../base/errors.ts";
import type { Rlimit } from "./spec_types.ts";

/** In the order of their numbers; x86 and ARM agree. asm-generic/resource.h. */
const RESOURCES = ("cpu fsize data stack core rss nproc nofile memlock as locks sigpending " +
  "msgqueue nice rtprio rttime").split(" ");

/** RLIM_INFINITY of prlimit64(2). */
export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

/** `--ulimit` as docker's API has it. -1 is "no limit". */
export interface ParsedUlimit {
  Name: string;
  Soft: number;
  Hard: number;
}

/**
 * Parses "name=soft[:hard]"; one value is both. Throws UserError with docker's texts. docker has no
 * "as", so neither have we.
 */
export function parseUlimit(text: string): ParsedUlimit {
  const equals = text.indexOf("=");
  if (equals < 0) throw new UserError(`invalid ulimit argument: ${text}`);
  const name = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (name === "as" || !RESOURCES.includes(name)) {
    throw new UserError(`invalid ulimit type: ${name}`);
  }
  const parts = value.split(":");
  if (parts.length > 2) {
    throw new UserError(
      `too many limit value arguments - ${value}, can only have up to two, \`soft[:hard]\``,
    );
  }
  const hard = limitValue(parts[1] ?? parts[0]);
  const soft = limitValue(parts[0]);
  if (hard !== -1 && soft === -1) {
    throw new UserError(
      "ulimit soft limit must be less than or equal to hard limit: " +
        `soft: -1 (unlimited), hard: ${hard}`,
    );
  }
  if (hard !== -1 && soft > hard) {
    throw new UserError(
      `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`,
    );
  }
  return { Name: name, Soft: soft, Hard: hard };
}

/** A Go int64; above 2^53 rounded, which no limit of use reaches. */
function limitValue(text: string): number {
  const quoted = JSON.stringify(text);
  if (!/^[+-]?\d+$/.test(text)) {
    throw new UserError(`strconv.ParseInt: parsing ${quoted}: invalid syntax`);
  }
  const exact = BigInt(text.replace(/^\+/, ""));
  if (BigInt.asIntN(64, exact) !== exact) {
    throw new UserError(`strconv.ParseInt: parsing ${quoted}: value out of range`);
  }
  return Number(exact);
}

/** "nofile" -> "RLIMIT_NOFILE". */
export function ociRlimit({ Name, Soft, Hard }: ParsedUlimit): Rlimit {
  return { type: `RLIMIT_${Name.toUpperCase()}`, soft: Soft, hard: Hard };
}

/** What prlimit64(2) takes. */
export interface KernelRlimit {
  resource: number;
  soft: bigint;
  hard: bigint;
}

/**
 * `process.rlimits` as the kernel takes them. Throws UserError for an unknown or doubled type, a
 * fraction, or a soft limit above the hard one.
 */
export function kernelRlimits(rlimits: readonly Rlimit[]): KernelRlimit[] {
  const seen = new Set<number>();
  return rlimits.map(({ type, soft, hard }) => {
    const resource = type.startsWith("RLIMIT_")
      ? RESOURCES.indexOf(type.slice("RLIMIT_".length).toLowerCase())
      : -1;
    if (resource < 0) throw new UserError(`Cannot set limit "${type}": unknown`);
    if (seen.has(resource)) throw new UserError(`Cannot set limit "${type}": given twice`);
    seen.add(resource);
    const limit = { resource, soft: kernelValue(type, soft), hard: kernelValue(type, hard) };
    if (limit.soft > limit.hard) {
      throw new UserError(`Cannot set limit "${type}": soft ${soft} is above hard ${hard}`);
    }
    return limit;
  });
}

/** -1, and 2^64-1 as JSON rounds it, are "no limit". */
function kernelValue(type: string, value: number): bigint {
  if (value === -1 || value >= 2 ** 64) return RLIM_INFINITY;
  if (!Number.isInteger(value) || value < 0) {
    throw new UserError(`Cannot set limit "${type}": ${value} is not a number of units`);
  }
  return BigInt(value);
}
