import { UserError } from "../base/errors.ts";
import { quoteGo, quoteRune } from "../base/quote.ts";

/** What a value names, for shell completion (completion.ts). */
export type Completion =
  | "container"
  | "running"
  | "image"
  | "volume"
  | "network"
  | "file"
  | "directory"
  /** A file here, or a container's name and a colon: `cp`. */
  | "place"
  | readonly string[];

/** One flag of a command. The key in the table is its long name, without dashes. */
export interface Flag {
  /** `list` may be given several times. `int` is Go's int64 grammar: 0x10, 0b1, 1_000 count. */
  readonly type: "bool" | "string" | "int" | "list";
  /** One letter. */
  readonly short?: string;
  /** The text of the help page. May have line breaks; each line is wrapped by itself. */
  readonly help?: string;
  /** Name of the value in the help page, where it is not the type: `bytes`, `filter`, `mount`. */
  readonly value?: string;
  /** Value of the option when the flag is not given. */
  readonly default?: unknown;
  /** What the help page says of the default: by default only bools and texts show theirs. */
  readonly defaultText?: string;
  /** Value of a flag given without `=value` (which then is the only way to give one). */
  readonly bare?: string;
  /** Checks and converts one value. The message of what it throws ends up in the error line. */
  readonly parse?: (text: string) => unknown;
  /** Long name of the flag that this one is another name of; it has no option of its own. */
  readonly alias?: string;
  /** Not in the help page, not completed. */
  readonly hidden?: boolean;
  /** Hidden, and warned of on stderr when used: `use --timeout instead`. */
  readonly deprecated?: string;
  readonly complete?: Completion;
}

export type FlagTable = Readonly<Record<string, Flag>>;

/** Everything the parser, the help page and the completion know of a command. */
export interface CommandSpec {
  /** Words after the program name: `ps`, `volume create`. */
  readonly name: string;
  /** What follows the name in the usage line, e.g. `[OPTIONS] CONTAINER`; one per form. */
  readonly usage: string | readonly string[];
  /** One line, no full stop. */
  readonly summary: string;
  /** The long text of the help page, where the summary is not enough. */
  readonly description?: string;
  /** All spellings, as the help page lists them: `container ls`, `ps`. */
  readonly aliases?: readonly string[];
  readonly flags: FlagTable;
  /** Least and greatest number of positional arguments (Infinity: no limit). */
  readonly args: readonly [min: number, max: number];
  /** `first`: the first positional argument ends the flags (run, exec). Default: anywhere. */
  readonly flagsEnd?: "first" | "dashes";
  /** What each positional argument names; the last entry holds for all that follow. */
  readonly complete?: readonly Completion[];
  /** Lines of the examples section, without the program name. */
  readonly examples?: readonly string[];
}

type Camel<S extends string> = S extends `${infer A}-${infer B}${infer C}`
  ? `${A}${Uppercase<B>}${Camel<C>}`
  : S;

type Single<F> = F extends { parse: (text: string) => infer T } ? T
  : F extends { type: "int" } ? number
  : string;

type Optional<F, T> = F extends { default: infer D } ? T | Widen<D> : T | undefined;
type Widen<D> = D extends string ? string : D extends number ? number : D;

type ValueOf<F> = F extends { type: "bool" } ? boolean
  : F extends { type: "list" } ? Single<F>[]
  : Optional<F, Single<F>>;

/** The options of a table: `no-trunc` becomes `noTrunc`; aliases have none of their own. */
export type Options<T extends FlagTable> = {
  [K in keyof T & string as T[K] extends { alias: string } ? never : Camel<K>]: ValueOf<T[K]>;
};

/** The outcome of parseArgs(). */
export interface Parsed<T extends FlagTable> {
  readonly options: Options<T>;
  /** Long names of the flags that were on the command line (aliases under their true name). */
  readonly given: ReadonlySet<keyof T & string>;
  readonly args: string[];
  /** How many of `args` stood before `--`; -1 when there was no `--`. */
  readonly dashAt: number;
}

/**
 * A command line that does not parse. `message` is docker's first line; exit.ts adds the usage
 * lines under it, for which it needs the command as the user spelled it (`container ls`).
 */
export class UsageError extends UserError {
  override name = "UsageError";
  constructor(
    readonly spec: CommandSpec,
    readonly describe: (path: string) => string,
    exitCode = 125,
    /** The verb of docker's last line: it says `See` or `Run` depending on the check. */
    readonly trailer: "Run" | "See" = "Run",
    /** The unknown flag as typed, for which something alike may exist. */
    readonly unknownFlag?: string,
  ) {
    super(describe(`diplodock ${spec.name}`), exitCode);
  }
}

/** `--help` was given. exit.ts prints the page of `spec` on stdout; exit code 0. */
export class HelpRequest extends Error {
  override name = "HelpRequest";
  constructor(readonly spec: CommandSpec, readonly notice?: string) {
    super("help requested");
  }
}

/** `no-trunc` -> `noTrunc`: the key of a flag in the options. */
function optionKey(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

const BOOLS: Record<string, boolean> = {};
for (const word of ["1", "t", "T", "TRUE", "true", "True"]) BOOLS[word] = true;
for (const word of ["0", "f", "F", "FALSE", "false", "False"]) BOOLS[word] = false;

/** Go's strconv.ParseBool. Throws an Error with Go's text. */
export function parseBool(text: string): boolean {
  const value = Object.hasOwn(BOOLS, text) ? BOOLS[text] : undefined;
  if (value !== undefined) return value;
  throw new Error(`strconv.ParseBool: parsing ${quoteGo(text)}: invalid syntax`);
}

const INT = /^(0[xX](_?[0-9a-fA-F])+|0[bB](_?[01])+|0[oO](_?[0-7])+|0(_?[0-7])*|[1-9](_?\d)*)$/;

/**
 * Go's strconv.ParseInt(text, 0, bits), or ParseUint where `unsigned`. Throws an Error with
 * Go's text. Values above 2^53 lose their last digits: no flag of ours needs them.
 */
export function parseInteger(text: string, bits = 64, unsigned = false): number {
  const name = unsigned ? "ParseUint" : "ParseInt";
  const signed = !unsigned && /^[+-]/.test(text);
  let digits = signed ? text.slice(1) : text;
  if (!INT.test(digits)) {
    throw new Error(`strconv.${name}: parsing ${quoteGo(text)}: invalid syntax`);
  }
  digits = digits.replaceAll("_", "");
  if (/^0\d/.test(digits)) digits = "0o" + digits.slice(1);
  const value = BigInt(digits) * (signed && text[0] === "-" ? -1n : 1n);
  const top = 1n << BigInt(unsigned ? bits : bits - 1);
  if (value >= top || value < (unsigned ? 0n : -top)) {
    throw new Error(`strconv.${name}: parsing ${quoteGo(text)}: value out of range`);
  }
  return Number(value);
}

class Parser {
  readonly options: Record<string, unknown> = {};
  readonly given = new Set<string>();
  readonly args: string[] = [];
  dashAt = -1;
  help: HelpRequest | undefined;
  private rest: readonly string[] = [];
  private at = 0;
  private shorts: Map<string, string> | undefined;

  constructor(private readonly spec: CommandSpec, private readonly warn: (line: string) => void) {
    for (const [name, flag] of Object.entries(spec.flags)) {
      if (flag.alias !== undefined) continue;
      const empty = flag.type === "list" ? [] : flag.type === "bool" ? false : undefined;
      this.options[optionKey(name)] = flag.default ?? empty;
    }
  }

  parse(argv: readonly string[]): void {
    this.rest = argv;
    while (this.at < this.rest.length) {
      const word = this.rest[this.at++];
      if (word === "--") {
        this.dashAt = this.args.length;
        this.args.push(...this.rest.slice(this.at));
        return;
      }
      if (word.length < 2 || word[0] !== "-") {
        this.args.push(word);
        if (this.spec.flagsEnd !== "first") continue;
        this.args.push(...this.rest.slice(this.at));
        return;
      }
      if (word[1] === "-") this.long(word);
      else this.cluster(word.slice(1));
    }
  }

  private long(word: string): void {
    const equals = word.indexOf("=");
    const name = word.slice(2, equals < 0 ? undefined : equals);
    if (name === "" || name[0] === "-") throw this.error(`bad flag syntax: ${word}`);
    const flag = Object.hasOwn(this.spec.flags, name) ? this.spec.flags[name] : undefined;
    if (flag === undefined) {
      if (name === "help") {
        if (equals >= 0 && !this.asBool("--help", word.slice(equals + 1))) return;
        this.help = new HelpRequest(this.spec);
        return;
      }
      throw new UsageError(this.spec, () => `unknown flag: --${name}`, 125, "Run", name);
    }
    if (equals >= 0) this.set(name, flag, word.slice(equals + 1));
    else if (flag.type === "bool") this.set(name, flag, "true");
    else if (flag.bare !== undefined) this.set(name, flag, flag.bare);
    else if (this.at < this.rest.length) this.set(name, flag, this.rest[this.at++]);
    else throw this.error(`flag needs an argument: ${word}`);
  }

  /** `-itd`, `-fvalue`, `-f=value`, `-f value`: letters until one takes a value. */
  private cluster(letters: string): void {
    while (letters !== "") {
      const letter = letters[0];
      const name = this.shortName(letter);
      if (name === undefined) {
        if (letter !== "h") {
          throw this.error(`unknown shorthand flag: ${quoteRune(letter)} in -${letters}`);
        }
        const notice = "Flag shorthand -h has been deprecated, use --help";
        this.help = new HelpRequest(this.spec, notice);
        letters = letters.slice(1);
        continue;
      }
      const flag = this.spec.flags[name];
      if (letters.length > 2 && letters[1] === "=") return this.set(name, flag, letters.slice(2));
      if (flag.type === "bool" || flag.bare !== undefined) {
        this.set(name, flag, flag.bare ?? "true");
        letters = letters.slice(1);
        continue;
      }
      if (letters.length > 1) return this.set(name, flag, letters.slice(1));
      if (this.at < this.rest.length) return this.set(name, flag, this.rest[this.at++]);
      throw this.error(`flag needs an argument: ${quoteRune(letter)} in -${letters}`);
    }
  }

  private shortName(letter: string): string | undefined {
    if (this.shorts === undefined) {
      this.shorts = new Map();
      for (const [name, flag] of Object.entries(this.spec.flags)) {
        if (flag.short !== undefined) this.shorts.set(flag.short, name);
      }
    }
    return this.shorts.get(letter);
  }

  private set(name: string, flag: Flag, text: string): void {
    const label = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`;
    const trueName = flag.alias ?? name;
    const target = flag.alias === undefined ? flag : this.spec.flags[flag.alias];
    const value = this.convert(label, target, text);
    const key = optionKey(trueName);
    if (target.type !== "list") this.options[key] = value;
    else if (this.given.has(trueName)) (this.options[key] as unknown[]).push(value);
    else this.options[key] = [value];
    this.given.add(trueName);
    if (flag.deprecated !== undefined) {
      this.warn(`Flag --${name} has been deprecated, ${flag.deprecated}`);
    }
  }

  private convert(label: string, flag: Flag, text: string): unknown {
    try {
      if (flag.parse !== undefined) return flag.parse(text);
      if (flag.type === "bool") return parseBool(text);
      if (flag.type === "int") return parseInteger(text);
      return text;
    } catch (error) {
      throw this.invalid(label, text, error);
    }
  }

  private asBool(label: string, text: string): boolean {
    try {
      return parseBool(text);
    } catch (error) {
      throw this.invalid(label, text, error);
    }
  }

  private invalid(label: string, text: string, error: unknown): UsageError {
    const reason = error instanceof Error ? error.message : String(error);
    return this.error(`invalid argument ${quoteGo(text)} for ${quoteGo(label)} flag: ${reason}`);
  }

  private error(line: string): UsageError {
    return new UsageError(this.spec, () => line);
  }
}

/**
 * Throws a UsageError with exit code 1 unless `count` positional arguments are right for `spec`.
 * The wording, and which check says "See", is docker's (docker/cli, cli/required.go).
 */
export function checkCount(spec: CommandSpec, count: number): void {
  const [min, max] = spec.args;
  if (count >= min && count <= max) return;
  const noun = (n: number) => n === 1 ? "argument" : "arguments";
  const fail = (text: string, trailer: "Run" | "See" = "Run") =>
    new UsageError(spec, (path) => `diplodock: '${path}' ${text}`, 1, trailer);
  if (max === 0) throw fail("accepts no arguments");
  if (min === max) throw fail(`requires ${min} ${noun(min)}`);
  if (max === Infinity) throw fail(`requires at least ${min} ${noun(min)}`, "See");
  if (min === 0) throw fail(`requires at most ${max} ${noun(max)}`);
  throw fail(`requires at least ${min} and at most ${max} ${noun(max)}`);
}

/**
 * Parses the words after the command's name by `spec`. Values are checked in the order in which
 * they stand. Throws UsageError (exit 125 for a flag, 1 for a wrong number of arguments) and
 * HelpRequest; warnings of deprecated flags go to `warn`, by default stderr.
 */
export function parseArgs<const S extends CommandSpec>(
  spec: S,
  argv: readonly string[],
  warn: (line: string) => void = console.error,
): Parsed<S["flags"]> {
  const parser = new Parser(spec, warn);
  parser.parse(argv);
  if (parser.help !== undefined) throw parser.help;
  checkCount(spec, parser.args.length);
  return parser as unknown as Parsed<S["flags"]>;
}
