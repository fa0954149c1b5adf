/**
 * The change list of commit and import (`-c`): Dockerfile instructions that touch the config.
 * Source: Dockerfile reference; which ones count and the wording are docker's.
 */
import { parseDuration } from "../base/duration.ts";
import { UserError } from "../base/errors.ts";
import { words } from "./change_words.ts";
import {
  checkTrigger,
  joinWorkdir,
  jsonWords,
  need,
  pairs,
  shellCommand,
  shellWords,
  withEnv,
} from "./instruction_parts.ts";
import type { ImageRunConfig } from "./types.ts";

/** A text without its quotes and escapes. */
const plain = (text: string): string => words(text).join(" ");

type Apply = (config: ImageRunConfig, rest: string, line: string) => void;

/** A command line: JSON as it is, anything else for the shell. */
function commandForm(config: ImageRunConfig, rest: string): string[] {
  return jsonWords(rest) ?? shellCommand(rest, config.Shell);
}

function expose(config: ImageRunConfig, rest: string): void {
  need(rest, "EXPOSE");
  const ports = { ...config.ExposedPorts };
  for (const word of words(rest)) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(word);
    const [start, end] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || start > end || end > 65535) {
      throw new UserError(`Invalid containerPort: ${word}`);
    }
    for (let port = start; port <= end; port++) {
      ports[`${port}/${(match[3] ?? "tcp").toLowerCase()}`] = {};
    }
  }
  config.ExposedPorts = ports;
}

function volume(config: ImageRunConfig, rest: string): void {
  need(rest, "VOLUME");
  const volumes = { ...config.Volumes };
  for (const path of jsonWords(rest) ?? words(rest)) {
    if (path.trim() === "") throw new UserError("VOLUME specified can not be an empty string");
    volumes[path.trim()] = {};
  }
  config.Volumes = volumes;
}

function workdir(config: ImageRunConfig, rest: string): void {
  need(rest, "WORKDIR");
  config.WorkingDir = joinWorkdir(config.WorkingDir, plain(rest));
}

/** Go's duration text in nanoseconds. */
function duration(text: string, flag: string): number {
  try {
    return Number(parseDuration(text));
  } catch {
    throw new UserError(`invalid duration "${text}" of HEALTHCHECK ${flag}`);
  }
}

function healthcheck(config: ImageRunConfig, rest: string): void {
  const check: NonNullable<ImageRunConfig["Healthcheck"]> = {};
  let left = rest;
  for (;;) {
    const flag = /^--(interval|timeout|start-period|start-interval|retries)=(\S+)\s+/.exec(left);
    if (flag === null) break;
    left = left.slice(flag[0].length);
    if (flag[1] === "interval") check.Interval = duration(flag[2], "--interval");
    else if (flag[1] === "timeout") check.Timeout = duration(flag[2], "--timeout");
    else if (flag[1] === "start-period") check.StartPeriod = duration(flag[2], "--start-period");
    else if (flag[1] === "start-interval") {
      check.StartInterval = duration(flag[2], "--start-interval");
    } else check.Retries = Number(flag[2]);
  }
  if (Number.isNaN(check.Retries)) throw new UserError("HEALTHCHECK --retries must be a number");
  const match = /^(\S+)\s*(.*)$/s.exec(left);
  const kind = match?.[1].toUpperCase();
  if (kind === "NONE") {
    if (match![2] !== "") throw new UserError("HEALTHCHECK NONE takes no arguments");
    config.Healthcheck = { Test: ["NONE"] };
    return;
  }
  if (kind !== "CMD") {
    throw new UserError(`Unknown type "${kind ?? ""}" in HEALTHCHECK (try CMD)`);
  }
  need(match![2], "HEALTHCHECK CMD");
  const list = jsonWords(match![2]);
  config.Healthcheck = {
    Test: list === undefined ? ["CMD-SHELL", match![2]] : ["CMD", ...list],
    ...check,
  };
}

/** Each instruction that may stand in a change list. */
const INSTRUCTIONS: Record<string, Apply> = {
  CMD: (config, rest) => {
    config.Cmd = commandForm(config, rest);
  },
  ENTRYPOINT: (config, rest) => {
    config.Entrypoint = commandForm(config, rest);
  },
  ENV: (config, rest) => {
    for (const [key, value] of pairs(rest, "ENV", words, plain)) {
      config.Env = withEnv(config.Env ?? [], key, value);
    }
  },
  EXPOSE: expose,
  HEALTHCHECK: healthcheck,
  LABEL: (config, rest) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairs(rest, "LABEL", words, plain)) };
  },
  ONBUILD: (config, rest) => {
    checkTrigger(rest);
    config.OnBuild = [...(config.OnBuild ?? []), rest];
  },
  STOPSIGNAL: (config, rest) => {
    need(rest, "STOPSIGNAL");
    if (!/^(?:\d{1,2}|(?:SIG)?[A-Z][A-Z0-9+-]*)$/i.test(rest)) {
      throw new UserError(`Invalid signal: ${rest}`);
    }
    config.StopSignal = rest;
  },
  SHELL: (config, rest) => {
    config.Shell = shellWords(rest);
  },
  USER: (config, rest) => {
    need(rest, "USER");
    config.User = plain(rest);
  },
  VOLUME: volume,
  WORKDIR: workdir,
};

/**
 * Applies change lines to a copy of a config, in order. Throws UserError with docker's text for
 * an instruction that is unknown or not allowed here.
 */
export function applyChanges(config: ImageRunConfig, lines: readonly string[]): ImageRunConfig {
  const changed: ImageRunConfig = structuredClone(config);
  for (const line of lines.flatMap((text) => text.split("\n"))) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const [, name, rest] = /^(\S+)\s*(.*)$/s.exec(trimmed)!;
    const upper = name.toUpperCase();
    const apply = Object.hasOwn(INSTRUCTIONS, upper) ? INSTRUCTIONS[upper] : undefined;
    if (apply === undefined) {
      throw new UserError(`${name.toLowerCase()} is not a valid change command`);
    }
    apply(changed, rest.trim(), trimmed);
  }
  return changed;
}
