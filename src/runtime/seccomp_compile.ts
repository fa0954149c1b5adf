/**
 * An OCI `linux.seccomp` object as a filter for seccomp(2): for each instruction set a balanced
 * tree over ranges of call numbers, below it the conditions on arguments.
 *
 * As runc and libseccomp decide: a rule with the default action is not there; an unconditional
 * rule beats conditional ones of the same call; of conditional ones the first that holds wins;
 * two conditions on one argument are alternatives; names a machine does not have are left out;
 * numbers above all that the profile names are ENOSYS, so that libraries of tomorrow fall back.
 */
import { UserError } from "../base/errors.ts";
import { exactInteger } from "./exact_json.ts";
import { type Arch, AUDIT_ARCH, filterMachines, instructionSets } from "./seccomp_machine.ts";
import {
  assemble,
  type Comparison,
  type Condition,
  ifAll,
  ifEqual,
  type Insn,
  loadArch,
  loadNumber,
  ret,
  splitAt,
  type Word64,
} from "./seccomp_bpf.ts";
import { DEFAULTS, defaultText } from "./seccomp_default.ts";
import { type SeccompMachine, syscallNumbers, X32_BIT } from "./seccomp_numbers.ts";
import type { Seccomp, SeccompArg, SeccompRule } from "./spec_types.ts";

/** A filter ready for seccomp(SECCOMP_SET_MODE_FILTER). */
export interface SeccompFilter {
  /** struct sock_filter[], 8 bytes each. */
  program: Uint8Array<ArrayBuffer>;
  /** SECCOMP_FILTER_FLAG_*. */
  flags: number;
  /** A rule sends calls to a listener. */
  notify: boolean;
  /** Names that this machine does not have; they were left out. */
  unknown: string[];
}

// linux/seccomp.h
const RET_KILL_PROCESS = 0x80000000;
const RET_ERRNO = 0x00050000;
const RET_TRACE = 0x7ff00000;
const RET_NOTIFY = 0x7fc00000;
const ACTIONS: Record<string, number> = {
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: RET_KILL_PROCESS,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: RET_ERRNO,
  SCMP_ACT_TRACE: RET_TRACE,
  SCMP_ACT_NOTIFY: RET_NOTIFY,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
/** Default actions under which an unknown call is already served. */
const LENIENT = new Set(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"]);
const FLAGS: Record<string, number> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 32,
};
const COMPARISONS: readonly Comparison[] = ["EQ", "GE", "GT", "LE", "LT", "MASKED_EQ", "NE"];
const EPERM = 1;
const ENOSYS = 38;
const MAX_ERRNO = 4095;
/** Numbers above are private ones of arm (0xf0001 …), not newer calls. */
const ORDINARY_NUMBERS = 0x10000;

/** The words that a bundle may use, for who asks what this runtime can do. */
export function seccompWords(): Record<string, readonly string[]> {
  const flags = Object.keys(FLAGS);
  return {
    actions: Object.keys(ACTIONS).sort(),
    operators: COMPARISONS.map((name) => `SCMP_CMP_${name}`),
    archs: instructionSets(),
    knownFlags: flags,
    supportedFlags: flags,
  };
}

/** What happens to one call: an action, or conditions that lead to one. */
type Decision = number | Alternative[];
interface Alternative {
  conditions: Condition[];
  action: number;
}

/** Calls from `start` on, up to the next range. */
interface Range {
  start: number;
  decision: Decision;
}

/**
 * Compiles `seccomp` for `arch`. Throws UserError for words the specification does not have,
 * numbers out of range or more instructions than the kernel takes.
 */
export function compileSeccomp(seccomp: Seccomp, arch: Arch): SeccompFilter {
  const flags = filterFlags(seccomp.flags ?? undefined);
  const ready = readyFilter(seccomp, arch);
  if (ready !== undefined) return { program: ready, flags, notify: false, unknown: [] };
  const { code, unknown } = filterCode(seccomp, arch);
  const notify = seccomp.defaultAction === "SCMP_ACT_NOTIFY" ||
    (seccomp.syscalls ?? []).some((rule) => rule.action === "SCMP_ACT_NOTIFY");
  return { program: assemble(code), flags, notify, unknown };
}

/** The same without the short way of the default profile; what the short way is made from. */
export function compileAfresh(seccomp: Seccomp, arch: Arch): Uint8Array<ArrayBuffer> {
  return assemble(filterCode(seccomp, arch).code);
}

/** The filter made ahead for the default profile and capabilities, if `seccomp` is that one. */
function readyFilter(seccomp: Seccomp, arch: Arch): Uint8Array<ArrayBuffer> | undefined {
  const { flags: _, ...deciding } = seccomp;
  return JSON.stringify(deciding) === defaultText(arch)
    ? Uint8Array.fromBase64(DEFAULTS[arch].program)
    : undefined;
}

/** SPEC_ALLOW unless the profile says otherwise, as runc: without it old kernels are slow. */
function filterFlags(names: readonly string[] | undefined): number {
  if (names === undefined) return FLAGS.SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  let flags = 0;
  for (const name of names) {
    const flag = Object.hasOwn(FLAGS, name) ? FLAGS[name] : undefined;
    if (flag === undefined) throw new UserError(`Cannot use seccomp flag "${name}": unknown`);
    flags |= flag;
  }
  return flags;
}

function actionWord(name: string, errnoRet: number | undefined): number {
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw new UserError(`Cannot use seccomp action "${name}": unknown`);
  if (action !== RET_ERRNO && action !== RET_TRACE) return action;
  const data = errnoRet ?? EPERM;
  if (!Number.isInteger(data) || data < 0 || data > MAX_ERRNO) {
    throw new UserError(
      `Cannot use seccomp errnoRet ${JSON.stringify(data)}: want 0 to ${MAX_ERRNO}`,
    );
  }
  return action | data;
}

/** What happens to calls no rule is about, and to those newer than the profile. */
interface Defaults {
  fallback: number;
  beyond: number;
}

function filterCode(seccomp: Seccomp, arch: Arch): { code: Insn[]; unknown: string[] } {
  const fallback = actionWord(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const beyond = LENIENT.has(seccomp.defaultAction) ? fallback : RET_ERRNO | ENOSYS;
  const rules = (seccomp.syscalls ?? []).map(parseRule);
  const machines = filterMachines(seccomp.architectures ?? [], arch);
  const code: Insn[] = [loadArch()];
  for (const machine of machines) {
    if (machine === "x32") continue; // shares the architecture of x86_64
    const ranges = machineRanges(machine, rules, { fallback, beyond });
    const all = machine === "x86_64"
      ? [...ranges, ...x32Ranges(machines.includes("x32"), rules, { fallback, beyond })]
      : ranges;
    code.push(...ifEqual(AUDIT_ARCH[machine], [loadNumber(), ...tree(all, fallback)]));
  }
  code.push(...ret(RET_KILL_PROCESS));
  return { code, unknown: unknownNames(rules, machines) };
}

/** Numbers with the x32 bit: a table of their own, or death as of any foreign machine. */
function x32Ranges(listed: boolean, rules: readonly ParsedRule[], defaults: Defaults): Range[] {
  if (listed) {
    return machineRanges("x32", rules, defaults)
      .map(({ start, decision }) => ({ start: start + X32_BIT, decision }));
  }
  // A tracer cancels a call by the number -1, which has that bit too.
  return [{ start: X32_BIT, decision: RET_KILL_PROCESS }, {
    start: 0xffffffff,
    decision: defaults.beyond,
  }];
}

interface ParsedRule {
  names: readonly string[];
  action: number;
  /** Empty: unconditional. */
  alternatives: Condition[][];
}

function parseRule(rule: SeccompRule): ParsedRule {
  if (!Array.isArray(rule.names) || rule.names.length === 0) {
    throw new UserError("Cannot use a seccomp rule: it has no names");
  }
  const conditions = (rule.args ?? []).map(parseCondition);
  const distinct = new Set(conditions.map(({ index }) => index)).size === conditions.length;
  const alternatives = conditions.length === 0
    ? []
    : distinct
    ? [conditions]
    : conditions.map((condition) => [condition]);
  return { names: rule.names, action: actionWord(rule.action, rule.errnoRet), alternatives };
}

function parseCondition(arg: SeccompArg): Condition {
  const comparison = COMPARISONS.find((name) => arg.op === `SCMP_CMP_${name}`);
  if (comparison === undefined) {
    throw new UserError(`Cannot use seccomp operator "${arg.op}": unknown`);
  }
  if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index > 5) {
    throw new UserError(`Cannot use seccomp argument index ${arg.index}: want 0 to 5`);
  }
  return {
    index: arg.index,
    comparison,
    value: word64(arg.value),
    datum: word64(arg.valueTwo ?? 0),
  };
}

/** Halves of an unsigned 64-bit number. */
function word64(value: number): Word64 {
  if (Number.isSafeInteger(value) && value >= 0) {
    return { hi: Math.floor(value / 2 ** 32), lo: value >>> 0 };
  }
  const exact = exactInteger(value);
  if (exact === undefined || BigInt.asUintN(64, exact) !== exact) {
    throw new UserError(
      `Cannot use seccomp argument value ${JSON.stringify(value)}: want 0 to 2^64-1`,
    );
  }
  return { hi: Number(exact >> 32n), lo: Number(exact & 0xffffffffn) };
}

function unknownNames(rules: readonly ParsedRule[], machines: SeccompMachine[]): string[] {
  const tables = machines.map(syscallNumbers);
  const names = new Set(rules.flatMap((rule) => rule.names));
  return [...names].filter((name) => !tables.some((table) => table.has(name)));
}

/** Ranges of equal decisions over all 32-bit numbers of one machine, ascending, from 0. */
function machineRanges(
  machine: SeccompMachine,
  rules: readonly ParsedRule[],
  { fallback, beyond }: Defaults,
): Range[] {
  const decisions = callDecisions(machine, rules, fallback);
  const last = lastNamed(machine, rules);
  const ranges: Range[] = [];
  const add = (start: number, decision: Decision) => {
    if (ranges.at(-1)?.decision !== decision) ranges.push({ start, decision });
  };
  const addUnnamed = (start: number, end: number) => {
    if (start < end && start <= last) add(start, fallback);
    if (end > last + 1) add(Math.max(start, last + 1), beyond);
  };
  let next = 0;
  for (const number of [...decisions.keys()].sort((a, b) => a - b)) {
    addUnnamed(next, number);
    add(number, decisions.get(number)!);
    next = number + 1;
  }
  addUnnamed(next, 2 ** 32);
  return ranges;
}

/** The highest ordinary number that the profile names, whatever for. */
function lastNamed(machine: SeccompMachine, rules: readonly ParsedRule[]): number {
  const table = syscallNumbers(machine);
  let last = -1;
  for (const { names } of rules) {
    for (const name of names) {
      const number = table.get(name) ?? -1;
      if (number > last && number < ORDINARY_NUMBERS) last = number;
    }
  }
  return last;
}

function callDecisions(
  machine: SeccompMachine,
  rules: readonly ParsedRule[],
  fallback: number,
): Map<number, Decision> {
  const table = syscallNumbers(machine);
  const decisions = new Map<number, Decision>();
  for (const { names, action, alternatives } of rules) {
    if (action === fallback) continue;
    for (const name of names) {
      const number = table.get(name);
      if (number === undefined) continue;
      const known = decisions.get(number);
      if (typeof known === "number") continue;
      if (alternatives.length === 0) decisions.set(number, action);
      else {
        const more = alternatives.map((conditions) => ({ conditions, action }));
        decisions.set(number, [...(known ?? []), ...more]);
      }
    }
  }
  return decisions;
}

/** A balanced tree over `ranges`; every leaf ends the filter. */
function tree(ranges: readonly Range[], fallback: number): Insn[] {
  if (ranges.length === 1) return leaf(ranges[0].decision, fallback);
  const middle = ranges.length >> 1;
  return splitAt(
    ranges[middle].start,
    tree(ranges.slice(0, middle), fallback),
    tree(ranges.slice(middle), fallback),
  );
}

function leaf(decision: Decision, fallback: number): Insn[] {
  if (typeof decision === "number") return ret(decision);
  return [
    ...decision.flatMap(({ conditions, action }) => ifAll(conditions, ret(action))),
    ...ret(fallback),
  ];
}
