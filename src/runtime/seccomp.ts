/** Profiles of `--security-opt seccomp=…`: reading docker's JSON format, resolving it for a container. */
import { UserError } from "../base/errors.ts";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";
import { exactInteger, parseExactJson } from "./exact_json.ts";
import { defaultText } from "./seccomp_default.ts";
import { defaultProfile, type ProfileCondition, type ProfileTarget } from "./seccomp_profile.ts";
import type { ProfileRule, SeccompProfile } from "./seccomp_profile.ts";
import { GO_ARCH, OCI_ARCH } from "./seccomp_machine.ts";
import type { Seccomp, SeccompRule } from "./spec_types.ts";

/** Longer files are no profiles. docker's default has 13 kB. */
const MAX_PROFILE_BYTES = 1 << 20;

/**
 * The default profile as `linux.seccomp` for a container with these capabilities. The usual ones
 * take 0.1 ms, because their outcome is known (seccomp_default.ts), others 1 ms.
 */
export function defaultSeccomp(target: ProfileTarget): Seccomp {
  const usual = target.caps.length === DEFAULT_CAPABILITIES.length &&
    target.caps.every((cap, i) => cap === DEFAULT_CAPABILITIES[i]) &&
    parseInt(target.kernelRelease) > 4;
  return usual ? JSON.parse(defaultText(target.arch)) : resolveProfile(defaultProfile(), target);
}

/**
 * Reads the text of a profile file. Throws UserError "Decoding seccomp profile failed: …",
 * docker's words, for anything that is not one.
 */
export function parseProfile(text: string): SeccompProfile {
  if (text.length > MAX_PROFILE_BYTES) fail(`more than ${MAX_PROFILE_BYTES} bytes`);
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch (error) {
    fail((error as Error).message);
  }
  if (!isObject(value)) fail("not an object");
  if (typeof value.defaultAction !== "string") fail("no defaultAction");
  if (value.syscalls !== undefined && value.syscalls !== null && !Array.isArray(value.syscalls)) {
    fail("syscalls is not a list");
  }
  const rules = ((value.syscalls ?? []) as unknown[]).map(profileRule);
  checkStrings(value.architectures, "architectures");
  checkStrings(value.flags, "flags");
  checkNumber(value.defaultErrnoRet, "defaultErrnoRet");
  return { ...value, syscalls: rules } as unknown as SeccompProfile;
}

function fail(state: string): never {
  throw new UserError(`Decoding seccomp profile failed: ${state}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkStrings(value: unknown, where: string): void {
  if (value === undefined || value === null) return;
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
    fail(`${where} is not a list of strings`);
  }
}

function checkNumber(value: unknown, where: string): void {
  if (value === undefined || value === null || typeof value === "number") return;
  if (exactInteger(value) === undefined) fail(`${where} is not a number`);
}

/** One entry of `syscalls`; old profiles have `name` instead of `names`. */
function profileRule(entry: unknown, index: number): ProfileRule {
  const where = `syscalls[${index}]`;
  if (!isObject(entry)) fail(`${where} is not an object`);
  const { name, ...rest } = entry;
  if (typeof name === "string" && name !== "") {
    if (Array.isArray(rest.names) && rest.names.length > 0) {
      throw new UserError(
        "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
      );
    }
    rest.names = [name];
  }
  if (!Array.isArray(rest.names)) fail(`${where} has no names`);
  checkStrings(rest.names, `${where}.names`);
  if (typeof rest.action !== "string") fail(`${where} has no action`);
  if (rest.args === null) delete rest.args; // Go writes an absent list so
  if (rest.args !== undefined && !(Array.isArray(rest.args) && rest.args.every(isObject))) {
    fail(`${where}.args is not a list of objects`);
  }
  checkNumber(rest.errnoRet, `${where}.errnoRet`);
  for (const arg of (rest.args ?? []) as Record<string, unknown>[]) {
    for (const key of ["index", "value", "valueTwo"]) checkNumber(arg[key], `${where}.args ${key}`);
    if (typeof arg.op !== "string") fail(`${where}.args has no op`);
  }
  for (const key of ["includes", "excludes"]) checkCondition(rest[key], `${where}.${key}`);
  return rest as unknown as ProfileRule;
}

function checkCondition(value: unknown, where: string): void {
  if (value === undefined || value === null) return;
  if (!isObject(value)) fail(`${where} is not an object`);
  checkStrings(value.caps, `${where}.caps`);
  checkStrings(value.arches, `${where}.arches`);
  if (value.minKernel !== undefined && !/^\d+\.\d+$/.test(String(value.minKernel))) {
    fail(`invalid kernel version: "${value.minKernel}"`);
  }
}

/**
 * The OCI form of `profile`: rules whose conditions do not hold for `target` are left out.
 * Throws UserError where the profile names architectures in both ways.
 */
export function resolveProfile(profile: SeccompProfile, target: ProfileTarget): Seccomp {
  const { archMap, syscalls, ...rest } = profile;
  if ((rest.architectures?.length ?? 0) > 0 && (archMap?.length ?? 0) > 0) {
    throw new UserError(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, " +
        "use either 'architectures' or 'archMap'",
    );
  }
  const own = archMap?.find(({ architecture }) => architecture === OCI_ARCH[target.arch]);
  const architectures = own === undefined
    ? rest.architectures
    : [own.architecture, ...(own.subArchitectures ?? [])];
  return {
    ...rest,
    ...(architectures === undefined ? {} : { architectures }),
    syscalls: syscalls.filter((rule) => applies(rule, target)).map(ociRule),
  };
}

function ociRule({ names, action, errnoRet, args }: ProfileRule): SeccompRule {
  return {
    names,
    action,
    ...(errnoRet === undefined ? {} : { errnoRet }),
    ...(args === undefined ? {} : { args }),
  };
}

function applies({ includes, excludes }: ProfileRule, target: ProfileTarget): boolean {
  return !(excludes && anyHolds(excludes, target)) && !(includes && !allHold(includes, target));
}

function anyHolds(condition: ProfileCondition, target: ProfileTarget): boolean {
  return (condition.arches ?? []).includes(GO_ARCH[target.arch]) ||
    (condition.caps ?? []).some((cap) => target.caps.includes(cap)) ||
    (condition.minKernel !== undefined && kernelAtLeast(target.kernelRelease, condition.minKernel));
}

function allHold(condition: ProfileCondition, target: ProfileTarget): boolean {
  const { arches, caps, minKernel } = condition;
  return (!arches?.length || arches.includes(GO_ARCH[target.arch])) &&
    (caps ?? []).every((cap) => target.caps.includes(cap)) &&
    (minKernel === undefined || kernelAtLeast(target.kernelRelease, minKernel));
}

/** Whether uname's release is at least "major.minor". */
export function kernelAtLeast(release: string, version: string): boolean {
  const [major, minor] = numbers(release);
  const [wantMajor, wantMinor] = numbers(version);
  return major > wantMajor || (major === wantMajor && minor >= wantMinor);
}

function numbers(version: string): [number, number] {
  const match = /^(\d+)\.(\d+)/.exec(version);
  if (match === null) throw new UserError(`invalid kernel version: "${version}"`);
  return [Number(match[1]), Number(match[2])];
}
