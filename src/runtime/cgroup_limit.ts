/** What a row of the table of limits is made of, and the conversions between v1 and v2. */
import { UserError } from "../base/errors.ts";
import type { Resources } from "./spec_types.ts";

/** One way to write a value: the first whose file exists is taken. */
export interface Target<T> {
  readonly controller: string;
  /** "<size>" stands for a page size that the value brings. */
  readonly file: string;
  /** How the value is written, for the page. */
  readonly as: string;
  text(value: T, all: Resources): string | undefined;
}

/** One limit. `T` is one value of its field; a field can hold several. */
export interface Limit<T = unknown> {
  readonly flags: string;
  /** Path in `linux.resources`. */
  readonly field: string;
  readonly does: string;
  /** What the user reads where this machine has no such file. Absent: nothing. */
  readonly missing?: string;
  values(all: Resources): readonly T[];
  readonly v1: readonly Target<T>[];
  readonly v2: readonly Target<T>[];
}

/** Keeps `T` between `values` and `text`, then forgets it. */
export const limit = <T>(row: Limit<T>): Limit => row as unknown as Limit;

/** A field that may be absent, as a list. */
export const some = <T>(value: T | null | undefined): T[] =>
  value === undefined || value === null ? [] : [value];

/** A target without the names of its members. */
export function target<T>(
  controller: string,
  file: string,
  as: string,
  text: (value: T, all: Resources) => string | undefined,
): Target<T> {
  return { controller, file, as, text };
}

/** The value as it is. */
export const plain = (value: number | string) => String(value);
/** "max" for a negative number. */
export const maxIfNegative = (value: number) => value < 0 ? "max" : String(value);
/** "max" for zero and below. */
export const maxUnlessPositive = (value: number) => value <= 0 ? "max" : String(value);

const LEAST_SHARES = 2, MOST_SHARES = 262144;

/** `--cpu-shares` for v1, whose kernel makes a fitting number of any: UserError with docker's text. */
export function cpuShares(shares: number): string {
  if (shares < LEAST_SHARES) {
    throw new UserError(`the minimum allowed cpu-shares is ${LEAST_SHARES}`);
  }
  if (shares > MOST_SHARES) throw new UserError(`the maximum allowed cpu-shares is ${MOST_SHARES}`);
  return String(shares);
}

/** `--cpu-shares` (2 to 262144) as cpu.weight (1 to 10000), as runc and crun have it. */
export function cpuWeight(shares: number): number {
  const bounded = Math.min(Math.max(shares, LEAST_SHARES), MOST_SHARES);
  return 1 + Math.floor((bounded - 2) * 9999 / 262142);
}

/** `--blkio-weight` (10 to 1000) as io.weight (1 to 10000). */
export function ioWeight(weight: number): number {
  return 1 + Math.floor((weight - 10) * 9999 / 990);
}

/**
 * Memory plus swap, as v1 and docker count, as swap alone: memory.swap.max. Throws UserError where
 * there is no memory limit to subtract, or a larger one.
 */
export function swapMax(swap: number, memory: number | undefined): string | undefined {
  if (swap < 0) return "max";
  if (swap === 0) return undefined;
  if (memory === undefined || memory <= 0) {
    throw new UserError(
      "You should always set the Memory limit when using Memoryswap limit, see usage",
    );
  }
  if (swap < memory) {
    throw new UserError(
      "Minimum memoryswap limit should be larger than memory limit, see usage",
    );
  }
  return String(swap - memory);
}
