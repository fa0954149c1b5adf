/** The words of HEALTHCHECK. Source: Dockerfile reference; the wording of errors is docker's. */
import { parseDuration } from "../base/duration.ts";
import { UserError } from "../base/errors.ts";
import { jsonWords, need, unknownFlag } from "./instruction_parts.ts";
import type { ImageHealthcheck } from "./types.ts";

const TIMES = {
  interval: "Interval",
  timeout: "Timeout",
  "start-period": "StartPeriod",
  "start-interval": "StartInterval",
} as const;

const FLAGS = [...Object.keys(TIMES), "retries"];

const MILLISECOND = 1_000_000n;

/** Reads what stands behind HEALTHCHECK. Throws UserError. */
export function parseHealthcheck(text: string): ImageHealthcheck {
  need(text, "HEALTHCHECK");
  const flags: ImageHealthcheck = {};
  let rest = text;
  for (;;) {
    const match = /^--([^\s=]*)(?:=(\S*))?(?:\s+|$)/.exec(rest);
    if (match === null) break;
    rest = rest.slice(match[0].length);
    setFlag(flags, match[1], match[2]);
  }
  const [, kind = "", command = ""] = /^(\S+)\s*(.*)$/s.exec(rest) ?? [];
  switch (kind.toUpperCase()) {
    case "NONE":
      if (command !== "") throw new UserError("HEALTHCHECK NONE takes no arguments");
      return { Test: ["NONE"] };
    case "CMD": {
      if (command === "") throw new UserError("Missing command after HEALTHCHECK CMD");
      const list = jsonWords(command);
      return { Test: list === undefined ? ["CMD-SHELL", command] : ["CMD", ...list], ...flags };
    }
    default:
      throw new UserError(`Unknown type "${kind.toUpperCase()}" in HEALTHCHECK (try CMD)`);
  }
}

function setFlag(flags: ImageHealthcheck, name: string, value: string | undefined): void {
  if (!FLAGS.includes(name)) throw unknownFlag(name, FLAGS);
  if (value === undefined) throw new UserError(`missing a value on flag: --${name}`);
  if (name === "retries") {
    flags.Retries = retries(value);
  } else {
    flags[TIMES[name as keyof typeof TIMES]] = duration(value, name);
  }
}

function retries(text: string): number {
  if (!/^[+-]?\d{1,10}$/.test(text)) {
    throw new UserError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  const count = Number(text);
  if (count >= 0) return count;
  throw new UserError(`--retries cannot be negative (${count})`);
}

/** Nanoseconds. 0 means the default. */
function duration(text: string, name: string): number {
  let nanoseconds: bigint;
  try {
    nanoseconds = parseDuration(text);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  if (nanoseconds < 0n || nanoseconds > 0n && nanoseconds < MILLISECOND) {
    throw new UserError(`Interval ${JSON.stringify(name)} cannot be less than 1ms`);
  }
  return Number(nanoseconds);
}
