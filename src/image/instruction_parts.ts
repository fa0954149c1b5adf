/**
 * What the instructions of a change list and of a Dockerfile have in common: their words and what
 * they make of a config. Source: Dockerfile reference; the wording of errors is docker's.
 */
import { UserError } from "../base/errors.ts";
import { suggest } from "../base/suggest.ts";
import { cleanPath } from "../base/paths.ts";

/** Throws UserError for an instruction without words. */
export function need(rest: string, name: string, count = "at least"): void {
  if (rest === "") throw new UserError(`${name} requires ${count} one argument`);
}

/** A flag that an instruction does not have, with the one that may have been meant. */
export function unknownFlag(name: string, known: readonly string[]): UserError {
  const [best] = suggest(name, known);
  return new UserError(
    `unknown flag: --${name}${best === undefined ? "" : ` (did you mean ${best}?)`}`,
  );
}

/** `["a", "b"]` as a list of words; undefined: not JSON, so it is another form. */
export function jsonWords(text: string): string[] | undefined {
  if (!text.trimStart().startsWith("[")) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    const isList = Array.isArray(list) && list.every((word) => typeof word === "string");
    return isList ? list : undefined;
  } catch {
    return undefined;
  }
}

/**
 * "K=V K2=V2", or the old "K V" with the rest of the line as value. `cut` gives the words of a
 * text, `plain` a text as one. Throws UserError.
 */
export function pairs(
  rest: string,
  name: string,
  cut: (text: string) => string[],
  plain: (text: string) => string,
): [key: string, value: string][] {
  need(rest, name);
  const words = cut(rest);
  if (!words[0].includes("=")) {
    const match = /^(\S+)\s+(.*)$/s.exec(rest);
    if (match === null) throw new UserError(`${name} must have two arguments`);
    return [[plain(match[1]), plain(match[2])]];
  }
  return words.map((word) => {
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

/** The words of SHELL. Throws UserError. */
export function shellWords(rest: string): string[] {
  need(rest, "SHELL");
  const words = jsonWords(rest);
  if (words === undefined) {
    throw new UserError("SHELL requires the arguments to be in JSON form");
  }
  if (words.length === 0) throw new UserError("SHELL requires at least one argument");
  return words;
}

/** Throws UserError for what may not be a trigger of ONBUILD. */
export function checkTrigger(rest: string): void {
  need(rest, "ONBUILD");
  const word = rest.split(/\s/, 1)[0].toUpperCase();
  if (word === "ONBUILD") {
    throw new UserError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  }
  if (word === "FROM" || word === "MAINTAINER") {
    throw new UserError(`${word} isn't allowed as an ONBUILD trigger`);
  }
}

/** A line as the shell gets it. */
export function shellCommand(line: string, shell: readonly string[] | undefined): string[] {
  return line === "" ? [] : [...(shell ?? ["/bin/sh", "-c"]), line];
}

/** Sets a variable where it stands, or at the end. */
export function withEnv(env: readonly string[], key: string, value: string): string[] {
  const word = `${key}=${value}`;
  const at = env.findIndex((entry) => entry.split("=", 1)[0] === key);
  return at < 0 ? [...env, word] : env.with(at, word);
}

/** A working directory as WORKDIR makes it of the one before. */
export function joinWorkdir(before: string | undefined, path: string): string {
  return cleanPath(path.startsWith("/") ? path : `${before ?? ""}/${path}`);
}
