/**
 * The change list of commit and import (`-c`): Dockerfile instructions that touch the config.
 * Source: Dockerfile reference; which ones count and the wording are docker's.
 */
import { UserError } from "../base/errors.ts";
import { parseSignal } from "../base/signals.ts";
import { expand } from "./expand.ts";
import { parseHealthcheck } from "./healthcheck.ts";
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
import { rawWords } from "./raw_words.ts";
import type { ImageRunConfig } from "./types.ts";

/** A text with the config's variables in it, without its quotes and escapes. */
function plain(config: ImageRunConfig, text: string): string {
  const valueOf = (name: string) =>
    config.Env?.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  return expand(text, valueOf, { escape: "\\" });
}

/** The same, cut at blanks outside of quotes. */
function words(config: ImageRunConfig, text: string): string[] {
  return rawWords(text, "\\").map((word) => plain(config, word));
}

/** The pairs of ENV and LABEL. */
function pairsOf(config: ImageRunConfig, rest: string, name: string): [string, string][] {
  return pairs(rest, name, (text) => words(config, text), (text) => plain(config, text));
}

type Apply = (config: ImageRunConfig, rest: string, line: string) => void;

/** A command line: JSON as it is, anything else for the shell. */
function commandForm(config: ImageRunConfig, rest: string): string[] {
  return jsonWords(rest) ?? shellCommand(rest, config.Shell);
}

function expose(config: ImageRunConfig, rest: string): void {
  need(rest, "EXPOSE");
  const ports = { ...config.ExposedPorts };
  for (const word of words(config, rest)) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(.*))?$/.exec(word);
    const [start, end] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || start > end || end > 65535) {
      throw new UserError(`Invalid containerPort: ${word}`);
    }
    if (!/^(?:tcp|udp|sctp)?$/i.test(match[3] ?? "")) {
      throw new UserError(`Invalid proto: ${match[3]}`);
    }
    for (let port = start; port <= end; port++) {
      ports[`${port}/${(match[3] || "tcp").toLowerCase()}`] = {};
    }
  }
  config.ExposedPorts = ports;
}

function volume(config: ImageRunConfig, rest: string): void {
  need(rest, "VOLUME");
  const volumes = { ...config.Volumes };
  const given = jsonWords(rest)?.map((path) => plain(config, path)) ?? words(config, rest);
  for (const path of given) {
    if (path.trim() === "") throw new UserError("VOLUME specified can not be an empty string");
    volumes[path.trim()] = {};
  }
  config.Volumes = volumes;
}

function workdir(config: ImageRunConfig, rest: string): void {
  need(rest, "WORKDIR", "exactly");
  config.WorkingDir = joinWorkdir(config.WorkingDir, plain(config, rest));
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
    for (const [key, value] of pairsOf(config, rest, "ENV")) {
      config.Env = withEnv(config.Env ?? [], key, value);
    }
  },
  EXPOSE: expose,
  HEALTHCHECK: (config, rest) => {
    config.Healthcheck = parseHealthcheck(rest);
  },
  LABEL: (config, rest) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairsOf(config, rest, "LABEL")) };
  },
  ONBUILD: (config, rest) => {
    checkTrigger(rest);
    config.OnBuild = [...(config.OnBuild ?? []), rest];
  },
  STOPSIGNAL: (config, rest) => {
    need(rest, "STOPSIGNAL", "exactly");
    config.StopSignal = plain(config, rest);
    parseSignal(config.StopSignal);
  },
  SHELL: (config, rest) => {
    config.Shell = shellWords(rest);
  },
  USER: (config, rest) => {
    need(rest, "USER", "exactly");
    config.User = plain(config, rest);
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
  let hasCmd = false;
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
    hasCmd ||= upper === "CMD";
    // The arguments were those of the entrypoint before.
    if (upper === "ENTRYPOINT" && changed.Entrypoint?.length && !hasCmd) delete changed.Cmd;
  }
  return changed;
}
