/** The instructions of a Dockerfile, each with its words. Source: Dockerfile reference. */
import { suggest } from "../base/suggest.ts";
import { parseHealthcheck } from "../image/healthcheck.ts";
import { checkTrigger, jsonWords, need, pairs, shellWords } from "../image/instruction_parts.ts";
import { type Dockerfile, DockerfileError, type Line } from "./dockerfile.ts";
import { type Flags, takeFlags } from "./instruction_flags.ts";
import type { Heredoc } from "./heredoc.ts";
import { parseRunMount } from "./run_mounts.ts";
import { rawWords } from "../image/raw_words.ts";

/** A command: JSON words as they are, or a line for the shell. */
export type Command =
  | { readonly form: "exec"; readonly words: readonly string[] }
  | { readonly form: "shell"; readonly line: string };

/** COPY and ADD. */
export interface CopyInstruction {
  readonly kind: "copy" | "add";
  readonly sources: readonly string[];
  readonly target: string;
  readonly heredocs: readonly Heredoc[];
  readonly flags: Flags;
}

/** RUN. */
export interface RunInstruction {
  readonly kind: "run";
  readonly command: Command;
  readonly heredocs: readonly Heredoc[];
  readonly flags: Flags;
}

/** FROM. */
export interface FromInstruction {
  readonly kind: "from";
  readonly image: string;
  readonly platform?: string;
  /** In small letters. */
  readonly name?: string;
}

/** Names with values that are not expanded yet. */
export interface PairsInstruction {
  readonly kind: "env" | "label";
  readonly pairs: readonly (readonly [key: string, value: string])[];
}

export interface ArgInstruction {
  readonly kind: "arg";
  readonly args: readonly { readonly name: string; readonly value?: string }[];
}

/** Instructions that are one text. */
export interface TextInstruction {
  readonly kind:
    | "workdir"
    | "user"
    | "stopsignal"
    | "expose"
    | "healthcheck"
    | "onbuild"
    | "maintainer";
  readonly text: string;
}

/** The words of an instruction. */
type Parsed =
  | FromInstruction
  | ArgInstruction
  | PairsInstruction
  | RunInstruction
  | CopyInstruction
  | TextInstruction
  | { readonly kind: "cmd" | "entrypoint"; readonly command: Command }
  | { readonly kind: "volume"; readonly paths: readonly string[] }
  | { readonly kind: "shell"; readonly words: readonly string[] };

/** An instruction with its words, and where it stands. */
export type Instruction = Parsed & {
  readonly line: Line;
  /** As it stands in the file. */
  readonly shown: string;
};

type Parse = (line: Line, escape: string) => Parsed;

/** Flags that each instruction has. */
const FLAGS: Record<string, readonly string[]> = {
  FROM: ["platform"],
  RUN: ["mount*", "network", "security"],
  COPY: ["from", "chown", "chmod", "link?", "parents?", "exclude*"],
  ADD: ["chown", "chmod", "link?", "checksum", "keep-git-dir?", "unpack?", "exclude*"],
};

function command(rest: string): Command {
  const words = jsonWords(rest);
  return words === undefined ? { form: "shell", line: rest } : { form: "exec", words };
}

/** Names and values, not expanded yet: quotes and escapes stay. */
function rawPairs(rest: string, name: string, escape: string): [string, string][] {
  return pairs(rest, name, (text) => rawWords(text, escape), (text) => text);
}

function from({ rest }: Line): Parsed {
  const { flags, rest: text } = takeFlags(rest, FLAGS.FROM, "\\");
  const words = text.split(/\s+/).filter(Boolean);
  if (words.length !== 1 && !(words.length === 3 && /^as$/i.test(words[1]))) {
    throw new Error("FROM requires either one or three arguments");
  }
  const name = words[2]?.toLowerCase();
  if (name !== undefined && !/^[a-z][a-z0-9\-_.]*$/.test(name)) {
    throw new Error(
      `invalid name for build stage: "${
        words[2]
      }", name can't start with a number or contain symbols`,
    );
  }
  const platform = flags.platform;
  return {
    kind: "from",
    image: words[0],
    ...(platform !== undefined && { platform }),
    ...(name !== undefined && { name }),
  };
}

function arg({ rest }: Line, escape: string): Parsed {
  need(rest, "ARG");
  const args = rawWords(rest, escape).map((word) => {
    const equals = word.indexOf("=");
    if (equals === 0) throw new Error("ARG names can not be blank");
    if (equals < 0) return { name: word };
    return { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
  return { kind: "arg", args };
}

function copy({ name, rest, heredocs }: Line, escape: string): Parsed {
  const { flags, rest: text } = takeFlags(rest, FLAGS[name], escape);
  const words = jsonWords(text) ?? text.split(/\s+/).filter(Boolean);
  if (words.length < 2) {
    const count = words.length === 1 ? ", but only one was provided" : "";
    throw new Error(
      words.length === 0
        ? `${name} requires at least two arguments`
        : `${name} requires at least two arguments${count}. Destination could not be determined`,
    );
  }
  return {
    kind: name === "COPY" ? "copy" : "add",
    sources: words.slice(0, -1),
    target: words.at(-1)!,
    heredocs,
    flags,
  };
}

function run({ rest, heredocs }: Line, escape: string): Parsed {
  const { flags, rest: text } = takeFlags(rest, FLAGS.RUN, escape);
  need(text, "RUN");
  for (const mount of flags.mount ?? []) {
    // One with variables is known when they are.
    if (!mount.includes("$")) parseRunMount(mount, "/");
  }
  return { kind: "run", command: command(text), heredocs, flags };
}

function text(kind: TextInstruction["kind"], count?: "exactly"): Parse {
  return ({ name, rest }) => {
    need(rest, name, count);
    return { kind, text: rest.trim() };
  };
}

function healthcheck({ rest }: Line): Parsed {
  parseHealthcheck(rest.trim());
  return { kind: "healthcheck", text: rest.trim() };
}

function onbuild({ rest }: Line): Parsed {
  checkTrigger(rest);
  return { kind: "onbuild", text: rest };
}

const PARSERS: Record<string, Parse> = {
  FROM: from,
  ARG: arg,
  ENV: ({ rest }, escape) => ({ kind: "env", pairs: rawPairs(rest, "ENV", escape) }),
  LABEL: ({ rest }, escape) => ({ kind: "label", pairs: rawPairs(rest, "LABEL", escape) }),
  COPY: copy,
  ADD: copy,
  RUN: run,
  CMD: ({ rest }) => ({ kind: "cmd", command: command(rest) }),
  ENTRYPOINT: ({ rest }) => ({ kind: "entrypoint", command: command(rest) }),
  WORKDIR: text("workdir", "exactly"),
  USER: text("user", "exactly"),
  STOPSIGNAL: text("stopsignal", "exactly"),
  EXPOSE: text("expose"),
  HEALTHCHECK: healthcheck,
  MAINTAINER: text("maintainer", "exactly"),
  ONBUILD: onbuild,
  VOLUME: ({ rest }) => {
    need(rest, "VOLUME");
    const paths = (jsonWords(rest) ?? rest.split(/\s+/)).map((path) => path.trim());
    if (paths.includes("")) throw new Error("VOLUME specified can not be an empty string");
    return { kind: "volume", paths };
  },
  SHELL: ({ rest }) => ({ kind: "shell", words: shellWords(rest) }),
};

/** The instruction of a line. Throws DockerfileError. */
export function parseLine(line: Line, escape: string): Instruction {
  const parse = Object.hasOwn(PARSERS, line.name) ? PARSERS[line.name] : undefined;
  if (parse === undefined) {
    const [best] = suggest(line.name, Object.keys(PARSERS));
    const meant = best === undefined ? "" : ` (did you mean ${best}?)`;
    throw new DockerfileError(`unknown instruction: ${line.name}${meant}`, line.first, line.last);
  }
  try {
    const shown = `${line.name} ${line.rest}`.trim();
    return { ...parse(line, escape), line, shown };
  } catch (error) {
    if (error instanceof DockerfileError || !(error instanceof Error)) throw error;
    throw new DockerfileError(error.message, line.first, line.last);
  }
}

/** All instructions of a Dockerfile. Throws DockerfileError. */
export function parseDockerfile({ lines, escape }: Dockerfile): Instruction[] {
  return lines.map((line) => parseLine(line, escape));
}
