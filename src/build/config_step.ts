/** Instructions that change the image's config and no file. */
import { applyChanges } from "../image/changes.ts";
import { shellCommand, withEnv } from "../image/instruction_parts.ts";
import type { ImageRunConfig } from "../image/types.ts";
import { expand, expandWords, type Lookup } from "../image/expand.ts";
import type { Command, Instruction } from "./instruction.ts";

/** What an instruction does to a config, and its words in the history. */
export interface ConfigStep {
  readonly config: ImageRunConfig;
  readonly createdBy: string;
  readonly author?: string;
}

/** What configStep() needs of the stage. */
export interface ConfigContext {
  readonly config: ImageRunConfig;
  readonly lookup: Lookup;
  readonly escape: string;
  /** CMD was there before in this stage: ENTRYPOINT leaves it. */
  readonly hasCmd: boolean;
}

/** The words of a command. */
export function commandWords(command: Command, shell: readonly string[] | undefined): string[] {
  if (command.form === "exec") return [...command.words];
  return shellCommand(command.line, shell);
}

const quoted = (words: readonly string[]): string =>
  `[${words.map((word) => JSON.stringify(word)).join(" ")}]`;

/** Carries an instruction out on a config; undefined: it is one that does more. Throws UserError. */
export function configStep(
  instruction: Instruction,
  context: ConfigContext,
): ConfigStep | undefined {
  const { config, lookup } = context;
  const word = (text: string) => expand(text, lookup, context);
  const name = instruction.line.name;
  switch (instruction.kind) {
    case "env":
    case "label":
      return pairsStep(instruction.kind, instruction.pairs, context);
    case "cmd": {
      const words = commandWords(instruction.command, config.Shell);
      return { config: { ...config, Cmd: words }, createdBy: `CMD ${quoted(words)}` };
    }
    case "entrypoint": {
      const words = commandWords(instruction.command, config.Shell);
      const { Cmd, ...others } = config;
      return {
        config: { ...others, Entrypoint: words, ...(context.hasCmd && Cmd && { Cmd }) },
        createdBy: `ENTRYPOINT ${quoted(words)}`,
      };
    }
    case "expose": {
      const words = expandWords(instruction.text, lookup, context);
      const ports = applyChanges({}, [`EXPOSE ${words.join(" ")}`]).ExposedPorts ?? {};
      const shown = Object.keys(ports).sort().map((port) => `${port}:{}`).join(" ");
      return {
        config: { ...config, ExposedPorts: { ...config.ExposedPorts, ...ports } },
        createdBy: `EXPOSE map[${shown}]`,
      };
    }
    case "volume": {
      const paths = instruction.paths.map(word);
      const volumes = Object.fromEntries(paths.map((path) => [path, {}]));
      return {
        config: { ...config, Volumes: { ...config.Volumes, ...volumes } },
        createdBy: `VOLUME [${paths.join(" ")}]`,
      };
    }
    case "user": {
      const User = word(instruction.text);
      return { config: { ...config, User }, createdBy: `USER ${User}` };
    }
    case "stopsignal":
    case "healthcheck":
    case "onbuild": {
      const text = instruction.kind === "stopsignal" ? word(instruction.text) : instruction.text;
      return {
        config: applyChanges(config, [`${name} ${text}`]),
        createdBy: `${name} ${text}`,
      };
    }
    case "shell":
      return {
        config: { ...config, Shell: [...instruction.words] },
        createdBy: `SHELL [${instruction.words.join(" ")}]`,
      };
    case "maintainer":
      return {
        config,
        author: instruction.text,
        createdBy: `MAINTAINER ${instruction.text}`,
      };
    default:
      return undefined;
  }
}

function pairsStep(
  kind: "env" | "label",
  raw: readonly (readonly [key: string, value: string])[],
  context: ConfigContext,
): ConfigStep {
  const { config, lookup } = context;
  const pairs = raw.map((pair) => pair.map((text) => expand(text, lookup, context)));
  const shown = pairs.map(([key, value]) => `${key}=${value}`).join(" ");
  if (kind === "label") {
    const Labels = { ...config.Labels, ...Object.fromEntries(pairs) };
    return { config: { ...config, Labels }, createdBy: `LABEL ${shown}` };
  }
  const Env = pairs.reduce((env, [key, value]) => withEnv(env, key, value), config.Env ?? []);
  return { config: { ...config, Env }, createdBy: `ENV ${shown}` };
}
