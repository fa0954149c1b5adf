/** The flags behind an instruction's name: `--from=build`, `--link`. */
import { unknownFlag } from "../image/instruction_parts.ts";
import { rawWords, unquote } from "../image/raw_words.ts";

/** Values by name; a flag that may come several times has a list. */
export interface Flags {
  readonly platform?: string;
  readonly mount?: readonly string[];
  readonly network?: string;
  readonly security?: string;
  readonly from?: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly checksum?: string;
  readonly link?: boolean;
  readonly parents?: boolean;
  readonly unpack?: boolean;
  readonly "keep-git-dir"?: boolean;
  readonly exclude?: readonly string[];
}

/** Cuts the flags off an instruction's text. `known`: "name", "name*" several, "name?" yes or no. */
export function takeFlags(
  text: string,
  known: readonly string[],
  escape: string,
): { flags: Flags; rest: string } {
  const flags: Record<string, string | boolean | string[]> = {};
  let rest = text;
  for (;;) {
    const match = /^\s*(--\S*)/.exec(rest);
    if (match === null) return { flags, rest: rest.trimStart() };
    const raw = rawWords(rest, escape)[0];
    rest = rest.slice(rest.indexOf(raw) + raw.length);
    const word = unquote(raw, escape);
    if (word === "--") return { flags, rest: rest.trimStart() };
    note(flags, word, known);
  }
}

function note(
  flags: Record<string, string | boolean | string[]>,
  word: string,
  known: readonly string[],
): void {
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const value = equals < 0 ? undefined : word.slice(equals + 1);
  const kind = known.find((one) => one.replace(/[*?]$/, "") === name);
  if (kind === undefined) {
    throw unknownFlag(name, known.map((one) => one.replace(/[*?]$/, "")));
  }
  if (kind.endsWith("?")) {
    if (value !== undefined && !/^(?:true|false|1|0)$/i.test(value)) {
      throw new Error(`expecting boolean value for flag ${name}, not: ${value}`);
    }
    flags[name] = value === undefined || /^(?:true|1)$/i.test(value);
    return;
  }
  if (value === undefined) throw new Error(`missing a value on flag: --${name}`);
  if (kind.endsWith("*")) flags[name] = [...(flags[name] as string[] | undefined ?? []), value];
  else if (name in flags) throw new Error(`duplicate flag specified: ${name}`);
  else flags[name] = value;
}
