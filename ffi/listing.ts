/**
 * The text form of a syscall program: one call a line, flags by name, jumps as step numbers. Pure:
 * what `explain` prints and what tests compare.
 */
import * as constants from "./constants.ts";
import { errnoName } from "./errno.ts";
import type { Block, Step, Target, Value } from "./program.ts";

/** One step in words. */
export interface StepText {
  /** Where jumps refer to; the first is 1. */
  readonly number: number;
  readonly call: string;
  readonly args: readonly string[];
  /** The variable that keeps the result. */
  readonly result?: string;
  /** Completes "Cannot …" when the call fails. */
  readonly goal: string;
  /** Errors that do not matter, and where the program goes by the result: "error: 12". */
  readonly notes: readonly string[];
}

type Print = (value: number | bigint) => string;

/** Constants of one family, by prefix. */
function family(...prefixes: string[]): [name: string, value: bigint][] {
  return Object.entries(constants)
    .filter(([name]) => prefixes.some((prefix) => name.startsWith(prefix)))
    .map(([name, value]): [string, bigint] => [name, BigInt(value)]);
}

/** Bits by name; what has no name is left as a number; `zero` is the name of none. */
function bits(zero: string, ...prefixes: string[]): Print {
  const names = family(...prefixes).filter(([, value]) => value > 0n)
    .sort(([, a], [, b]) => a > b ? -1 : a < b ? 1 : 0);
  return (value) => {
    let rest = BigInt(value);
    if (rest < 0n) return String(value);
    const found: string[] = [];
    for (const [name, bit] of names) {
      if ((rest & bit) !== bit) continue;
      found.push(name);
      rest &= ~bit;
    }
    if (rest > 0n) found.push(`0x${rest.toString(16)}`);
    return found.length === 0 ? zero : found.join("|");
  };
}

/** One constant by name. */
function one(...prefixes: string[]): Print {
  const names = new Map(family(...prefixes).map(([name, value]) => [value, name]));
  return (value) => names.get(BigInt(value)) ?? String(value);
}

const octal: Print = (value) => `0${BigInt(value).toString(8)}`;
const number: Print = (value) =>
  BigInt(value) >= 0xffffffffn ? `0x${BigInt(value).toString(16)}` : String(value);
const at: Print = (value) => Number(value) === constants.AT_FDCWD ? "AT_FDCWD" : number(value);
const open = bits("O_RDONLY", "O_");
const attributes = bits("0", "MOUNT_ATTR_");
const namespaces = bits("0", "CLONE_NEW");
const mountFlags = bits("0", "MS_");
const tree: Print = (value) => bits("0", "OPEN_TREE_CLONE", "AT_E", "AT_R", "O_CLOEXEC")(value);

/** How the arguments of each call are printed; a call that is not here has plain numbers. */
const SIGNATURES: Readonly<Record<string, readonly Print[]>> = {
  openat: [at, number, open, octal],
  mkdirat: [at, number, octal],
  mknodat: [at, number, octal],
  fchmodat: [at, number, octal],
  unlinkat: [at, number, bits("0", "AT_REMOVEDIR")],
  symlinkat: [number, at],
  linkat: [at, number, at],
  fchownat: [at],
  open_tree: [at, number, tree],
  move_mount: [at, number, at, number, bits("0", "MOVE_MOUNT_")],
  mount_setattr: [at, number, bits("0", "AT_E", "AT_R")],
  fsopen: [number, bits("0", "FSOPEN_")],
  fsconfig: [number, one("FSCONFIG_")],
  fsmount: [number, bits("0", "FSMOUNT_"), attributes],
  mount: [number, number, number, mountFlags],
  umount2: [number, bits("0", "MNT_", "UMOUNT_")],
  setns: [number, namespaces],
  unshare: [bits("0", "CLONE_")],
  clone: [bits("0", "CLONE_")],
  prctl: [one("PR_SET_", "PR_CAP", "PR_GET_")],
  seccomp: [one("SECCOMP_SET_"), bits("0", "SECCOMP_FILTER_")],
  dup3: [number, number, bits("0", "O_CLOEXEC")],
  close_range: [number, number, bits("0", "CLOSE_RANGE_")],
  ioctl: [number, one("TIOC", "TCG", "TCS", "FIO")],
  socket: [one("AF_"), bits("0", "SOCK_")],
  rt_sigprocmask: [one("SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK")],
  umask: [octal],
};

/** Structures whose fields are worth reading. */
const STRUCTURES: Readonly<Record<string, (view: DataView) => string>> = {
  "open how": (view) => {
    const flags = open(view.getBigUint64(0, true));
    const mode = view.getBigUint64(8, true);
    const resolve = bits("0", "RESOLVE_")(view.getBigUint64(16, true));
    return `{${flags}, ${mode === 0n ? "" : `${octal(mode)}, `}${resolve}}`;
  },
  "mount attributes": (view) => {
    const fields = [
      ["set", attributes(view.getBigUint64(0, true))],
      ["clear", attributes(view.getBigUint64(8, true))],
      ["propagation", mountFlags(view.getBigUint64(16, true))],
      ["userns", String(view.getBigUint64(24, true))],
    ];
    return `{${fields.filter(([, text]) => text !== "0").map((f) => f.join("=")).join(", ")}}`;
  },
  "clone arguments": (view) => `{flags=${bits("0", "CLONE_")(view.getBigUint64(0, true))}}`,
};

/** Bytes that are one C string, as that string. */
function textOf(bytes: Uint8Array): string | undefined {
  const end = bytes.indexOf(0);
  if (end < 1 || bytes.subarray(end).some((byte) => byte !== 0)) return undefined;
  const printable = bytes.subarray(0, end).every((byte) => byte >= 32 && byte < 127 || byte === 10);
  return printable ? JSON.stringify(new TextDecoder().decode(bytes.subarray(0, end))) : undefined;
}

/** What a pointer to `of` points to, where that can be read. */
function pointed(of: Block): string {
  const { bytes, pointers, name } = of;
  const structure = STRUCTURES[name];
  if (structure !== undefined) return structure(new DataView(bytes.buffer, bytes.byteOffset));
  const texts = pointers.map(({ to }) => to).filter((to) => typeof to === "string");
  const isArray = texts.length === pointers.length && bytes.length === (texts.length + 1) * 8;
  if (isArray && bytes.every((byte) => byte === 0)) return `[${texts.map(quote).join(", ")}]`;
  return textOf(bytes) ?? `&${variable(name)}`;
}

const quote = (text: string) => JSON.stringify(text);
const variable = (name: string) => name.replaceAll(" ", "_");

function valueText(value: Value, print: Print, labels: ReadonlyMap<string, number>): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return quote(value);
  if (typeof value === "number" || typeof value === "bigint") return print(value);
  if (value.kind === "step") return `&step ${labels.get(value.label) ?? `"${value.label}"`}`;
  const plus = value.offset === 0 ? "" : `+${value.offset}`;
  if (value.kind === "place") return variable(value.block.name) + plus;
  return plus === "" ? pointed(value.block) : `&${variable(value.block.name)}${plus}`;
}

function targetText(
  target: Target,
  at: number,
  labels: ReadonlyMap<string, number>,
): string {
  if (target === "next") return String(at + 1);
  if (target === "fail" || target === "end") return target;
  return String(labels.get(target.slice(1)) ?? target);
}

function notesOf(step: Step, at: number, labels: ReadonlyMap<string, number>): string[] {
  const to = (target: Target) => targetText(target, at, labels);
  const { allow = [], onNegative = "fail", onZero = "next", onPositive = "next" } = step;
  const notes = allow.map((errno) => `${errnoName(errno)} is fine`);
  const assigns = step.call === "subtract" && step.result !== undefined;
  if (onNegative === "next" && !assigns) notes.push("errors are fine");
  else if (onNegative !== "fail" && onNegative !== "next") notes.push(`below 0: ${to(onNegative)}`);
  if (onZero !== "next" && onZero === onPositive) notes.push(`else: ${to(onZero)}`);
  else {
    if (onZero !== "next") notes.push(`0: ${to(onZero)}`);
    if (onPositive !== "next") notes.push(`above 0: ${to(onPositive)}`);
  }
  return notes;
}

/** Every step in words. Steps that do nothing but carry a label are left in: jumps lead there. */
export function describeSteps(steps: readonly Step[]): StepText[] {
  const labels = new Map<string, number>();
  steps.forEach(({ label }, i) => label === undefined ? undefined : labels.set(label, i + 1));
  return steps.map((step, i) => {
    const prints = SIGNATURES[step.call] ?? [];
    return {
      number: i + 1,
      call: step.call,
      args: step.args.map((arg, k) => valueText(arg, prints[k] ?? number, labels)),
      ...(step.result && { result: variable(step.result.block.name) }),
      goal: step.goal,
      notes: notesOf(step, i + 1, labels),
    };
  });
}

/** A call as it is read: pseudo calls as what they do. */
export function callText({ call, args, result, notes }: StepText): string {
  const into = result === undefined ? "" : `${result} = `;
  if (call !== "subtract") return `${into}${call}(${args.join(", ")})`;
  if (result !== undefined) return `${into}${args[1] === "0" ? args[0] : args.join(" - ")}`;
  if (args.join() === "0,0") return notes.length === 0 ? "nothing" : "jump";
  return `compare ${args[0]} with ${args[1]}`;
}

/** One line a step: number, call, goal, and behind it where the program goes. */
export function listing(steps: readonly Step[]): string {
  const rows = describeSteps(steps);
  const width = String(rows.length).length;
  return rows.map((row) => {
    const notes = row.notes.length === 0 ? "" : `  [${row.notes.join("; ")}]`;
    return `${String(row.number).padStart(width)}  ${callText(row)}  # ${row.goal}${notes}\n`;
  }).join("");
}
