/** Command lines in the grammar of Go's flag package, which engines write for: -b x, --bundle=x. */
import { UserError } from "../base/errors.ts";

/** One option: its long name is the key. */
export interface OciOption {
  readonly kind: "bool" | "text" | "number" | "list";
  readonly short?: string;
  /** For the help text. */
  readonly help: string;
}

export type OciOptions = Readonly<Record<string, OciOption>>;

/** What was given. Lists are there always, the others only when given. */
export class OciArguments {
  readonly #values = new Map<string, string[]>();
  constructor(readonly rest: readonly string[]) {}
  add(name: string, value: string): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), value]);
  }
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }
  list(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
  flag(name: string): boolean {
    return this.text(name) === "true";
  }
  number(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : Number(text);
  }
}

const TRUE = ["1", "t", "T", "TRUE", "true", "True"];
const FALSE = ["0", "f", "F", "FALSE", "false", "False"];

/**
 * Parses `args`. Options end at the first other word (`first`), or may stand anywhere before
 * "--". Throws UserError with the texts of Go's flag package.
 */
export function parseOci(
  args: readonly string[],
  options: OciOptions,
  end: "first" | "anywhere",
): OciArguments {
  const rest: string[] = [];
  const parsed = new OciArguments(rest);
  for (let at = 0; at < args.length; at++) {
    const word = args[at];
    if (word === "--") {
      rest.push(...args.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      rest.push(...(end === "first" ? args.slice(at) : [word]));
      if (end === "first") break;
      continue;
    }
    const dashless = word.replace(/^--?/, "");
    const equals = dashless.indexOf("=");
    const given = equals < 0 ? dashless : dashless.slice(0, equals);
    const name = longName(given, options);
    const option = options[name];
    if (option === undefined) throw new UserError(`flag provided but not defined: -${given}`);
    let value = equals < 0 ? undefined : dashless.slice(equals + 1);
    if (value === undefined && option.kind === "bool") value = "true";
    else if (value === undefined) {
      if (at + 1 >= args.length) throw new UserError(`flag needs an argument: -${given}`);
      value = args[++at];
    }
    parsed.add(name, checked(value, option, given));
  }
  return parsed;
}

function longName(given: string, options: OciOptions): string {
  if (Object.hasOwn(options, given)) return given;
  return Object.keys(options).find((name) => options[name].short === given) ?? given;
}

function checked(value: string, option: OciOption, given: string): string {
  const quoted = JSON.stringify(value);
  if (option.kind === "bool") {
    if (TRUE.includes(value)) return "true";
    if (FALSE.includes(value)) return "false";
    throw new UserError(`invalid boolean value ${quoted} for -${given}: parse error`);
  }
  if (option.kind === "number" && !/^-?\d+$/.test(value)) {
    throw new UserError(`invalid value ${quoted} for flag -${given}: parse error`);
  }
  return value;
}
