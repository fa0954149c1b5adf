/**
 * Which devices a cgroup may use. v1 takes rules line by line; for v2 they are applied here, in the
 * way of v1, and what comes out becomes a program (cgroup_device_program.ts).
 * Documentation/admin-guide/cgroup-v1/devices.rst, security/device_cgroup.c.
 */
import { UserError } from "../base/errors.ts";
import type { DeviceRule } from "./spec_types.ts";

export const MKNOD = 1;
export const READ = 2;
export const WRITE = 4;

/** Character devices that every container may use: [major, minor], undefined for all. */
export const ALLOWED_DEVICES: readonly [major: number, minor: number | undefined][] = [
  [1, 3], // null
  [1, 5], // zero
  [1, 7], // full
  [1, 8], // random
  [1, 9], // urandom
  [5, 0], // tty
  [5, 1], // console
  [5, 2], // ptmx
  [136, undefined], // pts/*
];

/** Devices that are treated other than the rest. An absent number means all. */
export interface DeviceException {
  readonly type: "b" | "c";
  readonly major?: number;
  readonly minor?: number;
  /** MKNOD, READ and WRITE. */
  readonly access: number;
}

/** What holds for all devices, and the exceptions from it. */
export interface DeviceList {
  readonly allowed: boolean;
  readonly exceptions: readonly DeviceException[];
}

function accessBits(access: string | undefined): number {
  let bits = 0;
  for (const letter of access ?? "rwm") {
    if (letter === "r") bits |= READ;
    else if (letter === "w") bits |= WRITE;
    else if (letter === "m") bits |= MKNOD;
    else throw new UserError(`Cannot use device access "${access}": want letters of rwm`);
  }
  return bits;
}

/** A device number of a rule; OCI writes "all" as absent, null or -1. */
function deviceNumber(value: number | null | undefined): number | undefined {
  if (value === undefined || value === null || value === -1) return undefined;
  if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value;
  throw new UserError(`Cannot use device number ${value}: want 0 to 4294967295`);
}

/**
 * Applies `rules` one after the other to a cgroup that allows everything. A rule for all devices
 * throws away what was said before. Throws UserError for types, accesses and numbers that are none.
 */
export function deviceList(rules: readonly DeviceRule[]): DeviceList {
  let allowed = true;
  const exceptions = new Map<string, DeviceException>();
  for (const rule of rules) {
    const access = accessBits(rule.access);
    const major = deviceNumber(rule.major);
    const minor = deviceNumber(rule.minor);
    const types = ruleTypes(rule.type);
    if (types.length === 2 && major === undefined && minor === undefined) {
      // The kernel does not look at the access of such a rule either.
      allowed = rule.allow;
      exceptions.clear();
      continue;
    }
    for (const type of types) {
      const key = `${type} ${major}:${minor}`;
      const known = exceptions.get(key)?.access ?? 0;
      const bits = rule.allow === allowed ? known & ~access : known | access;
      if (bits === 0) exceptions.delete(key);
      else exceptions.set(key, { type, major, minor, access: bits });
    }
  }
  return { allowed, exceptions: [...exceptions.values()] };
}

function ruleTypes(type: string | undefined): ("b" | "c")[] {
  switch (type) {
    case undefined:
    case "":
    case "a":
      return ["b", "c"];
    case "b":
      return ["b"];
    case "c":
    case "u":
      return ["c"];
    default:
      throw new UserError(`Cannot use device type "${type}": want a, b or c`);
  }
}

/**
 * A rule as devices.allow and devices.deny of v1 take it: "c 1:3 rwm", "a" for everything. Throws
 * UserError as `deviceList`.
 */
export function deviceLines({ type, major, minor, access = "rwm" }: DeviceRule): string[] {
  accessBits(access);
  const place = `${deviceNumber(major) ?? "*"}:${deviceNumber(minor) ?? "*"}`;
  const types = ruleTypes(type);
  if (types.length === 2 && place === "*:*") return ["a"];
  return types.map((letter) => `${letter} ${place} ${access}`);
}
