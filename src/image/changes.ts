/**
 * The change list of commit and import (`-c`): Dockerfile instructions that touch the config.
 * Source: Dockerfile reference; which ones count and the wording are docker's.
 */
import { parseDuration } from "../base/duration.ts";
import { UserError } from "../base/errors.ts";
import { words } from "./change_words.ts";
import type { ImageRunConfig } from "./types.ts";

type Apply = (config: ImageRunConfig, rest: string, line: string) => void;

/** `["a", "b"]` as a list of words; undefined: not JSON, so it is the shell form. */
function jsonForm(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    const isList = Array.isArray(list) && list.every((word) => typeof word === "string");
    return isList ? list : undefined;
  } catch {
    return undefined;
  }
}

/** A command line: JSON as it is, anything else for the shell. */
function commandForm(config: ImageRunConfig, rest: string): string[] {
  const shell = config.Shell ?? ["/bin/sh", "-c"];
  return jsonForm(rest) ?? (rest === "" ? [] : [...shell, rest]);
}

function need(rest: string, name: string): void {
  if (rest === "") throw new UserError(`${name} requires at least one argument`);
}

/** "K=V K2=V2", or the old "K V" with the rest of the line as value. */
function pairs(rest: string, name: string): [key: string, value: string][] {
  need(rest, name);
  const list = words(rest);
  if (!list[0].includes("=")) {
    const match = /^(\S+)\s+(.*)$/s.exec(rest);
    if (match === null) throw new UserError(`${name} must have two arguments`);
    return [[words(match[1])[0], words(match[2]).join(" ")]];
  }
  return list.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 0) {
      throw new UserError(
        `Syntax error - can't find = in "${word}". Must be of the form: name=value`,
      );
    }
    if (equals === 0) throw new UserError(`${name} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function setEnv(config: ImageRunConfig, key: string, value: string): void {
  const env = [...(config.Env ?? [])];
  const at = env.findIndex((entry) => entry.split("=", 1)[0] === key);
  if (at < 0) env.push(`${key}=${value}`);
  else env[at] = `${key}=${value}`;
  config.Env = env;
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
  for (const path of jsonForm(rest) ?? words(rest)) {
    if (path.trim() === "") throw new UserError("VOLUME specified can not be an empty string");
    volumes[path.trim()] = {};
  }
  config.Volumes = volumes;
}

function workdir(config: ImageRunConfig, rest: string): void {
  need(rest, "WORKDIR");
  const path = words(rest).join(" ");
  const joined = path.startsWith("/") ? path : `${config.WorkingDir || ""}/${path}`;
  const parts: string[] = [];
  for (const part of joined.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  config.WorkingDir = `/${parts.join("/")}`;
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
  const list = jsonForm(match![2]);
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
    for (const [key, value] of pairs(rest, "ENV")) setEnv(config, key, value);
  },
  EXPOSE: expose,
  HEALTHCHECK: healthcheck,
  LABEL: (config, rest) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairs(rest, "LABEL")) };
  },
  ONBUILD: (config, rest) => {
    need(rest, "ONBUILD");
    const word = rest.split(/\s/, 1)[0].toUpperCase();
    if (word === "ONBUILD") {
      throw new UserError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    }
    if (word === "FROM" || word === "MAINTAINER") {
      throw new UserError(`${word} isn't allowed as an ONBUILD trigger`);
    }
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
    const list = jsonForm(rest);
    if (list === undefined) throw new UserError("SHELL requires the arguments to be in JSON form");
    if (list.length === 0) throw new UserError("SHELL requires at least one argument");
    config.Shell = list;
  },
  USER: (config, rest) => {
    need(rest, "USER");
    config.User = words(rest).join(" ");
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
